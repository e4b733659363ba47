// The keyboard of the labelling page, and what is said when a part of it was replaced or could not be fetched.
// Everything here presses buttons and marks fields that work without it.

const byId = (id) => document.getElementById(id);

const KEYS = {
  Enter: () => byId("answer")?.requestSubmit(byId("send")),
  Escape: () => byId("skip")?.showPopover(),
  u: () => byId("undo")?.click(),
  "?": () => byId("keys").togglePopover(),
};

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.repeat || event.isComposing) return;
  if (event.ctrlKey || event.altKey || event.metaKey || isTypedInto(event.target)) return;
  const open = document.querySelector(":popover-open");
  const done = open ? pressInPopover(open, keysOf(event)) : pressOnDesk(event.target, keysOf(event));
  if (done) event.preventDefault();
});

// A radio button is chosen from, not typed into.
function isTypedInto(element) {
  return element.closest("input:not([type=radio]), textarea, select, [contenteditable]") !== null;
}

// The key as it is typed. On a keyboard that has no Latin letters, or digits only with Shift, also the key by its place.
function keysOf(event) {
  const typed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const place = /^(?:Digit|Key)(.)$/.exec(event.code);
  return place && !event.shiftKey && !/^[a-z0-9]$/.test(typed) ? [typed, place[1].toLowerCase()] : [typed];
}

// Returns whether the key meant something.
function pressOnDesk(target, keys) {
  if (keys.includes("Enter") && target.closest("a, button, summary")) return false;
  const command = keys.find((key) => Object.hasOwn(KEYS, key));
  const marked = findMarked(document, "key", keys);
  if (command) KEYS[command]();
  else if (marked?.matches("input")) marked.click();
  else if (marked) cycle(marked);
  return Boolean(command || marked);
}

// Escape closes by itself; the key that opens the key map also closes it.
function pressInPopover(open, keys) {
  if (keys.includes("?")) open.hidePopover();
  const reason = findMarked(open, "number", keys);
  reason?.focus();
  return Boolean(reason) || keys.includes("?");
}

function findMarked(within, name, keys) {
  const marked = [...within.querySelectorAll(`[data-${name}]`)];
  return marked.find((element) => keys.includes(element.dataset[name]));
}

// unanswered -> yes -> no -> unanswered
function cycle(tag) {
  const ways = [...tag.querySelectorAll("input")];
  const now = ways.findIndex((way) => way.checked);
  ways[(now + 1) % ways.length].click();
}

// --- After a part was replaced ---------------------------------------------------------------------------------------

document.addEventListener("htmx:afterSwap", () => {
  byId("trouble").hidden = true;
  byId("status").textContent = [byId("messages"), byId("tally"), document.querySelector(".judged .words")]
    .filter((element) => element)
    .map((element) => element.textContent.trim().replace(/\.$/, "").slice(0, 300))
    .join(". ");
});

const TROUBLE = {
  "htmx:sendError": () => "The server cannot be reached. Your choices are kept: press Submit again when you are connected.",
  "htmx:timeout": () => "The server takes too long to answer. Your choices are kept: press Submit again in a moment.",
  "htmx:responseError": (event) => responseTrouble(event.detail.xhr.status),
};

function responseTrouble(status) {
  if (status === 403) return "This page is out of date, perhaps because you signed in elsewhere. Reload it to go on.";
  if (status === 404) return "This instruction is no longer yours to answer. Reload the page to go on.";
  return "The server could not save this. Your choices are kept: press Submit again in a moment.";
}

for (const [name, words] of Object.entries(TROUBLE)) {
  document.addEventListener(name, (event) => {
    const trouble = byId("trouble");
    trouble.textContent = words(event);
    trouble.hidden = false;
    // The button that was pressed lost the focus while it was disabled.
    byId("send")?.focus();
  });
}

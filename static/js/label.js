// The keyboard of the labelling page and of practice, and the quick exit. Everything here presses buttons and marks fields
// that work without it; which key does what stands on the desk, {action: key}, and is empty for who switched single keys
// off.

const ACTIONS = {
  submit: () => byId("send")?.disabled === false && byId("answer").requestSubmit(byId("send")),
  skip: () => byId("skip")?.showPopover(),
  undo: () => byId("undo")?.checkVisibility() && byId("undo").click(),
  none: () => byId("none")?.click(),
  context: toggleFolds,
  note: openNote,
  ask: () => byId("ask")?.showPopover(),
  flag: () => byId("flag")?.showPopover(),
  report: () => byId("report")?.requestSubmit(),
  help: () => byId("keys")?.togglePopover(),
  leave: leaveAtOnce,
};

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.repeat || event.isComposing) return;
  if (event.ctrlKey || event.altKey || event.metaKey || isTypedInto(event.target)) return;
  const desk = byId("desk");
  const actions = new Map(Object.entries(JSON.parse(desk.dataset.keys)).map(([action, key]) => [key, action]));
  const pressed = keysOf(event);
  const action = pressed.map((key) => actions.get(key)).find((found) => found);
  // Whatever is open, or on its way.
  if (action === "leave") return leaveAtOnce();
  if (desk.inert || desk.hidden || actions.size === 0) return;
  const open = document.querySelector(":popover-open");
  if (open ? pressInPopover(open, pressed, action) : pressOnDesk(event.target, pressed, action)) event.preventDefault();
});

// A radio button is chosen from, not typed into.
function isTypedInto(element) {
  return element.closest("input:not([type=radio]), textarea, select, [contenteditable]") !== null;
}

const PLACES = { Slash: "/", Period: ".", Comma: ",", Semicolon: ";" };

// The key as it is typed. On a keyboard that has no Latin letters, digits only with Shift, or other signs where these
// stand, also the key by its place; with Shift only the question mark, so that nothing is reported by a key's place.
function keysOf(event) {
  const typed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const place = event.shiftKey ? { Slash: "?" }[event.code] : placeOf(event.code);
  return place && typed !== "!" && !/^[a-z0-9]$/.test(typed) ? [typed, place] : [typed];
}

function placeOf(code) {
  return PLACES[code] ?? /^(?:Digit|Key)(.)$/.exec(code)?.[1].toLowerCase();
}

// Returns whether the key meant something.
function pressOnDesk(target, pressed, action) {
  if (!action || (pressed.includes("Enter") && target.closest("a, button, summary"))) return false;
  const marked = byId("desk").querySelector(`[data-action="${CSS.escape(action)}"]`);
  if (Object.hasOwn(ACTIONS, action)) ACTIONS[action]();
  else if (marked?.matches("input")) marked.click();
  else if (marked) cycle(marked);
  return true;
}

// Escape closes by itself; the key that opens the key map also closes it.
function pressInPopover(open, pressed, action) {
  if (action === "help") open.hidePopover();
  const reason = [...open.querySelectorAll("[data-number]")].find((one) => pressed.includes(one.dataset.number));
  reason?.focus();
  return Boolean(reason) || action === "help";
}

// unanswered -> yes -> no -> unanswered
function cycle(tag) {
  const ways = [...tag.querySelectorAll("input")];
  const now = ways.findIndex((way) => way.checked);
  ways[(now + 1) % ways.length].click();
}

function toggleFolds() {
  const folds = [...document.querySelectorAll("#text details")];
  const isOpening = folds.some((fold) => !fold.open);
  for (const fold of folds) fold.open = isOpening;
}

function openNote() {
  byId("noting").open = true;
  byId("id_note").focus();
}

// --- Leaving ---------------------------------------------------------------------------------------------------------

// Nothing of the text stays on the page, in memory or behind the button "back". The leases go back by a request that
// outlives the page; answers that wait are sent another time. Other tabs leave too. Without this script the form does
// the same, when the server has answered.

let isLeaving = false;
const otherTabs = new BroadcastChannel("oig-leave");

function leaveAtOnce() {
  if (isLeaving) return;
  const form = byId("leave-at-once");
  const body = new URLSearchParams(new FormData(form));
  fetch(form.action, { method: "POST", body, keepalive: true, redirect: "manual" }).catch(() => {});
  otherTabs.postMessage("leave");
  goAway(byId("content").dataset.away);
}

function goAway(address) {
  isLeaving = true;
  document.title = "";
  document.body.classList.add("left");
  byId("text")?.replaceChildren();
  if (typeof forget === "function") forget();
  location.replace(address);
}

otherTabs.onmessage = () => isLeaving || goAway(byId("content").dataset.away);

document.addEventListener("submit", (event) => {
  if (event.target.id !== "leave-at-once") return;
  event.preventDefault();
  leaveAtOnce();
});

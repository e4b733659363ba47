// The desk of the labelling page: the next text is fetched ahead and shown at once, what was answered goes out through the
// outbox, and the page says what becomes of it. Without this script the forms do the same, a page at a time.
// Texts that are fetched ahead are in memory only, and leave it when the server no longer lists their lease.

const byId = (id) => document.getElementById(id);
const page = byId("content").dataset;
const phrases = byId("phrases").dataset;
const outbox = new Outbox(page.annotator);

const FIVE_MINUTES = 300_000;
const STILL_HERE = 60_000; // who does nothing for so long is taken to be away
const REWORDED = "oig-reworded"; // set while the page is loaded anew for other guidelines
const BOUNCE = 400; // a second press so soon after a new text was meant for the one before

let held = []; // cards fetched ahead: {assignment, key, until, text, draft, isLost}
const given = new Map(); // of what waits in the outbox, the cards whose texts are still known, by assignment
let isPaused = false; // nothing is on the desk until the server has been heard
let wantsCards = true;
let isReworded = false; // the campaign goes by other guidelines than this page
let looksAgain = false; // the next on the desk is another earlier answer, which the server chooses
let isKeptOut = false; // the campaign is paused for this person: the desk that comes says why
let swaps = 0; // of the desk by htmx; an answer from before one says nothing about the lease on the desk
let ahead = Date.parse(page.now) - Date.now(); // of the server's clock
let trouble = "";
let refusals = [];
let notices = [];
let latest = "";
let pending = null; // what was asked for while answers were on their way
let tries = 0;
let retry = 0;
let shownAt = -BOUNCE;

const now = () => Date.now() + ahead;
const phrase = (name, values = {}) => phrases[name].replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);

// --- What is on the desk ---------------------------------------------------------------------------------------------

function onDesk() {
  const form = byId("answer");
  if (!form || isPaused) return null;
  const { assignment, key, revises } = form.elements;
  return { form, assignment: assignment.value, key: key.value, isEarlier: revises.value !== "" };
}

function isTouched(form) {
  return form.querySelector(":checked:not([value=''])") !== null || form.elements.note.value !== "";
}

// Whether something was chosen or typed that closing the page would lose.
function isBegun() {
  const open = onDesk();
  const isOnForm = open && (open.isEarlier ? isChanged(open.form) : isTouched(open.form));
  const asides = [...document.querySelectorAll(".aside textarea")];
  return isOnForm || held.some((card) => card.draft) || asides.some((words) => words.value !== "");
}

// The server rendered the earlier answer.
function isChanged(form) {
  const { note } = form.elements;
  const radios = [...form.querySelectorAll("input[type=radio]")];
  return note.value !== note.defaultValue || radios.some((one) => one.checked !== one.defaultChecked);
}

function showNext() {
  held = held.filter((card) => card.draft || Date.parse(card.until) > now());
  const card = held.shift();
  if (card) place(card);
  else pause();
}

function place(card) {
  const desk = byId("desk");
  const form = byId("answer");
  hidePopovers();
  if (card.text) byId("text").outerHTML = card.text.trim();
  else wipe();
  // What was typed about the text before is of no use to this one.
  for (const aside of desk.querySelectorAll("form.aside")) aside.reset();
  form.elements.key.value = card.key;
  form.elements.revises.value = form.elements.focused_ms.value = "";
  for (const field of desk.querySelectorAll("[name=assignment]")) field.value = card.assignment;
  for (const field of desk.querySelectorAll("[name=again]")) field.remove();
  fill(form, card.draft);
  desk.querySelector(".faults")?.remove();
  desk.classList.remove("changing");
  desk.dataset.until = card.until;
  delete desk.dataset.isLost;
  resume();
  shownAt = performance.now();
  byId("text").focus({ preventScroll: true });
  window.scrollTo(0, 0);
  settle();
  if (card.isLost) lose();
}

function fill(form, draft) {
  for (const input of form.querySelectorAll("input[type=radio]")) {
    input.checked = (draft?.get(input.name) ?? "") === input.value;
  }
  form.elements.note.value = draft?.get("note") ?? "";
  byId("noting").open = form.elements.note.value !== "";
}

// After another text has come, by whatever way.
function settle() {
  focused.start();
  showCountdown();
  const isMasked = document.querySelector("#text .mask:not([open])") !== null;
  const text = isMasked ? null : document.querySelector(".judged .words") ?? document.querySelector(".done h2");
  byId("next").textContent = phrase("next", { text: text?.textContent.trim().slice(0, 300) ?? "" });
}

// Nobody should have this text before their eyes any more, nor in a screen reader's.
function wipe() {
  byId("text").replaceChildren();
  byId("next").textContent = "";
}

function pause() {
  isPaused = wantsCards = true;
  byId("desk").inert = true;
  byId("desk").classList.add("sent");
  showTrouble();
}

function resume() {
  isPaused = false;
  const desk = byId("desk");
  desk.inert = desk.hidden = false;
  desk.classList.remove("sent");
  byId("pause").hidden = true;
}

// The server renders the desk: its page for when nothing is left, or the first text after that.
function refetch() {
  htmx.ajax("GET", looksAgain ? `${page.label}?revise=again` : page.label, { target: "#desk", swap: "outerHTML" });
}

// The text that is open comes back after an earlier answer was changed, with what was chosen so far.
function putAside() {
  const open = onDesk();
  if (open && !open.isEarlier) held.unshift(cardOf(open));
}

function cardOf({ form, assignment, key }) {
  const draft = isTouched(form) ? new URLSearchParams(new FormData(form)) : null;
  const { until, isLost } = byId("desk").dataset;
  return { assignment, key, until, text: byId("text").outerHTML, draft, isLost };
}

function hidePopovers() {
  for (const open of document.querySelectorAll(":popover-open")) open.hidePopover();
}

// What is left of texts elsewhere than on the desk, when the person leaves at once (label.js).
function forget() {
  held = [];
  given.clear();
  byId("next").textContent = "";
  byId("answers").replaceChildren();
}

// --- Sending ---------------------------------------------------------------------------------------------------------

function give(form) {
  form.elements.focused_ms.value = focused.taken();
  const open = onDesk();
  if (!open.isEarlier) given.set(open.assignment, cardOf(open));
  send(form, answerIn(form));
}

function report(form) {
  wipe();
  send(form, phrase("report"));
}

function send(form, answer) {
  const fields = new URLSearchParams(new FormData(form));
  fields.delete("csrfmiddlewaretoken");
  if (outbox.size === 0) {
    notices = [];
    refusals = [];
  }
  pending = null;
  outbox.add({ url: new URL(form.action).pathname, body: fields.toString(), assignment: fields.get("assignment"), answer });
  looksAgain = fields.has("again");
  if (looksAgain) pause();
  else showNext();
  pump();
}

// The answer in words, so that one which is not taken is not lost without a trace.
function answerIn(form) {
  const chosen = form.querySelector("[name=choice]:checked")?.dataset.name ?? "";
  const tags = [...form.querySelectorAll(".tag:has([value=yes]:checked)")].map((tag) => tag.dataset.name);
  return [chosen, ...tags, form.elements.note.value].filter((part) => part).join(", ");
}

const ask = (url, fields) =>
  post(url, fields, document.querySelector("[name=csrfmiddlewaretoken]").value, page.signIn);

let pumping = null;
let pumpsAgain = false;

// One at a time over all tabs, in order. Where locks are missing the keys still keep an answer from being saved twice.
function pump() {
  pumpsAgain = true;
  return (pumping ??= work());
}

async function work() {
  clearTimeout(retry);
  try {
    while (pumpsAgain) {
      pumpsAgain = false;
      await (navigator.locks ? navigator.locks.request(outbox.name, drain) : drain());
    }
  } finally {
    pumping = null;
  }
}

async function drain() {
  for (let entry = outbox.first(); entry; entry = outbox.first()) {
    if (!(await deliver(entry))) return;
  }
  if (wantsCards && (byId("answer") || isPaused) && !(await fetchCards())) return;
  calm();
  const asked = pending;
  pending = null;
  asked?.();
  if (!asked) catchUp();
}

async function deliver(entry) {
  const isHere = entry.url.startsWith(page.label);
  const fields = new URLSearchParams(entry.body);
  fields.set("holding", holding());
  if (!isHere) fields.set("claims", "no");
  const swapsBefore = swaps;
  const result = await ask(entry.url, fields);
  if (result.became !== "done" && result.became !== "refused") return worry(result.became);
  outbox.remove(entry);
  given.delete(entry.assignment);
  calm();
  if (result.became === "refused") {
    refusals.push(phrase("refused", { answer: entry.answer, why: result.why || phrase("unknown") }));
    wantsCards = true;
    showTrouble();
  } else {
    say(result.data.words || phrase("sent"), result.data.good ?? true);
    wantsCards = !(isHere && result.data.leases);
    if (!wantsCards) absorb(result, swapsBefore);
  }
  return true;
}

async function fetchCards() {
  const swapsBefore = swaps;
  const result = await ask(page.cards, new URLSearchParams({ holding: holding() }));
  if (result.became !== "done") return worry(result.became === "refused" ? "outdated" : result.became);
  wantsCards = false;
  absorb(result, swapsBefore);
  return true;
}

// Undo of the last answer while it waits here: it is taken out, and its text comes back with what was chosen. Not while
// it is on its way from any tab. If the server has it although nobody heard, the key keeps it from being saved twice.
async function takeOut() {
  const card = given.get(outbox.all().at(-1)?.assignment);
  if (!card || pumping || !navigator.locks) return false;
  return navigator.locks.request(outbox.name, { ifAvailable: true }, (lock) => lock !== null && comesBack(card));
}

// Returns whether it had not been sent meanwhile.
function comesBack(card) {
  const entry = outbox.all().at(-1);
  if (entry?.assignment !== card.assignment) return false;
  outbox.remove(entry);
  given.delete(card.assignment);
  putAside();
  place(card);
  say(phrase("unsent"), false);
  showTrouble();
  return true;
}

// The page shows the labels, colours and keys of the guidelines it was loaded with. It is loaded anew once nothing would
// be lost by that, and nobody is in the middle of something.
function catchUp() {
  const isBusy = isPaused || outbox.size > 0 || onDesk()?.isEarlier || document.querySelector(":popover-open");
  if (!isReworded || isBusy) return;
  if (isBegun()) {
    if (!notices.includes(phrase("rewordedLater"))) say(phrase("rewordedLater"), false);
    return;
  }
  sessionStorage.setItem(REWORDED, "yes");
  location.reload();
}

// The assignments whose texts the page has, or has done with.
function holding() {
  const open = onDesk();
  const all = [...held, ...outbox.all(), ...(open ? [open] : [])];
  return all.map((card) => card.assignment).join(" ");
}

// What the server says this person holds.
function absorb({ data, date }, swapsBefore) {
  if (data.elsewhere) return goAway(data.elsewhere);
  if (Math.abs(date - now()) > 2000) ahead = date - Date.now();
  isKeptOut = data.paused;
  isReworded = data.wording !== null && String(data.wording) !== page.wording;
  if (byId("tally") && data.tally) byId("tally").textContent = data.tally;
  const leases = new Map(data.leases.map((lease) => [String(lease.assignment), lease]));
  const withdrawn = new Set(data.withdrawn.map(String));
  // What was chosen for a text is not lost with its lease.
  held = held.filter((card) => card.draft || leases.has(card.assignment));
  for (const card of given.values()) if (withdrawn.has(card.assignment)) card.text = "";
  for (const card of held) {
    card.until = leases.get(card.assignment)?.until ?? card.until;
    card.isLost = leases.has(card.assignment) ? "" : "yes";
    if (withdrawn.has(card.assignment)) card.text = "";
  }
  const open = onDesk();
  for (const [assignment, lease] of leases) {
    const isKnown = assignment === open?.assignment || held.some((card) => card.assignment === assignment);
    if (lease.text && !isKnown && !outbox.has(assignment)) held.push({ ...lease, assignment });
  }
  if (isPaused) goOn();
  else if (open && !open.isEarlier && swaps === swapsBefore) {
    if (withdrawn.has(open.assignment)) wipe();
    check(open, leases.get(open.assignment));
  } else if (!open && leases.size > 0) refetch();
}

function goOn() {
  if (held.length > 0 && byId("answer") && !looksAgain) showNext();
  else if (outbox.size === 0) refetch();
}

// The lease of the text on the desk, or undefined if it is no longer this person's.
function check(open, lease) {
  const { dataset } = byId("desk");
  if (lease) {
    dataset.until = lease.until;
    delete dataset.isLost;
    showCountdown();
  } else if (!isTouched(open.form)) {
    wipe();
    if (!isKeptOut) say(phrase("gone"), false);
    showNext();
    if (isPaused) goOn();
  } else if (!dataset.isLost) {
    lose();
  }
}

// What was chosen for the text on the desk is kept, although its lease is not; so is the text, unless it was withdrawn.
function lose() {
  const { dataset } = byId("desk");
  dataset.isLost = "yes";
  const isOver = Date.parse(dataset.until) <= now() && byId("text").hasChildNodes();
  say(phrase(isOver ? "over" : "goneKept"), false);
}

// --- What is said ----------------------------------------------------------------------------------------------------

// The latest good news, and every other since the last answer that was given in peace.
function say(words, isGood) {
  if (isGood) latest = words;
  else notices.push(words);
  showNotices();
  byId("status").textContent = words;
}

function showNotices() {
  const list = byId("messages");
  if (!list) return;
  const shown = [...notices.map((words) => [words, "warning"]), ...(latest ? [[latest, "success"]] : [])];
  list.replaceChildren(...shown.map(([words, level]) => line(words, level)));
}

const line = (words, level) => Object.assign(document.createElement("li"), { textContent: words, className: level });

const RETRIED = ["offline", "busy"];

// Returns false, for whoever goes on only after success.
function worry(became) {
  if (RETRIED.includes(became)) {
    tries += 1;
    retry = setTimeout(pump, Math.min(60_000, 1000 * 2 ** tries));
  }
  // Fetching ahead may fail without anybody noticing.
  if (outbox.size > 0 || isPaused) trouble = became;
  showTrouble();
  if (pending && !notices.includes(phrase("postponed"))) say(phrase("postponed"), false);
  return false;
}

function calm() {
  tries = 0;
  trouble = "";
  showTrouble();
}

function showTrouble() {
  const words = [...refusals, trouble ? phrase(trouble) : ""].filter((one) => one).join(" ");
  const waiting = trouble && outbox.size ? phrase("waiting", { n: outbox.size }) : "";
  byId("trouble").hidden = !words;
  setText(byId("trouble-words"), words);
  setText(byId("waiting"), waiting);
  byId("undo-waiting").hidden = !given.has(outbox.all().at(-1)?.assignment);
  byId("sign-in-again").hidden = trouble !== "signedOut";
  if (isPaused) byId("pause").hidden = !(byId("desk").hidden = trouble !== "");
}

// A live region is read again whenever it is written to.
function setText(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

// --- Time ------------------------------------------------------------------------------------------------------------

// Time counts while the page is in front and somebody is there.
const focused = {
  total: 0,
  since: performance.now(),
  active: performance.now(),
  start() {
    this.total = 0;
    this.since = this.active = performance.now();
  },
  tick() {
    const at = performance.now();
    const isThere = document.visibilityState === "visible" && document.hasFocus() && at - this.active < STILL_HERE;
    if (isThere) this.total += Math.min(at - this.since, 2000);
    if (isThere) propose(Math.min(at - this.since, 2000));
    this.since = at;
  },
  taken() {
    this.tick();
    return Math.round(this.total);
  },
};

// A break is proposed after so much time at this page, once.
const LONG = 2_700_000;
let worked = 0;

function propose(milliseconds) {
  worked += milliseconds;
  if (worked < LONG) return;
  worked = 0;
  say(phrase("rest"), false);
}

for (const kind of ["keydown", "pointerdown", "pointermove", "scroll", "wheel"]) {
  document.addEventListener(kind, () => (focused.active = performance.now()), { capture: true, passive: true });
}
for (const kind of ["blur", "focus"]) window.addEventListener(kind, () => focused.tick());

function showCountdown() {
  const box = byId("countdown");
  const open = onDesk();
  if (!box || !open) return;
  const left = Date.parse(byId("desk").dataset.until) - now();
  const wasHidden = box.hidden;
  box.hidden = open.isEarlier || !(left < FIVE_MINUTES);
  if (box.hidden) return;
  byId("reserved").textContent = left > 0 ? phrase("reserved", { time: minutes(left) }) : phrase("over");
  const isNews = wasHidden || (left <= 0 && !box.classList.contains("over"));
  if (isNews) byId("status").textContent = byId("reserved").textContent;
  box.classList.toggle("over", left <= 0);
}

function minutes(milliseconds) {
  const seconds = Math.ceil(milliseconds / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

setInterval(() => {
  focused.tick();
  showCountdown();
}, 1000);

// --- Forms and buttons -----------------------------------------------------------------------------------------------

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.id === "answer" || form.id === "report") {
    event.preventDefault();
    if (!onDesk()) return;
    if (form.id === "answer") give(form);
    else if (performance.now() - shownAt >= BOUNCE) report(form);
  } else if (form.matches(".aside")) {
    event.preventDefault();
    whenSent(() => sendAside(form));
  } else if (form.closest("#yours") && outbox.size > 0 && form.dataset.asked !== "again") {
    event.preventDefault();
    signOutAfter(form);
  }
});

// Signing out gives leases back; what was answered goes first, for a few seconds. Whoever asks again after that goes
// without.
async function signOutAfter(form) {
  if (form.dataset.asked) return;
  form.dataset.asked = "once";
  say(phrase("first"), true);
  await Promise.race([pump(), new Promise((resolve) => setTimeout(resolve, 5000))]);
  if (outbox.size === 0) return form.submit();
  form.dataset.asked = "again";
  hidePopovers();
  latest = "";
  say(phrase("leaving", { n: outbox.size }), false);
}

function whenSent(action) {
  if (outbox.size === 0) return action();
  say(phrase("first"), true);
  pending = action;
  pump();
}

// A flag or a question: what was typed stays until the server has it.
async function sendAside(form) {
  const result = await ask(form.action, new URLSearchParams(new FormData(form)));
  const names = { offline: "unreached", busy: "failed" };
  if (result.became === "done") {
    form.closest("[popover]").hidePopover();
    form.reset();
    calm();
    say(result.data.words || phrase("sent"), true);
  } else if (result.became === "refused") {
    refusals = [result.why || phrase("notYours")];
    showTrouble();
  } else {
    trouble = names[result.became] ?? result.became;
    showTrouble();
  }
}

document.addEventListener(
  "click",
  (event) => {
    const target = event.target.closest("#leave, #keep, #none, #undo-waiting");
    if (target?.id === "undo-waiting") {
      takeOut();
    } else if (target?.id === "keep") {
      wantsCards = true;
      pump();
    } else if (target?.id === "none") {
      for (const open of document.querySelectorAll(".tag:has([value='']:checked) [value=no]")) open.checked = true;
    } else if (target && held.length > 0) {
      event.preventDefault();
      event.stopImmediatePropagation();
      showNext();
    }
  },
  { capture: true },
);

document.addEventListener("invalid", (event) => performance.now() - shownAt < BOUNCE && event.preventDefault(), true);

// --- Parts of the page that htmx replaces ----------------------------------------------------------------------------

document.addEventListener("htmx:confirm", async (event) => {
  if (outbox.size === 0) return;
  event.preventDefault();
  if (event.detail.elt.id === "undo" && (await takeOut())) return;
  whenSent(() => event.detail.issueRequest(true));
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const isDesk = event.detail.target.id === "desk";
  if (isDesk && event.detail.pathInfo.requestPath.includes("revise=")) putAside();
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id === "answers") return byId("answers").showPopover();
  adopt();
});

// A desk that the server rendered.
function adopt() {
  const isAwaited = isPaused;
  swaps += 1;
  looksAgain = false;
  hidePopovers();
  resume();
  calm();
  shownAt = performance.now();
  const open = onDesk();
  const kept = held.find((card) => card.assignment === open?.assignment);
  held = held.filter((card) => card !== kept);
  if (kept?.draft && !open.isEarlier) fill(open.form, kept.draft);
  if (isAwaited && byId("messages").children.length === 0) showNotices();
  const said = [byId("messages"), byId("tally")].map((part) => part.textContent.trim().replace(/\.$/, ""));
  byId("status").textContent = said.filter((words) => words).join(". ");
  settle();
  wantsCards = open !== null && !open.isEarlier && held.length === 0;
  if (wantsCards) pump();
}

const FAILURES = {
  "htmx:sendError": () => "unreached",
  "htmx:timeout": () => "unreached",
  "htmx:responseError": (event) => ({ 403: "outdated", 404: "notYours" })[event.detail.xhr.status] ?? "failed",
};

for (const [kind, name] of Object.entries(FAILURES)) {
  document.addEventListener(kind, (event) => {
    trouble = name(event);
    showTrouble();
    if (isPaused) {
      wantsCards = true;
      retry = setTimeout(pump, 5000);
    }
    // The button that was pressed lost the focus while it was disabled.
    byId("send")?.focus();
  });
}

// --- Beginning, and coming back --------------------------------------------------------------------------------------

function comeBack() {
  tries = 0;
  if (outbox.size > 0 || isPaused || wantsCards) pump();
}

window.addEventListener("online", comeBack);
window.addEventListener("storage", showTrouble);
document.addEventListener("visibilitychange", () => {
  focused.tick();
  if (document.visibilityState === "visible") comeBack();
});
// Who leaves at once is asked nothing; by the class, since label.js may not be there yet.
const isLeft = () => document.body.classList.contains("left");
window.addEventListener("beforeunload", (event) => !isLeft() && (outbox.isFleeting || isBegun()) && event.preventDefault());

settle();
if (sessionStorage.getItem(REWORDED)) {
  sessionStorage.removeItem(REWORDED);
  say(phrase("reworded"), false);
}
// The server renders the text whose answer still waits here.
if (outbox.has(onDesk()?.assignment)) pause();
pump();

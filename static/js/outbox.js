// Answers on their way to the server: kept in this browser until the server has said what became of each.
// Every answer has a place of its own in the storage, so that two tabs can add and remove at the same time; sent twice,
// it is one answer by its key. The text that was judged is never stored.

class Outbox {
  #prefix;
  #count = 0;
  // Where the storage is full or switched off.
  #memory = new Map();

  constructor(annotator) {
    this.#prefix = `oig-outbox:${annotator}:`;
  }

  get name() {
    return this.#prefix;
  }

  get size() {
    return this.#names().length;
  }

  // entry: {url, body, assignment, answer}; the names sort in the order in which the answers were given.
  add(entry) {
    const place = [Date.now(), this.#count++].map((number) => String(number).padStart(15, "0")).join(":");
    const name = `${this.#prefix}${place}:${crypto.getRandomValues(new Uint32Array(1))[0]}`;
    try {
      localStorage.setItem(name, JSON.stringify(entry));
    } catch {
      this.#memory.set(name, JSON.stringify(entry));
    }
  }

  all() {
    return this.#names().map((name) => this.#read(name)).filter((entry) => entry);
  }

  first() {
    return this.all()[0];
  }

  remove(entry) {
    this.#memory.delete(entry.name);
    try {
      localStorage.removeItem(entry.name);
    } catch {}
  }

  // Whether closing the page would lose something.
  get isFleeting() {
    return this.#memory.size > 0;
  }

  has(assignment) {
    return this.all().some((entry) => entry.assignment === assignment);
  }

  #names() {
    let stored = [];
    try {
      stored = Object.keys(localStorage).filter((name) => name.startsWith(this.#prefix));
    } catch {}
    return [...stored, ...this.#memory.keys()].sort();
  }

  // Another tab may have removed it since.
  #read(name) {
    try {
      return { ...JSON.parse(this.#memory.get(name) ?? localStorage.getItem(name)), name };
    } catch {
      return null;
    }
  }
}

const PATIENCE = 20000;
const LATER = [408, 425, 429];

// What became of a request: {became, data, why, date}, where `became` is "done", "refused", "offline", "busy" (the server
// has trouble of its own, or something stands before it), "signedOut" or "outdated" (the page's token is of another
// session).
async function post(url, fields, token, signIn) {
  const headers = { Accept: "application/json", "X-CSRFToken": token };
  try {
    const response = await fetch(url, { method: "POST", body: fields, headers, signal: AbortSignal.timeout(PATIENCE) });
    return await outcomeOf(response, signIn);
  } catch {
    return { became: "offline" };
  }
}

async function outcomeOf(response, signIn) {
  const { status, redirected, url } = response;
  const date = Date.parse(response.headers.get("Date"));
  const isJson = (response.headers.get("Content-Type") ?? "").includes("json");
  if (status === 401 || response.headers.has("HX-Redirect")) return { became: "signedOut" };
  if (redirected && new URL(url).pathname === signIn) return { became: "signedOut" };
  if (status === 403) return { became: "outdated" };
  if (status >= 500 || LATER.includes(status)) return { became: "busy" };
  // Only JSON is this site's verdict: anything else came from something in between, and says nothing about the answer.
  if (!isJson) return { became: "busy" };
  const data = await response.json();
  return response.ok ? { became: "done", data, date } : { became: "refused", why: errorsOf(data) };
}

function errorsOf({ errors = {}, words = "" }) {
  return [words, ...Object.values(errors).flat()].filter((one) => one).join(" ");
}

// The quick exit, on every page that shows a text to label: nothing of it stays on the page, in memory or behind the button
// "back". The leases go back by a request that outlives the page; answers that wait are sent another time. Other tabs
// leave too. Without this script the form does the same, when the server has answered.

let isLeaving = false;
const otherTabs = new BroadcastChannel("oig-leave");

function leaveAtOnce() {
  if (isLeaving) return;
  const form = document.getElementById("leave-at-once");
  const body = new URLSearchParams(new FormData(form));
  fetch(form.action, { method: "POST", body, keepalive: true, redirect: "manual" }).catch(() => {});
  otherTabs.postMessage("leave");
  goAway(document.getElementById("content").dataset.away);
}

function goAway(address) {
  isLeaving = true;
  document.title = "";
  document.body.classList.add("left");
  document.getElementById("text")?.replaceChildren();
  if (typeof forget === "function") forget();
  location.replace(address);
}

otherTabs.onmessage = () => isLeaving || goAway(document.getElementById("content").dataset.away);

document.addEventListener("submit", (event) => {
  if (event.target.id !== "leave-at-once") return;
  event.preventDefault();
  leaveAtOnce();
});

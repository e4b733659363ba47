// Practice and qualification: what the keyboard (label.js) and the button "none of these" need. All else are plain forms.

const byId = (id) => document.getElementById(id);

byId("none")?.addEventListener("click", () => {
  for (const open of document.querySelectorAll(".tag:has([value='']:checked) [value=no]")) open.checked = true;
});

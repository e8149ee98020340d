// The console works without this file. It adds keys: / finds, j and k walk a list, r loads the page again.
const isTyping = (target) => target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");

function walk(step) {
  const rows = [...document.querySelectorAll("[data-row]")];
  if (rows.length === 0) return;
  const at = rows.indexOf(document.activeElement);
  rows[Math.min(Math.max(at + step, 0), rows.length - 1)].focus();
}

const keys = {
  "/": () => document.querySelector("#find")?.focus(),
  j: () => walk(1),
  k: () => walk(-1),
  r: () => location.reload(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && isTyping(event.target)) return event.target.blur();
  if (isTyping(event.target) || !(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});

// One act is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.under_way) return event.preventDefault();
  form.dataset.under_way = "true";
});

for (const act of document.querySelectorAll("details.act")) {
  act.addEventListener("toggle", () => act.open && act.querySelector("input[name=reason]")?.focus());
}

for (const box of document.querySelectorAll("input[data-all]")) {
  box.hidden = false;
  box.addEventListener("change", () => {
    for (const each of box.form.querySelectorAll("input[name=ids]")) each.checked = box.checked;
  });
}

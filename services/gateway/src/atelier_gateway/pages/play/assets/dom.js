/** Builds elements. What is given as text stays text: nothing here reads markup. */

/** An element with attributes; `onclick` and the like are listeners, absent and false attributes are left out. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...present(children));
  return node;
}

/** Gives an element other children. */
export function refill(node, ...children) {
  node.replaceChildren(...present(children));
}

const present = (children) => children.flat(2).filter((child) => child !== undefined && child !== null && child !== false && child !== "");

/** The element of the page with this id. */
export const byId = (id) => document.getElementById(id);

/** An address as a link may have it: only http and https, else none. */
export function linkTo(address) {
  try {
    return ["http:", "https:"].includes(new URL(address, location.href).protocol) ? address : undefined;
  } catch {
    return undefined;
  }
}

let counter = 0;
/** An id that no other element has. */
export const newId = (prefix) => `${prefix}-${++counter}`;

/** Says something to screen readers, once. */
export function announce(text) {
  byId("announcer").textContent = text;
}

/** A label with its control, and a hint that belongs to it. */
export function field(label, control, hint) {
  control.id ||= newId("field");
  const note = hint && el("small", { id: newId("hint"), class: "note" }, hint);
  if (note) control.setAttribute("aria-describedby", note.id);
  return el("div", { class: "field" }, el("label", { for: control.id }, label), control, note);
}

/** A select of values, each as text or as [value, text]. */
export function select(values, chosen, onchange) {
  const options = values.map((value) => {
    const [word, text] = Array.isArray(value) ? value : [value, value];
    return el("option", { value: word, selected: word === chosen }, text);
  });
  return el("select", { onchange: (event) => onchange(event.target.value) }, options);
}

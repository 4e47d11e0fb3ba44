// Elements without markup in strings, which the page's security policy forbids.

/** The element of an id. */
export const byId = (id) => document.getElementById(id);

/**
 * A new element.
 * @param {string} tag  its name; a class may follow, as in "p.small"
 * @param {Object} given  properties; names with a dash are attributes
 * @param {...(Node|string)} children  what it holds
 */
export function make(tag, given = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(given)) {
    if (key.includes("-") || key === "role" || key === "scope" || key === "for") element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children);
  return element;
}

/** Write a text, and only where it is another one. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const REST = 250; // milliseconds after the last move until a place is spoken
let timer;

/** Tell those who listen where the pen or the chosen pixel is, once it rests. */
export function speak(text) {
  clearTimeout(timer);
  timer = setTimeout(() => say(byId("spoken-place"), text), REST);
}

/** Wait some milliseconds. */
export const pause = (time) => new Promise((done) => setTimeout(done, time));

/** A number as it is read: three significant digits, a real minus sign. Null stands for one that is not finite. */
export function words(value) {
  if (!Number.isFinite(value)) return "no number";
  const size = Math.abs(value);
  const text = size !== 0 && (size < 0.001 || size >= 100000) ? value.toExponential(2) : value.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : 3);
  return text.replace("-", "−");
}

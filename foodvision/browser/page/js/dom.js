/** Elements, made and found: no markup is ever put together from strings. */

const UNTIL_READ = 60_000; // milliseconds

/**
 * @param {string} tag
 * @param {object} properties of the element; `class` and names with a dash become attributes
 * @param {...(Node | string)} children
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class" || name.includes("-")) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

/** The one element that a selector names, which is there. */
export function find(selector, within = document) {
  return within.querySelector(selector);
}

/** Have the browser save a file; some read it only after they have asked where to. */
export function save(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), UNTIL_READ);
}

/** Take the photos that are dropped on an element. */
export function takeDrops(target, take) {
  target.addEventListener("dragover", (event) => {
    event.preventDefault();
    target.classList.add("over");
  });
  target.addEventListener("dragleave", () => target.classList.remove("over"));
  target.addEventListener("drop", (event) => {
    event.preventDefault();
    target.classList.remove("over");
    if (event.dataTransfer.files.length) take([...event.dataTransfer.files]);
  });
}

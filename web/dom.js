/* Building elements. Text always arrives as text nodes: nothing on this page is ever parsed as HTML. */

/**
 * Make an element.
 * @param {string} tag
 * @param {Object<string, string|boolean|Function>} [attributes] `on…` functions become listeners, true an empty
 *     attribute, false none
 * @param {...(Node|string)} children
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Put text on the clipboard; says whether that worked. `shown` is the element that displays the text. */
export async function copy(text, shown) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
    }
  }
  // Browsers offer no clipboard to pages served over plain HTTP from another machine: select the text instead.
  const selection = getSelection();
  selection.selectAllChildren(shown);
  return document.execCommand("copy");
}

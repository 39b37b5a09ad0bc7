/* A growing text in Markdown, shown as it grows. Only what changed since the last update is built anew. */

import { parse } from "./markdown-blocks.js";
import { inline } from "./markdown-inline.js";
import { copy, element } from "./dom.js";

const TOP_HEADING = 3; // the page and the question stand above the headings of an answer

export class Markdown {
  /** @param {Element} container filled by this view alone */
  constructor(container) {
    this.container = container;
    this.shown = []; // the source of each block on display, in order
  }

  /** Show `text`; blocks at the beginning that stayed the same keep their elements. */
  update(text) {
    const blocks = parse(text);
    let same = 0;
    while (same < blocks.length && same < this.shown.length && blocks[same].source === this.shown[same]) same += 1;
    while (this.container.children.length > same) this.container.lastElementChild.remove();
    this.container.append(...blocks.slice(same).map(build));
    this.shown = blocks.map((block) => block.source);
  }
}

const BUILDERS = {
  paragraph: (block) => element("p", {}, ...inline(block.text)),
  heading: (block) => element(`h${Math.min(6, block.level + TOP_HEADING - 1)}`, {}, ...inline(block.text)),
  rule: () => element("hr"),
  quote: (block) => element("blockquote", {}, ...block.children.map(build)),
  code,
  list,
  table,
};

function build(block) {
  return BUILDERS[block.type](block);
}

function code(block) {
  const text = element("code", {}, block.text);
  const label = block.language ? `Code, ${block.language}` : "Code";
  const button = element("button", { type: "button", class: "copy quiet" }, "Copy");
  button.addEventListener("click", async () => {
    button.textContent = (await copy(block.text, text)) ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  return element(
    "figure",
    { class: "code" },
    element("figcaption", {}, block.language || "text", button),
    element("pre", { tabindex: "0", role: "region", "aria-label": label }, text),
  );
}

function list(block) {
  const items = block.items.map((children) => {
    const item = element("li");
    for (const child of children) {
      if (block.tight && child.type === "paragraph") item.append(...inline(child.text));
      else item.append(build(child));
    }
    return item;
  });
  if (!block.ordered) return element("ul", {}, ...items);
  return element("ol", { start: block.start === 1 ? false : String(block.start) }, ...items);
}

function table(block) {
  const row = (cells, tag) => element(
    "tr",
    {},
    ...cells.map((cell, column) => element(
      tag,
      { class: block.align[column] ?? false, scope: tag === "th" ? "col" : false },
      ...inline(cell),
    )),
  );
  const whole = element(
    "table",
    {},
    element("thead", {}, row(block.header, "th")),
    element("tbody", {}, ...block.rows.map((cells) => row(cells, "td"))),
  );
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table" }, whole);
}

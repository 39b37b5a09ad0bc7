/* One question with its answer, as it is seen: growing, complete, stopped or failed. */

import { element } from "./dom.js";
import { Markdown } from "./markdown.js";
import { sourceList, sourcesOf } from "./sources.js";

let count = 0;

/** Notices about the inner workings of an answer: for clients, not for readers. */
const UNSHOWN = new Set(["tools_chosen", "result_cut", "shield_refused"]);

export class Answer {
  constructor(question) {
    count += 1;
    const heading = `exchange-${count}`;
    this.text = "";
    this.body = element("div", { class: "text" });
    this.tools = element("ul", { class: "tools", "aria-label": "Tools used", hidden: true });
    this.after = element("div", { class: "after" });
    this.waiting = element(
      "p",
      { class: "waiting" },
      element("span", { class: "dots", "aria-hidden": "true" }, element("span"), element("span"), element("span")),
      element("span", {}, "Reading and thinking"),
    );
    this.markdown = new Markdown(this.body);
    this.root = element(
      "article",
      { class: "exchange", "aria-labelledby": heading, "aria-busy": "true" },
      element("h2", { class: "question", id: heading }, element("span", { class: "unseen" }, "You asked: "), question),
      element("div", { class: "answer" }, this.tools, this.body, this.waiting, this.after),
    );
    this.drawing = 0;
  }

  /** Add a piece of the answer; it is drawn with the next frame. `drawn` is called afterwards, for scrolling. */
  grow(piece, drawn) {
    this.text += piece;
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => drawn(() => this.draw()));
  }

  draw() {
    cancelAnimationFrame(this.drawing);
    this.drawing = 0;
    this.markdown.update(this.text);
  }

  /** Name a tool that the model called. `call` is its name, or `{tool_name, …}`; pieces without a name say nothing. */
  called(call) {
    const name = typeof call === "string" ? call : call?.tool_name;
    if (!name || [...this.tools.children].some((one) => one.textContent === name)) return;
    this.tools.append(element("li", {}, name));
    this.tools.hidden = false;
  }

  /** The answer is complete: `end` is the data of the last event. Returns the number of sources. */
  complete(end) {
    this.settle();
    if (!this.text.trim()) this.after.append(element("p", { class: "note" }, "The model gave no answer."));
    if (end.truncated) this.after.append(element("p", { class: "note" }, "Shortened to fit the limits of the model."));
    for (const notice of end.notices ?? []) {
      if (!UNSHOWN.has(notice.kind)) this.after.append(element("p", { class: "note" }, notice.message));
    }
    const sources = sourcesOf(end);
    const list = sourceList(sources);
    if (list) this.after.append(list);
    return sources.length;
  }

  /** The answer as it is read aloud: without code, which is found in its place. */
  spoken() {
    return [...this.body.children].map((block) => (block.matches(".code") ? "Code." : block.innerText)).join("\n");
  }

  /** The reader stopped it; what was said stays. */
  stopped() {
    this.settle();
    this.after.append(element("p", { class: "note stopped" }, "Stopped"));
  }

  /** It failed. `retry` is called when the reader wants to ask again. */
  failed(problem, retry) {
    this.settle();
    const again = element("button", { type: "button", class: "quiet retry", onclick: retry }, "Try again");
    const words = [element("strong", {}, problem.message)];
    if (problem.detail) words.push(element("span", { class: "detail" }, problem.detail));
    this.after.append(element("div", { class: "problem" }, element("p", {}, ...words), again));
  }

  settle() {
    this.draw();
    this.waiting.remove();
    this.root.setAttribute("aria-busy", "false");
  }
}

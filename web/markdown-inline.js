/* The inside of a line of Markdown → nodes. Links lead to http and https only; everything else stays text. */

import { element } from "./dom.js";

const DEEPEST = 12; // emphasis inside emphasis; deeper marks are text
const LONGEST_LABEL = 1000; // characters of a link's text
const SPECIAL = /[\\`*_~[<\n]|https?:\/\//g;
const ESCAPED = /[!-/:-@[-`{-~]/;
const TARGET = /\(\s*<?([^\s<>()]*(?:\([^\s<>()]*\)[^\s<>()]*)*)>?(?:\s+"[^"]*")?\s*\)/y;
const ANGLED = /<(https?:\/\/[^\s<>]+)>/y;
const BARE = /https?:\/\/[^\s<>"'`|]+/y;
const WORD = /[\p{L}\p{N}]/u;
const EMPHASIS = { "**": "strong", __: "strong", "*": "em", _: "em", "~~": "del" };

/** Nodes for a text. */
export function inline(text, depth = 0) {
  return new Scanner(text, depth).nodes();
}

/** The address if it is one that a reader may be led to, else null. */
export function safeLink(address) {
  try {
    const url = new URL(address);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

class Scanner {
  constructor(text, depth) {
    this.text = text;
    this.depth = depth;
    this.at = 0;
    this.plain = "";
    this.found = [];
    this.unclosed = new Set(); // marks that have no partner in the rest of the text: looked for once, not each time
  }

  nodes() {
    while (this.at < this.text.length) {
      SPECIAL.lastIndex = this.at;
      const special = SPECIAL.exec(this.text);
      const until = special ? special.index : this.text.length;
      this.plain += this.text.slice(this.at, until);
      this.at = until;
      if (special) this.special(special[0]);
    }
    this.flush();
    return this.found;
  }

  special(mark) {
    const handled = {
      "\\": () => this.escape(),
      "\n": () => this.lineBreak(),
      "`": () => this.code(),
      "[": () => this.link(),
      "<": () => this.address(ANGLED, 1),
    }[mark];
    if (handled) return handled() || this.literal(1);
    if (mark.startsWith("http")) return this.address(BARE, 0) || this.literal(mark.length);
    return this.emphasis(mark);
  }

  literal(length) {
    this.plain += this.text.slice(this.at, this.at + length);
    this.at += length;
    return true;
  }

  flush() {
    if (this.plain) this.found.push(document.createTextNode(this.plain));
    this.plain = "";
  }

  add(node, end) {
    this.flush();
    this.found.push(node);
    this.at = end;
    return true;
  }

  escape() {
    const next = this.text[this.at + 1] ?? "";
    if (next === "\n") return this.add(element("br"), this.at + 2);
    if (!ESCAPED.test(next)) return false;
    this.at += 1;
    return this.literal(1);
  }

  lineBreak() {
    const hard = this.plain.endsWith("  ");
    this.plain = this.plain.trimEnd();
    if (hard) return this.add(element("br"), this.at + 1);
    this.plain += "\n";
    this.at += 1;
    return true;
  }

  code() {
    const marks = /`+/y;
    marks.lastIndex = this.at;
    const mark = marks.exec(this.text)[0];
    const start = this.at + mark.length;
    const end = this.partner(mark, start, (index) => this.text[index - 1] !== "`" && this.text[index + mark.length] !== "`");
    if (end < 0) return this.literal(mark.length);
    const inner = this.text.slice(start, end).replaceAll("\n", " ");
    const padded = inner.startsWith(" ") && inner.endsWith(" ") && inner.trim();
    return this.add(element("code", {}, padded ? inner.slice(1, -1) : inner), end + mark.length);
  }

  link() {
    const close = this.bracket();
    if (close < 0) return false;
    TARGET.lastIndex = close + 1;
    const target = TARGET.exec(this.text);
    const href = target && safeLink(target[1]);
    if (!href) return false;
    this.plain = this.plain.replace(/!$/, ""); // an image is a link to it: the page loads nothing from elsewhere
    return this.add(anchor(href, inline(this.text.slice(this.at + 1, close), this.depth + 1)), TARGET.lastIndex);
  }

  /** Where the bracket at the scanner's place is closed on the same paragraph, or -1. */
  bracket() {
    if (this.depth >= DEEPEST) return -1;
    let open = 0;
    for (let at = this.at; at < Math.min(this.text.length, this.at + LONGEST_LABEL); at += 1) {
      if (this.text[at] === "\\") at += 1;
      else if (this.text[at] === "[") open += 1;
      else if (this.text[at] === "]" && (open -= 1) === 0) return at;
    }
    return -1;
  }

  address(pattern, group) {
    if (pattern === BARE && WORD.test(this.text[this.at - 1] ?? "")) return false;
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (!match) return false;
    const shown = group ? match[group] : trimmed(match[0]);
    const href = safeLink(shown);
    return href ? this.add(anchor(href, [shown]), this.at + (group ? match[0].length : shown.length)) : false;
  }

  emphasis(character) {
    const mark = this.text[this.at + 1] === character ? character + character : character;
    const tag = EMPHASIS[mark];
    const start = this.at + mark.length;
    if (!tag || this.depth >= DEEPEST || !this.opens(mark, start)) return this.literal(mark.length);
    const end = this.partner(mark, start, (index) => this.closes(mark, index));
    if (end <= start) return this.literal(mark.length);
    const inner = inline(this.text.slice(start, end), this.depth + 1);
    return this.add(element(tag, {}, ...inner), end + mark.length);
  }

  opens(mark, start) {
    const next = this.text[start] ?? " ";
    return !/\s/.test(next) && !(mark[0] === "_" && WORD.test(this.text[this.at - 1] ?? ""));
  }

  closes(mark, index) {
    const after = this.text[index + mark.length] ?? " ";
    if (/[\s\\]/.test(this.text[index - 1])) return false;
    if (after === mark[0] || (mark.length === 1 && this.text[index - 1] === mark)) return false;
    return !(mark[0] === "_" && WORD.test(after));
  }

  /** The first place from `start` where `mark` stands and fits, or -1. */
  partner(mark, start, fits) {
    if (this.unclosed.has(mark)) return -1;
    for (let at = this.text.indexOf(mark, start); at >= 0; at = this.text.indexOf(mark, at + 1)) {
      if (fits(at)) return at;
    }
    this.unclosed.add(mark);
    return -1;
  }
}

function anchor(href, children) {
  return element("a", { href, target: "_blank", rel: "noopener noreferrer" }, ...children);
}

/** An address found in running text, without the punctuation of the sentence around it. */
function trimmed(address) {
  let end = address.replace(/[.,;:!?*_~\]}]+$/, "");
  if (end.endsWith(")") && !end.includes("(")) end = end.replace(/\)+[.,;:!?]*$/, "");
  return end;
}

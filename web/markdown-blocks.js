/* Markdown text → blocks: plain values, no elements.
 *
 * The part of CommonMark and GitHub's tables that language models write: paragraphs, headings, fenced code, lists,
 * quotes, rules, tables. HTML is text. Each block keeps its source, from which alone it follows. */

const DEEPEST = 8; // lists and quotes inside each other; deeper ones are paragraphs

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:\s+(.*?))?(?:\s+#+)?\s*$/;
const RULE = /^ {0,3}(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^(\s*)([-*+]|(\d{1,9})[.)])(?:\s+|$)/;
const DELIMITERS = /^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;

/** Blocks of a text, in order. */
export function parse(text) {
  return blocks(text.replaceAll("\t", "    ").split("\n"), 0);
}

function blocks(lines, depth) {
  const found = [];
  let at = 0;
  while (at < lines.length) {
    if (!lines[at].trim()) {
      at += 1;
      continue;
    }
    const [block, next] = blockAt(lines, at, depth);
    block.source = `${block.type}\n${lines.slice(at, next).join("\n")}`;
    found.push(block);
    at = next;
  }
  return found;
}

function blockAt(lines, at, depth) {
  const line = lines[at];
  if (FENCE.test(line)) return fence(lines, at);
  const heading = HEADING.exec(line);
  if (heading) return [{ type: "heading", level: heading[1].length, text: heading[2] ?? "" }, at + 1];
  if (RULE.test(line)) return [{ type: "rule" }, at + 1];
  if (depth < DEEPEST && QUOTE.test(line)) return quote(lines, at, depth);
  if (depth < DEEPEST && ITEM.test(line)) return list(lines, at, depth);
  if (startsTable(lines, at)) return table(lines, at);
  return paragraph(lines, at, depth);
}

function startsBlock(lines, at, depth) {
  const line = lines[at];
  return FENCE.test(line) || HEADING.test(line) || RULE.test(line) || startsTable(lines, at)
    || (depth < DEEPEST && (QUOTE.test(line) || ITEM.test(line)));
}

function paragraph(lines, at, depth) {
  let end = at + 1;
  while (end < lines.length && lines[end].trim() && !startsBlock(lines, end, depth)) end += 1;
  return [{ type: "paragraph", text: lines.slice(at, end).map((line) => line.trimStart()).join("\n") }, end];
}

function fence(lines, at) {
  const [, marks, information] = FENCE.exec(lines[at]);
  const closes = (line) => {
    const text = line.trim();
    return text.length >= marks.length && text === marks[0].repeat(text.length);
  };
  let end = at + 1;
  while (end < lines.length && !closes(lines[end])) end += 1;
  const indent = lines[at].search(/\S/);
  const text = lines.slice(at + 1, end).map((line) => line.slice(Math.min(indent, Math.max(0, line.search(/\S/)))));
  return [{ type: "code", language: information.trim().split(/\s/)[0], text: text.join("\n") }, Math.min(end + 1, lines.length)];
}

function quote(lines, at, depth) {
  let end = at;
  while (end < lines.length && QUOTE.test(lines[end])) end += 1;
  const inner = lines.slice(at, end).map((line) => line.replace(QUOTE, ""));
  return [{ type: "quote", children: blocks(inner, depth + 1) }, end];
}

function list(lines, at, depth) {
  const first = ITEM.exec(lines[at]);
  const ordered = first[3] !== undefined;
  const items = [];
  let tight = true;
  let end = at;
  while (end < lines.length) {
    const marker = ITEM.exec(lines[end]);
    if (!marker || RULE.test(lines[end]) || (marker[3] !== undefined) !== ordered) break;
    const [inner, next, blankAfter] = item(lines, end, marker, depth);
    const children = blocks(inner, depth + 1);
    items.push(children);
    if (inner.some((line, row) => !line.trim() && row < inner.length - 1 && children.length > 1)) tight = false;
    end = next;
    if (end < lines.length && ITEM.test(lines[end]) && blankAfter) tight = false;
  }
  return [{ type: "list", ordered, start: ordered ? Number(first[3]) : 1, items, tight }, end];
}

/** The lines of one item, without its marker and indentation; where the next block begins; whether blanks precede it. */
function item(lines, at, marker, depth) {
  const outer = marker[1].length;
  const inner = [lines[at].slice(marker[0].length)];
  const content = outer + Math.min(marker[0].trimEnd().length - outer + 1, 6);
  let end = at + 1;
  let blanks = 0;
  for (; end < lines.length; end += 1) {
    const line = lines[end];
    const indent = line.search(/\S/);
    if (indent < 0) {
      blanks += 1;
      continue;
    }
    const belongs = indent >= Math.min(content, outer + 2);
    const continues = blanks === 0 && !startsBlock(lines, end, depth);
    if (!belongs && !continues) break;
    inner.push(...Array(blanks).fill(""), line.slice(Math.min(indent, content)));
    blanks = 0;
  }
  return [inner, end, blanks > 0];
}

function startsTable(lines, at) {
  return lines[at].includes("|") && at + 1 < lines.length && lines[at + 1].includes("|") && DELIMITERS.test(lines[at + 1]);
}

function table(lines, at) {
  const header = cells(lines[at]);
  const align = cells(lines[at + 1]).map((mark) => {
    if (mark.endsWith(":")) return mark.startsWith(":") ? "center" : "right";
    return undefined;
  });
  const rows = [];
  let end = at + 2;
  for (; end < lines.length && lines[end].includes("|") && lines[end].trim(); end += 1) {
    const row = cells(lines[end]);
    rows.push(header.map((_, column) => row[column] ?? ""));
  }
  return [{ type: "table", header, align, rows }, end];
}

function cells(line) {
  const bare = line.trim().replace(/^\|/, "").replace(/(^|[^\\])\|$/, "$1");
  return bare.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

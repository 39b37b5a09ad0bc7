"""HTML to text and headings, with selectolax; what surrounds the content of a page is left out."""

import importlib.util
import re
from typing import TYPE_CHECKING

from lightspeed_stack.errors import KnowledgeError
from lightspeed_stack.retrieval.base import Extract, Heading

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

LEFT_OUT = frozenset(
    re.findall(r"\w+", "aside button dialog footer form head iframe nav noscript script style svg template")
)
BLOCKS = frozenset(
    re.findall(
        r"\w+",
        "address article blockquote body dd details div dl dt figcaption figure header hr li main ol p pre section "
        "summary table tr ul",
    )
)
APART = frozenset(["blockquote", "dl", "figure", "ol", "p", "pre", "section", "table", "ul"])
"""Blocks with a blank line around them."""
HEADINGS = {f"h{level}": level for level in range(1, 7)}
CONTENT = ("main", "[role=main]", "article", "body")


def read(source: str, stem: str) -> Extract:
    """The text of ``<main>``, else of the first article, else of the body. Anchors are the headings' own ids.

    Raises KnowledgeError where selectolax is missing.
    """
    if importlib.util.find_spec("selectolax") is None:
        raise KnowledgeError("reading HTML needs selectolax; fix: pip install 'lightspeed-stack[knowledge]'")
    from selectolax.lexbor import LexborHTMLParser

    page = LexborHTMLParser(source)
    writer = Writer()
    root = next((node for selector in CONTENT if (node := page.css_first(selector)) is not None), None)
    if root is not None:
        writer.walk(root)
    headings = tuple(writer.headings)
    first = next((heading for heading in headings if heading.level == 1), None)
    named = page.css_first("head > title")
    title = (first.title if first else "") or (" ".join(named.text().split()) if named is not None else "") or stem
    return Extract(title, "".join(writer.parts), headings)


class Writer:
    """Walks a tree without recursion, for pages may be nested as deep as they like."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.headings: list[Heading] = []
        self._length = 0
        self._open: tuple[int, int, str | None] | None = None  # the heading we are in: offset, part, id
        self._preformatted = 0

    def walk(self, root: "LexborNode") -> None:
        waiting: list[tuple[LexborNode, bool]] = [(root, False)]
        while waiting:
            node, seen = waiting.pop()
            tag = node.tag or ""
            if seen:
                self._leave(tag)
            elif tag == "-text":
                self._text(node.text_content or "")
            elif tag not in LEFT_OUT:
                self._enter(tag, node)
                waiting.append((node, True))
                children = list(node.iter(include_text=True))
                waiting.extend((child, False) for child in reversed(children))

    def _enter(self, tag: str, node: "LexborNode") -> None:
        if tag in HEADINGS:
            self._break(2)
            self._open = (self._length, len(self.parts), node.attributes.get("id") or None)
        elif tag == "br":
            self._write("\n")
        elif tag in {"td", "th"}:
            self._write(" | " if self._length and not self._ends_with("\n") else "")
        elif tag in BLOCKS:
            self._break(2 if tag in APART else 1)
        if tag == "pre":
            self._preformatted += 1
        if tag == "li":
            self._write("- ")

    def _leave(self, tag: str) -> None:
        if tag in HEADINGS and self._open is not None:
            start, part, anchor = self._open
            self._open = None
            title = " ".join("".join(self.parts[part:]).split()).rstrip("¶# ")
            self._break(2)
            if title:
                self.headings.append(Heading(title, HEADINGS[tag], start, self._length, anchor))
        elif tag in BLOCKS:
            self._preformatted -= tag == "pre"
            self._break(2 if tag in APART else 1)

    def _text(self, text: str) -> None:
        if not self._preformatted:
            text = re.sub(r"\s+", " ", text)
            if not self._length or self._ends_with((" ", "\n")):
                text = text.lstrip()
        self._write(text)

    def _write(self, text: str) -> None:
        if text:
            self.parts.append(text)
            self._length += len(text)

    def _break(self, lines: int) -> None:
        """At least so many line ends before what comes next, unless nothing has been written."""
        if not self._length:
            return
        there = 0
        tail = "".join(self.parts[-4:])
        while there < lines and tail.endswith("\n" * (there + 1)):
            there += 1
        self._write("\n" * (lines - there))

    def _ends_with(self, ending: str | tuple[str, ...]) -> bool:
        return bool(self.parts) and self.parts[-1].endswith(ending)

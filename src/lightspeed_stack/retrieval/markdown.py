"""Markdown to text and headings. The text is the source without its front matter: models read Markdown well."""

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from lightspeed_stack.domain.slugs import slug
from lightspeed_stack.errors import KnowledgeError
from lightspeed_stack.retrieval.base import Extract, Heading

FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.{0,65536}?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)


def read(source: str, stem: str) -> Extract:
    """Headings are found by the CommonMark rules, so that ``#`` in a code block is none.

    The front matter may give ``title`` and ``url``. Raises KnowledgeError where it is not YAML, or the URL no web
    address.
    """
    told, text = front_matter(source)
    headings = tuple(_headings(text))
    first = next((heading for heading in headings if heading.level == 1), headings[0] if headings else None)
    title = str(told.get("title") or "").strip() or (first.title if first else stem)
    return Extract(title, text, headings, web_address(told.get("url")))


def front_matter(source: str) -> tuple[dict[str, object], str]:
    """What stands between the ``---`` lines at the top, and the rest. Raises KnowledgeError."""
    found = FRONT_MATTER.match(source)
    if not found:
        return {}, source
    try:
        told = yaml.safe_load(found[1])
    except yaml.YAMLError as error:
        line = error.problem_mark.line + 2 if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark else 1
        message = f"has a front matter that is not valid YAML (line {line}); fix: correct it, or remove the --- lines"
        raise KnowledgeError(message) from error
    if not isinstance(told, dict):
        return {}, source  # two rules with text between them
    return told, source[found.end() :]


def web_address(url: object) -> str | None:
    """Other schemes are refused: the address becomes a link in answers."""
    if url is None or (isinstance(url, str) and re.match(r"https?://[^\s/]", url)):
        return url
    raise KnowledgeError("names a url that is no web address; fix: write one that begins with https://")


def _headings(text: str) -> Iterator[Heading]:
    # Only headings are parsed to the end: the words between them stay as they are.
    tokens = MarkdownIt("commonmark").enable("table").disable("inline").parse(text)
    starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    inline = MarkdownIt("commonmark")
    anchors: dict[str, int] = {}
    for token, content in pairwise(tokens):
        if token.type != "heading_open" or token.map is None:
            continue
        title = _words(inline.parseInline(content.content)[0].children or ())
        first, after = token.map
        if title:
            yield Heading(title, int(token.tag[1]), starts[first], min(starts[after], len(text)), slug(title, anchors))


def _words(tokens: Sequence[Token]) -> str:
    """The text of a heading without its markup."""
    kept = (
        " " if token.type == "softbreak" else token.content
        for token in tokens
        if token.type in {"text", "text_special", "code_inline", "softbreak", "image"}
    )
    return "".join(kept).strip()

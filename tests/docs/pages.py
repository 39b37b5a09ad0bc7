"""The pages of the documentation, as Markdown sees them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import dropwhile, pairwise, takewhile
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from lightspeed_stack.domain.slugs import slug

REPOSITORY = Path(__file__).parents[2]
PAGES = [
    REPOSITORY / "README.md",
    *sorted(path for folder in ("docs", "examples") for path in (REPOSITORY / folder).rglob("*.md")),
]
"""The documents of an example are what is ingested, but they are pages as well."""

KEYS = {
    "MY_API_KEY": "scripted",
    "OPENAI_API_KEY": "scripted",
    "GEMINI_API_KEY": "scripted",
    "POSTGRES_PASSWORD": "scripted",
    "PGVECTOR_PASSWORD": "scripted",
    "RHAIIS_API_KEY": "scripted",
    "VERTEX_AI_PROJECT": "scripted",
}
"""Environment variables that pages and examples name for keys and passwords."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced code block; ``line`` counts from 1."""

    page: Path
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{place(self.page)}:{self.line}"


def place(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text("utf-8"))


def blocks(page: Path) -> list[Block]:
    return [
        Block(page, (token.map or [0])[0] + 1, token.info.strip(), token.content)
        for token in tokens(page)
        if token.type == "fence"
    ]


def all_blocks(kind: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.kind == kind]


def rows(page: Path, first: str) -> list[list[str]]:
    """The cells, as Markdown, of the table whose first column is called ``first``, row by row, without the heading."""
    lines = page.read_text("utf-8").splitlines()
    begun = dropwhile(lambda line: not line.startswith(f"| {first} |"), lines)
    table = list(takewhile(lambda line: line.startswith("|"), begun))
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in table[2:]]


def targets(page: Path) -> Iterator[str]:
    """Where the page's links lead and its images lie."""
    for token in tokens(page):
        for child in token.children or ():
            if child.type in {"link_open", "image"}:
                yield str(child.attrGet("href") or child.attrGet("src"))


def anchors(page: Path) -> set[str]:
    """The names of the page's headings."""
    seen: dict[str, int] = {}
    for before, token in pairwise(tokens(page)):
        if before.type == "heading_open":
            words = (it.content for it in token.children or () if it.type in {"text", "code_inline"})
            slug("".join(words), seen)
    return set(seen)

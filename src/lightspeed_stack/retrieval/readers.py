"""Files to text: one reader per kind of document, chosen by suffix.

Text is never guessed at: a byte order mark decides, then what an HTML page declares, then UTF-8. A file that is none of
these is refused with the way to convert it, for wrong characters would be stored, shown and cited without a word.
"""

import codecs
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePath

from lightspeed_stack.errors import KnowledgeError
from lightspeed_stack.retrieval import html, markdown, pdf
from lightspeed_stack.retrieval.base import Extract, Heading

MAX_BYTES = 20 * 1024 * 1024
MAX_CHARACTERS = 5_000_000

VERSION = 1
"""Raised when a reader gives another text for the same file, so that stored documents are read anew."""

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
DECLARED = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?([A-Za-z0-9._:-]{1,40})""", re.IGNORECASE)
UNDERLINE = re.compile(r"""([=\-~^"'`#*+])\1{2,}[ \t]*""")


def read(data: bytes, name: str) -> Extract:
    """The title, text and headings of a file; ``name`` gives its kind and is the title where nothing better is found.

    Raises KnowledgeError without the name in it: the caller knows what it asked for.
    """
    path = PurePath(name)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        message = f"is of no kind that can be read; fix: use one of {', '.join(sorted(READERS))}"
        raise KnowledgeError(message)
    if len(data) > MAX_BYTES:
        message = f"is larger than {MAX_BYTES // 1024 // 1024} MB; fix: divide it into smaller documents"
        raise KnowledgeError(message)
    extract = reader(data, path.stem)
    if len(extract.text) > MAX_CHARACTERS:
        message = f"holds more than {MAX_CHARACTERS:,} characters; fix: divide it into smaller documents"
        raise KnowledgeError(message)
    if not extract.text.strip():
        raise KnowledgeError("holds no text; fix: remove it, or give it some")
    return _encodable(extract)


def decode(data: bytes, *, declared: bool = False) -> str:
    """Bytes to text with line feeds as line ends; ``declared`` believes a ``<meta charset>``. Raises KnowledgeError."""
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), None)
    if encoding is None:
        if b"\0" in data:
            raise KnowledgeError("is not text but a binary file; fix: remove it, or correct its suffix")
        found = DECLARED.search(data, 0, 4096) if declared else None
        encoding = found[1].decode("ascii") if found else "utf-8"
    try:
        text = data.decode(encoding)
    except (UnicodeError, LookupError) as error:
        message = f"is not valid {encoding}; fix: convert it with  iconv -f ITS_ENCODING -t UTF-8"
        raise KnowledgeError(message) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _encodable(extract: Extract) -> Extract:
    """Half a surrogate pair, which escapes in YAML and PDF can make, becomes ``?``; nothing moves."""

    def mend(text: str) -> str:
        return text.encode("utf-8", "replace").decode()

    headings = (replace(heading, title=mend(heading.title)) for heading in extract.headings)
    url = mend(extract.url) if extract.url else None
    return Extract(mend(extract.title), mend(extract.text), tuple(headings), url)


def read_markdown(data: bytes, stem: str) -> Extract:
    return markdown.read(decode(data), stem)


def read_html(data: bytes, stem: str) -> Extract:
    return html.read(decode(data, declared=True), stem)


def read_text(data: bytes, stem: str) -> Extract:
    """Plain text; a line with a line of signs below it is a heading, as reStructuredText has it."""
    text = decode(data)
    headings: list[Heading] = []
    signs: list[str] = []
    before, start = "", 0
    for line in text.splitlines(keepends=True):
        mark = UNDERLINE.fullmatch(line.rstrip("\n"))
        title = before.strip()
        if mark and title and not UNDERLINE.fullmatch(title) and len(line.rstrip()) >= len(before.rstrip()):
            if mark[1] not in signs:
                signs.append(mark[1])  # levels in order of appearance
            headings.append(Heading(title, signs.index(mark[1]) + 1, start - len(before), start + len(line)))
        start += len(line)
        before = line
    return Extract(headings[0].title if headings else stem, text, tuple(headings))


READERS: dict[str, Callable[[bytes, str], Extract]] = {
    ".htm": read_html,
    ".html": read_html,
    ".markdown": read_markdown,
    ".md": read_markdown,
    ".pdf": pdf.read,
    ".rst": read_text,
    ".text": read_text,
    ".txt": read_text,
}

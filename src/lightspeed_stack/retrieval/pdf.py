"""PDF to text and headings, with pypdf. Headings are the bookmarks, found again in the text of their page."""

import importlib.util
import logging
import re
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

from lightspeed_stack.errors import KnowledgeError
from lightspeed_stack.retrieval.base import Extract, Heading

if TYPE_CHECKING:
    from pypdf import PdfReader

MAX_CHARACTERS = 5_000_000
MAX_PAGES = 5_000
MAX_BOOKMARKS = 10_000

# What pypdf lets out of a broken file, beside its own errors.
BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)


def read(data: bytes, stem: str) -> Extract:
    """The pages' text, a blank line between them. Raises KnowledgeError for a locked, broken, scanned or huge file."""
    if importlib.util.find_spec("pypdf") is None:
        raise KnowledgeError("reading PDF needs pypdf; fix: pip install 'lightspeed-stack[knowledge]'")
    import zlib

    from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

    logging.getLogger("pypdf").setLevel(logging.ERROR)  # it reports every flaw that it can read past
    try:
        return _read(data, stem)
    except (DependencyError, FileNotDecryptedError) as error:
        raise KnowledgeError("is encrypted; fix: save a copy without a password") from error
    except (PyPdfError, zlib.error, *BROKEN) as error:
        message = f"is a broken PDF ({type(error).__name__}); fix: print it to a new PDF, or convert it to text"
        raise KnowledgeError(message) from error


def _read(data: bytes, stem: str) -> Extract:
    from pypdf import PasswordType, PdfReader

    reader = PdfReader(BytesIO(data))
    if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
        raise KnowledgeError("is encrypted; fix: save a copy without a password")
    if len(reader.pages) > MAX_PAGES:
        message = f"has more than {MAX_PAGES:,} pages; fix: divide it into smaller documents"
        raise KnowledgeError(message)
    pages: list[str] = []
    starts: list[int] = []
    length = 0
    for page in reader.pages:
        text = page.extract_text().replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").strip() + "\n\n"
        starts.append(length)
        pages.append(text)
        length += len(text)
        if length > MAX_CHARACTERS:
            message = f"holds more than {MAX_CHARACTERS:,} characters; fix: divide it into smaller documents"
            raise KnowledgeError(message)
    if not any(page.strip() for page in pages):
        raise KnowledgeError("holds pictures of pages but no text; fix: run it through text recognition (OCR) first")
    headings = tuple(_headings(reader, pages, starts))
    told = reader.metadata.title if reader.metadata else None
    title = " ".join((told or "").split()) or (headings[0].title if headings else stem)
    return Extract(title, "".join(pages), headings)


def _headings(reader: "PdfReader", pages: list[str], starts: list[int]) -> Iterator[Heading]:
    """Bookmarks whose words stand on their page, in order; the others are of no use without a place."""
    after = 0
    for title, level, number in _bookmarks(reader):
        words = title.split()
        if not words or number is None:
            continue
        pattern = r"\s+".join(re.escape(word) for word in words)
        found = re.search(pattern, pages[number], re.IGNORECASE)
        if found and starts[number] + found.start() >= after:
            after = starts[number] + found.end()
            yield Heading(" ".join(words), level, starts[number] + found.start(), after)


def _bookmarks(reader: "PdfReader") -> list[tuple[str, int, int | None]]:
    """Title, level from 1, page from 0; depth first, as they are shown."""
    found: list[tuple[str, int, int | None]] = []
    waiting: list[tuple[Any, int]] = [(reader.outline, 0)]
    while waiting and len(found) < MAX_BOOKMARKS:
        item, level = waiting.pop()
        if isinstance(item, list):
            waiting.extend((child, level + 1) for child in reversed(item))
        else:
            found.append((str(item.title or ""), level, reader.get_destination_page_number(item)))
    return found

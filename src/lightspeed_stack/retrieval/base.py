"""The door to what the model may read.

Above: ``assistant`` asks a ``Retriever``. Below: ``search`` over an ``Embedder`` and one ``Index`` per store, which
``ingest`` fills through a ``Library``. Implementations: ``minilm`` (Embedder), ``sqlite`` (Index, Library).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lightspeed_stack.domain.health import Health
from lightspeed_stack.domain.knowledge import Passage


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of a document; ``level`` 1 is the outermost, offsets are characters, ``end`` exclusive.

    ``anchor`` is its name in the page's address, where one is known.
    """

    title: str
    level: int
    start: int
    end: int
    anchor: str | None = None


@dataclass(frozen=True, slots=True)
class Extract:
    """What a reader makes of a file. ``headings`` stand in order; ``url`` is what the document says of itself."""

    title: str
    text: str
    headings: tuple[Heading, ...] = ()
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a text: ``text[start:end] == content``.

    ``section`` is the path of headings above it, outermost first; ``anchor`` is that of the innermost.
    """

    content: str
    start: int
    end: int
    section: tuple[str, ...] = ()
    anchor: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it is stored.

    ``location`` is the absolute path and identifies it; ``path`` is what a reader is shown, relative to the folder that
    was given. ``digest`` is the SHA-256 of the file, ``settings`` a fingerprint of everything else that its chunks
    depend on.
    """

    location: str
    path: str
    title: str
    url: str | None
    digest: str
    settings: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that may answer.

    ``similarity`` is the cosine to the question, ``terms`` are those found in the passage, ``words`` is 1 divided by
    its place in the store's ranking by words, counted from 1, or 0 where it has none.
    """

    passage: Passage
    similarity: float
    terms: tuple[str, ...] = ()
    words: float = 0.0


class Embedder(Protocol):
    """Turns text into unit vectors. Called off the event loop; thread-safe."""

    @property
    def name(self) -> str:
        """Identifies the vector space: vectors of different names must never be compared. Known without loading."""
        ...

    @property
    def dimension(self) -> int: ...

    @property
    def max_tokens(self) -> int:
        """Longer texts lose their end."""
        ...

    def check(self) -> None:
        """Raises KnowledgeError when something is missing that it needs. Does not load the model."""
        ...

    def count(self, text: str) -> int:
        """The tokens of a text, without marks for its beginning and end. Raises KnowledgeError."""
        ...

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        """One vector a text: ``dimension`` little-endian float32, L2 norm 1. Raises KnowledgeError."""
        ...


class Index(Protocol):
    """One store, for reading. Called off the event loop; thread-safe; sees what others write meanwhile."""

    @property
    def name(self) -> str: ...

    def candidates(self, vector: bytes, terms: Sequence[str], words: Sequence[str], *, limit: int) -> list[Candidate]:
        """The ``limit`` nearest passages by cosine, and at most ``limit`` more for each of ``terms`` and for ``words``.

        A term is contained as it stands, whatever its case; one that stands in more than ``limit`` passages tells
        nothing and is passed over. Any of ``words`` may be contained, in any form. Best similarity first.

        Raises KnowledgeError.
        """
        ...

    def check(self) -> None:
        """Raises KnowledgeError when the store cannot be read, saying what to do."""
        ...


class Library(Protocol):
    """One store, for writing, by one process at a time."""

    def known(self) -> Mapping[str, tuple[str, str]]:
        """The stored documents: location → (digest, settings). Raises KnowledgeError."""
        ...

    def put(self, document: Document, chunks: Sequence[Chunk], vectors: Sequence[bytes]) -> None:
        """Store a document, instead of one at the same location, all or nothing. Raises KnowledgeError."""
        ...

    def remove(self, location: str) -> None:
        """Drop a document with its chunks. Raises KnowledgeError."""
        ...


class Retriever(Protocol):
    """Finds the passages that may answer a question."""

    async def search(self, question: str, *, limit: int) -> tuple[Passage, ...] | None:
        """At most ``limit`` passages, best first; empty where nothing is near enough, None where there is no store.

        Raises KnowledgeError when a store cannot be read.
        """
        ...

    async def warm(self) -> None:
        """Load ahead of the first search what takes long to load. Raises KnowledgeError."""
        ...

    async def probe(self) -> Health:
        """Names what cannot be searched and what to do; never raises."""
        ...

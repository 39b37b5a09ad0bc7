"""What is known: documents, the passages found in them, and how an answer refers to them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that was found for a question.

    ``start`` and ``end`` are character offsets into the document's extracted text, end exclusive. ``section`` is the
    path of headings above the passage, outermost first. ``score`` is a similarity, higher is better; only comparable
    within one search.
    """

    content: str
    source: str
    title: str
    url: str | None
    section: tuple[str, ...] = ()
    start: int = 0
    end: int = 0
    score: float = 0.0
    attributes: Mapping[str, str | int | float | bool] = field(default=MappingProxyType({}))

    @property
    def citation(self) -> "Citation":
        return Citation(url=self.url, title=self.title)


@dataclass(frozen=True, slots=True)
class Citation:
    """A document an answer rests on."""

    url: str | None
    title: str


def citations(passages: Iterable[Passage]) -> tuple[Citation, ...]:
    """The documents behind some passages, each once, in order of first appearance."""
    return tuple(dict.fromkeys(passage.citation for passage in passages))

"""Joins the parts of knowledge: the one place that chooses the embedder and the kind of store."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lightspeed_stack.config.data import RagSection
from lightspeed_stack.retrieval.minilm import MiniLM
from lightspeed_stack.retrieval.search import KnowledgeRetriever
from lightspeed_stack.retrieval.sqlite import Space, SqliteIndex, SqliteLibrary

if TYPE_CHECKING:
    from lightspeed_stack.retrieval.ingest import Addresses, Ingest

SPACE = Space(MiniLM.name, MiniLM.dimension)


def open_retriever(section: RagSection) -> KnowledgeRetriever:
    """Searches all configured stores; opens and loads nothing before it is asked."""
    indexes = [SqliteIndex(store.name, Path(store.path), SPACE) for store in section.stores]
    return KnowledgeRetriever(indexes, MiniLM(), min_score=section.min_score)


@contextmanager
def open_ingest(path: Path, addresses: "Addresses") -> Iterator["Ingest"]:
    """Fills the store in ``path``, which is made where there is none. Raises KnowledgeError."""
    from lightspeed_stack.retrieval.ingest import Ingest  # a service that only searches needs no readers

    with SqliteLibrary(path, SPACE) as library:
        yield Ingest(library, MiniLM(), addresses)

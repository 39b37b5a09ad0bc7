"""Joins the parts of knowledge: the one place that chooses the embedder and the kind of store."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread
from anyio.from_thread import BlockingPortal, start_blocking_portal

from lightspeed_stack.config.assistant import LlamaStackSection
from lightspeed_stack.config.data import EmbeddingSection, RagSection
from lightspeed_stack.domain.knowledge import Passage
from lightspeed_stack.errors import ConfigurationError
from lightspeed_stack.retrieval.base import Embedder
from lightspeed_stack.retrieval.minilm import shared
from lightspeed_stack.retrieval.search import THREADS, KnowledgeRetriever
from lightspeed_stack.retrieval.sqlite import Space, SqliteIndex, SqliteLibrary
from lightspeed_stack.stack.base import Stack

if TYPE_CHECKING:
    from lightspeed_stack.retrieval.ingest import Addresses, Ingest
    from lightspeed_stack.retrieval.llama_stack_embedder import Cross

REMOTE_THREADS = 16
"""Searches at once where each waits for the stack most of its time."""

QUESTION_TIMEOUT = 8.0
"""Seconds for the vector of a question: less than a search may take, so that its failure is told as what it is."""

REQUEST_TIMEOUT = 120.0
"""Seconds for a batch of documents' vectors; ``llama_stack.timeout`` is mostly shorter, and then holds."""


def open_retriever(section: RagSection, stack: Stack | None = None) -> KnowledgeRetriever:
    """Searches all configured stores; opens and loads nothing before it is asked.

    ``stack`` is needed where ``section`` names a model of it; the retriever must then be used on the stack's loop.
    """
    embedder: Embedder
    if section.embedding is None:
        embedder, threads = shared(), THREADS
    elif stack is None:
        raise _no_stack()
    else:
        embedder, threads = _embedder(section.embedding, stack, QUESTION_TIMEOUT, anyio.from_thread.run), REMOTE_THREADS
    indexes = [SqliteIndex(store.name, Path(store.path), _space(embedder)) for store in section.stores]
    return KnowledgeRetriever(indexes, embedder, min_score=section.min_score, threads=threads)


@contextmanager
def open_ingest(
    path: Path,
    addresses: "Addresses",
    embedding: EmbeddingSection | None = None,
    llama_stack: LlamaStackSection | None = None,
) -> Iterator["Ingest"]:
    """Fills the store in ``path``, which is made where there is none, in a program without an event loop.

    Raises KnowledgeError, or what ``open_stack`` raises.
    """
    from lightspeed_stack.retrieval.ingest import Ingest  # a service that only searches needs no readers

    with ExitStack() as opened:
        embedder: Embedder = shared()
        if embedding is not None:
            portal, stack = opened.enter_context(_stack_beside(llama_stack))
            embedder = _embedder(embedding, stack, REQUEST_TIMEOUT, portal.call)
            if not path.exists():
                # The length of its vectors is written into a store: better refused before there is one.
                embedder.embed(["length"])
        yield Ingest(opened.enter_context(SqliteLibrary(path, _space(embedder))), embedder, addresses)


def search_once(section: RagSection, llama_stack: LlamaStackSection | None, question: str) -> tuple[Passage, ...]:
    """What a question finds, in a program without an event loop.

    Raises KnowledgeError, or what ``open_stack`` raises.
    """
    if section.embedding is None:
        search = open_retriever(section).search
        return anyio.run(partial(search, question, limit=section.max_passages))
    with _stack_beside(llama_stack) as (portal, stack):
        search = open_retriever(section, stack).search
        return portal.call(partial(search, question, limit=section.max_passages))


def _embedder(section: EmbeddingSection, stack: Stack, timeout: float, cross: "Cross") -> Embedder:
    from lightspeed_stack.retrieval.llama_stack_embedder import LlamaStackEmbedder

    return LlamaStackEmbedder(
        stack.embed,
        section.model,
        dimension=section.dimension,
        max_tokens=section.max_tokens,
        timeout=timeout,
        cross=cross,
    )


@contextmanager
def _stack_beside(section: LlamaStackSection | None) -> Iterator[tuple[BlockingPortal, Stack]]:
    """A stack on an event loop in a thread of its own, so that Ctrl-C ends the work in this one as it always does."""
    from lightspeed_stack.services.llama_stack import open_stack

    if section is None:
        raise _no_stack()
    with start_blocking_portal() as portal:
        opened = portal.wrap_async_context_manager(open_stack(section))
        stack = opened.__enter__()
        try:
            yield portal, stack
        finally:
            # Without the error that ends the work here: Ctrl-C must not be raised once more on the loop.
            opened.__exit__(None, None, None)


def _space(embedder: Embedder) -> Space:
    return Space(embedder.name, embedder.dimension)


def _no_stack() -> ConfigurationError:
    return ConfigurationError(
        "rag.embedding: a model of the Llama Stack is named, but no llama_stack\n"
        "    fix: add  llama_stack: {url: http://localhost:8321}  or remove embedding"
    )

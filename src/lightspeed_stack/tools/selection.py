"""A ``ToolSelection``: of many tools, those that fit a question by meaning and by words.

Meaning and words make a ranking each, and their places are fused: a model is offered some twenty tools, so that what
either of them finds should be among them. Vectors come from an ``Embedder``; without one, words rank alone.
"""

import re
import struct
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from hashlib import blake2b
from math import sumprod
from types import TracebackType
from typing import Self

import anyio
import anyio.to_thread

from lightspeed_stack.retrieval.base import Embedder
from lightspeed_stack.tools.base import Tool
from lightspeed_stack.tools.vectors import KEPT, PATIENCE, KeptVectors
from lightspeed_stack.tools.words import Described, described, scores

THREADS = 2
K = 60
MAX_QUESTION = 4_000
"""Characters of a question that are ranked by; names of tools are found in all of it."""


class RelevantTools:
    """Entered before use and left at shutdown. ``patience`` in seconds: how long a question waits for vectors."""

    def __init__(self, embedder: Embedder | None, *, patience: float = PATIENCE) -> None:
        self._vectors = KeptVectors(embedder, patience=patience) if embedder is not None else None
        self._known: OrderedDict[bytes, Described] = OrderedDict()
        self._limiter = anyio.CapacityLimiter(THREADS)
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        if self._vectors is not None:
            await self._opened.enter_async_context(self._vectors)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._opened.__aexit__(kind, error, traceback)

    async def relevant(self, question: str, tools: Sequence[Tool], *, limit: int) -> tuple[Tool, ...]:
        if len(tools) <= limit:
            return tuple(tools)
        texts = await self._described(tools)
        # Half a surrogate pair can be said in JSON, but not be embedded.
        asked = question[:MAX_QUESTION].encode("utf-8", "replace").decode()
        vectors = await self._vectors.of(asked, [it.text for it in texts]) if self._vectors is not None else None
        choosing = partial(chosen, question, [tool.spec.name for tool in tools], texts, vectors, limit=limit)
        places = await anyio.to_thread.run_sync(choosing, limiter=self._limiter)
        return tuple(tools[place] for place in places)

    async def warm(self, tools: Sequence[Tool]) -> None:
        """Do ahead of the first question what takes long; returns when it is done, or cannot be."""
        texts = await self._described(tools)
        if self._vectors is not None:
            await self._vectors.ahead([it.text for it in texts])

    async def _described(self, tools: Sequence[Tool]) -> list[Described]:
        read = await anyio.to_thread.run_sync(self._read, tools, limiter=self._limiter)
        for digest, it in read:
            self._known[digest] = it
            self._known.move_to_end(digest)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return [it for _, it in read]

    def _read(self, tools: Sequence[Tool]) -> list[tuple[bytes, Described]]:
        """In a thread: looks known tools up, and changes nothing."""
        read = []
        for tool in tools:
            spec = tool.spec
            said = f"{spec.name}\0{spec.description}\0{spec.parameters}"
            digest = blake2b(said.encode("utf-8", "replace"), digest_size=16).digest()
            read.append((digest, self._known.get(digest) or described(spec)))
        return read


def chosen(
    question: str,
    names: Sequence[str],
    tools: Sequence[Described],
    vectors: tuple[bytes, Sequence[bytes]] | None,
    *,
    limit: int,
) -> list[int]:
    """The places of the ``limit`` tools that fit best, in order. Those whose names stand in the question come first.

    The rest is ordered by ``sum(1 / (60 + rank))`` over the rankings by words and, with ``vectors``, by meaning; equals
    keep their order. Source: Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion", SIGIR 2009, section 2.
    """
    by_words = scores(question[:MAX_QUESTION], tools)
    rankings = [[place for place in _best_first(by_words) if by_words[place] > 0]]
    if vectors is not None:
        asked = _floats(vectors[0])
        rankings.append(_best_first([sumprod(asked, _floats(vector)) for vector in vectors[1]]))
    shares = [0.0] * len(tools)
    for ranking in rankings:
        for rank, place in enumerate(ranking, 1):
            shares[place] += 1 / (K + rank)
    named = {place for place, name in enumerate(names) if _stands_in(question, name)}
    best = sorted(range(len(tools)), key=lambda place: (place not in named, -shares[place]))
    return sorted(best[:limit])


def _best_first(values: Sequence[float]) -> list[int]:
    return sorted(range(len(values)), key=lambda place: -values[place])


def _floats(vector: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(vector) // 4}f", vector)


def _stands_in(question: str, name: str) -> bool:
    """Whether a name stands in a question as it is written, and not inside another."""
    return name in question and re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", question) is not None

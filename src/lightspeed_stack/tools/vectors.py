"""Vectors of tools' texts, kept, and made behind the scenes: a question waits only a bounded time for them."""

import logging
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from hashlib import blake2b
from itertools import islice
from types import TracebackType
from typing import Self

import anyio
import anyio.to_thread

from lightspeed_stack.errors import KnowledgeError
from lightspeed_stack.retrieval.base import Embedder

log = logging.getLogger(__name__)

KEPT = 4_096
"""Vectors in memory, about 1.5 KB each; of more texts at once there are none."""

PATIENCE = 1.5
"""Seconds that a question waits for vectors."""

RETRY = 60.0
"""Seconds before an embedder that failed is asked again."""

BATCH = 8


class KeptVectors:
    """Keeps vectors by a digest of their texts, and embeds missing ones one batch after the other.

    Entered before use and left at shutdown: it owns the task that embeds. Used on one event loop.
    """

    def __init__(
        self, embedder: Embedder, *, kept: int = KEPT, patience: float = PATIENCE, retry: float = RETRY
    ) -> None:
        self._embedder = embedder
        self._capacity = kept
        self._patience = patience
        self._retry = retry
        self._limiter = anyio.CapacityLimiter(1)
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._waiting: OrderedDict[bytes, str] = OrderedDict()
        self._working = False
        self._late = False
        self._failing = False
        self._asked_again_at = 0.0
        self._progress = anyio.Event()
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._tasks = await self._opened.enter_async_context(anyio.create_task_group())
        self._opened.callback(self._tasks.cancel_scope.cancel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._opened.__aexit__(kind, error, traceback)

    async def of(self, question: str, texts: Sequence[str]) -> tuple[bytes, list[bytes]] | None:
        """The vectors of a question and of texts, in order; None where they are not there in time.

        What is missing then is embedded behind, and until it is there nobody else waits.
        """
        if anyio.current_time() < self._asked_again_at or len(texts) >= self._capacity:
            return None
        asked, wanted = _digest(question), [_digest(text) for text in texts]
        missing = {digest: text for digest, text in zip(wanted, texts, strict=True) if digest not in self._kept}
        if self._late and (missing or asked not in self._kept):
            self._ask_for(missing)
            return None
        self._ask_for(missing)
        if asked not in self._kept:
            self._waiting[asked] = question
            self._waiting.move_to_end(asked, last=False)  # one text, which others may wait for behind hundreds
            self._begin()
        return await self._in_time(asked, wanted)

    async def ahead(self, texts: Sequence[str]) -> None:
        """Embed texts before anybody asks; returns when they are there, or cannot be."""
        wanted = {_digest(text): text for text in texts[: self._capacity]}
        self._ask_for({digest: text for digest, text in wanted.items() if digest not in self._kept})
        while self._working and not self._kept.keys() >= wanted.keys():
            await self._progress.wait()

    async def _in_time(self, asked: bytes, wanted: Sequence[bytes]) -> tuple[bytes, list[bytes]] | None:
        with anyio.move_on_after(self._patience):
            while not self._kept.keys() >= {asked, *wanted}:
                if not self._working:
                    return None  # it failed
                await self._progress.wait()
            for digest in (*wanted, asked):
                self._kept.move_to_end(digest)
            return self._kept[asked], [self._kept[digest] for digest in wanted]
        self._waiting.pop(asked, None)
        self._late = self._working
        return None

    def _ask_for(self, missing: dict[bytes, str]) -> None:
        for digest, text in missing.items():
            if len(self._waiting) < self._capacity:
                self._waiting.setdefault(digest, text)
        self._begin()

    def _begin(self) -> None:
        if self._waiting and not self._working:
            self._working = True
            self._tasks.start_soon(self._embed)

    async def _embed(self) -> None:
        try:
            while self._waiting:
                batch = dict(islice(self._waiting.items(), BATCH))
                vectors = await anyio.to_thread.run_sync(
                    self._embedder.embed, list(batch.values()), limiter=self._limiter, abandon_on_cancel=True
                )
                for digest, vector in zip(batch, vectors, strict=True):
                    self._waiting.pop(digest, None)
                    self._kept[digest] = vector
                while len(self._kept) > self._capacity:
                    self._kept.popitem(last=False)
                self._failing = False
                self._tell()
        except KnowledgeError as error:
            if not self._failing:
                log.warning("tools are chosen by words alone: %s", error.cause)
            self._give_up()
        except Exception:
            if not self._failing:
                log.exception("tools are chosen by words alone")
            self._give_up()
        finally:
            self._working = self._late = False
            self._tell()

    def _give_up(self) -> None:
        self._failing = True
        self._asked_again_at = anyio.current_time() + self._retry
        self._waiting.clear()

    def _tell(self) -> None:
        self._progress.set()
        self._progress = anyio.Event()


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()

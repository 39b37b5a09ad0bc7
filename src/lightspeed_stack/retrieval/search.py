"""A question to passages: over all stores, in a thread, within a time.

Above: ``assistant`` by the door ``Retriever``. Below: an ``Embedder`` and one ``Index`` per store; ``ranking`` decides.
"""

import threading
from collections.abc import Sequence

import anyio
import anyio.to_thread

from lightspeed_stack.domain.health import Health
from lightspeed_stack.domain.knowledge import Passage
from lightspeed_stack.errors import KnowledgeError
from lightspeed_stack.retrieval import ranking
from lightspeed_stack.retrieval.base import Embedder, Index

THREADS = 2
WAITING = 32
"""Searches under way at once, with those whose caller has given up; more are refused."""

CANDIDATES = 30
MAX_QUESTION = 4_000
"""Characters of a question that are looked at; the model reads the first 254 tokens."""


class KnowledgeRetriever:
    """Searches several stores as one. ``timeout`` in seconds, for one search with its wait for a thread.

    ``threads`` is how many search at once: more than there are cores where the embedder waits for another server.
    """

    def __init__(
        self,
        indexes: Sequence[Index],
        embedder: Embedder,
        *,
        min_score: float,
        timeout: float = 10.0,
        threads: int = THREADS,
    ) -> None:
        self._indexes = tuple(indexes)
        self._embedder = embedder
        self._min_score = min_score
        self._timeout = timeout
        self._limiter = anyio.CapacityLimiter(threads)
        self._probes = anyio.CapacityLimiter(1)  # of its own: readiness must not wait behind questions
        self._places = threading.BoundedSemaphore(WAITING)

    async def search(self, question: str, *, limit: int) -> tuple[Passage, ...]:
        if limit < 1 or not self._indexes or not question.strip():
            return ()
        if not self._places.acquire(blocking=False):
            raise KnowledgeError("too many searches are waiting; fix: ask again in a moment")
        claim = threading.Lock()  # who has it gives the place back

        def job() -> tuple[Passage, ...]:
            if not claim.acquire(blocking=False):
                return ()  # given up before it began
            try:
                return self._search(question, limit)
            finally:
                self._places.release()

        try:
            with anyio.fail_after(self._timeout):
                # A thread cannot be stopped: its caller goes on, and it keeps its place until it ends.
                return await anyio.to_thread.run_sync(job, limiter=self._limiter, abandon_on_cancel=True)
        except TimeoutError as error:
            message = f"searching the documents took longer than {self._timeout:g} seconds"
            raise KnowledgeError(message) from error
        finally:
            if claim.acquire(blocking=False):
                self._places.release()

    async def warm(self) -> None:
        """Load the model and the vectors ahead of the first question. Raises KnowledgeError."""
        if self._indexes:
            await anyio.to_thread.run_sync(self._search, "warm", 1, limiter=self._limiter, abandon_on_cancel=True)

    async def probe(self) -> Health:
        """Names the first store that cannot be read, or what is missing to read any. Does not load the model."""
        try:
            with anyio.fail_after(self._timeout):
                await anyio.to_thread.run_sync(self._check, limiter=self._probes, abandon_on_cancel=True)
        except KnowledgeError as error:
            return Health.error(error.cause)
        except TimeoutError:
            return Health.error(f"the knowledge stores did not answer within {self._timeout:g} seconds")
        return Health.ok()

    def _check(self) -> None:
        for index in self._indexes:
            index.check()
        if self._indexes:
            self._embedder.check()

    def _search(self, question: str, limit: int) -> tuple[Passage, ...]:
        # Half a surrogate pair can be said in JSON, but not be stored or looked up.
        question = question[:MAX_QUESTION].encode("utf-8", "replace").decode()
        terms, words = ranking.terms(question), ranking.words(question)
        [vector] = self._embedder.embed([question])
        wanted = max(CANDIDATES, 3 * limit)
        found = [it for index in self._indexes for it in index.candidates(vector, terms, words, limit=wanted)]
        return ranking.rank(found, limit=limit, min_score=self._min_score)

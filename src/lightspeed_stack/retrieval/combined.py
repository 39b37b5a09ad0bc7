"""Several retrievers as one: our own stores, and those of a Llama Stack."""

import logging
from collections.abc import Sequence

import anyio

from lightspeed_stack.domain.health import Health, HealthStatus
from lightspeed_stack.domain.knowledge import Passage
from lightspeed_stack.errors import KnowledgeError
from lightspeed_stack.retrieval import ranking
from lightspeed_stack.retrieval.base import Retriever

log = logging.getLogger(__name__)


class CombinedRetriever:
    """Asks all parts at the same time, and fuses what they find by its places: their scores do not compare."""

    def __init__(self, parts: Sequence[Retriever]) -> None:
        self._parts = tuple(parts)

    async def search(self, question: str, *, limit: int) -> tuple[Passage, ...] | None:
        """See Retriever. A part that fails does not hide the others. Raises KnowledgeError when none is left."""
        found: dict[int, tuple[Passage, ...] | None] = {}
        failures: list[KnowledgeError] = []

        async def ask(number: int, part: Retriever) -> None:
            try:
                found[number] = await part.search(question, limit=limit)
            except KnowledgeError as error:
                failures.append(error)

        async with anyio.create_task_group() as tasks:
            for number, part in enumerate(self._parts):
                tasks.start_soon(ask, number, part)
        told = [passages for number in sorted(found) if (passages := found[number]) is not None]
        if not told:
            if failures:
                raise failures[0]
            return None
        for failure in failures:
            log.warning("a part of the documentation was not searched: %s", failure.cause)
        return ranking.distinct(ranking.fuse(told), limit=limit)

    async def warm(self) -> None:
        """See Retriever. All parts are warmed, also after one that fails."""
        failures: list[KnowledgeError] = []
        for part in self._parts:
            try:
                await part.warm()
            except KnowledgeError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    async def probe(self) -> Health:
        """Tells of every part that is ill."""
        told: dict[int, Health] = {}

        async def ask(number: int, part: Retriever) -> None:
            told[number] = await part.probe()

        async with anyio.create_task_group() as tasks:
            for number, part in enumerate(self._parts):
                tasks.start_soon(ask, number, part)
        ill = [told[number].message or "" for number in sorted(told) if told[number].status is HealthStatus.ERROR]
        return Health.error("; ".join(ill)) if ill else Health.ok()

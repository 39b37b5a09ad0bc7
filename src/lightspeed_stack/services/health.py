"""How all parts are, for the readiness probe."""

from time import monotonic

import anyio

from lightspeed_stack.backends.catalog import ModelCatalog
from lightspeed_stack.domain.health import Health, HealthStatus
from lightspeed_stack.retrieval.base import Retriever
from lightspeed_stack.storage.base import ConversationStore

HEALTH_FRESH = 1.0
"""Seconds for which a look at all parts serves further probes."""


class HealthCheck:
    """Asks every part how it is, at most once a second."""

    def __init__(self, catalog: ModelCatalog, parts: dict[str, ConversationStore | Retriever]) -> None:
        self._catalog = catalog
        self._parts = parts
        self._lock = anyio.Lock()
        self._last: dict[str, Health] = {}
        self._at = -HEALTH_FRESH

    async def ill(self) -> dict[str, Health]:
        """The parts that report an error: providers by their id, then ``database`` and ``knowledge``."""
        async with self._lock:
            if monotonic() - self._at >= HEALTH_FRESH:
                self._last = await self._catalog.health()
                for name, part in self._parts.items():
                    self._last[name] = await part.probe()
                self._at = monotonic()
        return {name: health for name, health in self._last.items() if health.status is HealthStatus.ERROR}

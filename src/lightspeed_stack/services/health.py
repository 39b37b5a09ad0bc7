"""How all parts are, for the readiness probe."""

from collections.abc import Mapping
from time import monotonic
from typing import Protocol

import anyio

from lightspeed_stack.domain.health import Health, HealthStatus

FRESH = 1.0
"""Seconds for which a look at all parts serves further probes."""

PROBE_TIMEOUT = 6.0
"""Seconds that one part has to answer."""


class Probed(Protocol):
    """A part that can be asked how it is."""

    async def probe(self) -> Health:
        """Never raises."""
        ...


class HealthCheck:
    """Asks every part how it is, all at once, at most once a second."""

    def __init__(self, parts: Mapping[str, Probed]) -> None:
        self._parts = dict(parts)
        self._lock = anyio.Lock()
        self._last: dict[str, Health] = {}
        self._at = -FRESH

    async def ill(self) -> dict[str, Health]:
        """The parts that report an error, in their given order."""
        async with self._lock:
            if monotonic() - self._at >= FRESH:
                await self._ask_all()
                self._at = monotonic()
        return {name: self._last[name] for name in self._parts if self._last[name].status is HealthStatus.ERROR}

    async def _ask_all(self) -> None:
        async def ask(name: str, part: Probed) -> None:
            health = Health.error("no answer in time")
            with anyio.move_on_after(PROBE_TIMEOUT):
                health = await part.probe()
            self._last[name] = health

        async with anyio.create_task_group() as tasks:
            for name, part in self._parts.items():
                tasks.start_soon(ask, name, part)

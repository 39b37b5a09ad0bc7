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


LATE = Health.error("no answer in time")


class Probed(Protocol):
    """A part that can be asked how it is."""

    async def probe(self) -> Health:
        """Never raises."""
        ...


class ProbedTogether(Protocol):
    """A part that stands for several, and tells of each by its name."""

    async def probe(self) -> Mapping[str, Health]:
        """Never raises."""
        ...


class HealthCheck:
    """Asks every part how it is, all at once, at most once a second.

    ``groups`` are parts that tell of several by their own names; where a name is another part's, both are told.
    """

    def __init__(self, parts: Mapping[str, Probed], groups: Mapping[str, ProbedTogether] | None = None) -> None:
        self._parts = dict(parts)
        self._groups = dict(groups or {})
        self._lock = anyio.Lock()
        self._last: dict[str, Health] = {}
        self._at = -FRESH

    async def ill(self) -> dict[str, Health]:
        """The parts that report an error, in their given order."""
        async with self._lock:
            if monotonic() - self._at >= FRESH:
                self._last = await self._ask_all()
                self._at = monotonic()
        return {name: health for name, health in self._last.items() if health.status is HealthStatus.ERROR}

    async def _ask_all(self) -> dict[str, Health]:
        parts: dict[str, Health] = {}
        groups: dict[str, Mapping[str, Health]] = {}

        async def ask(name: str, part: Probed) -> None:
            parts[name] = LATE
            with anyio.move_on_after(PROBE_TIMEOUT):
                parts[name] = await part.probe()

        async def ask_group(name: str, group: ProbedTogether) -> None:
            groups[name] = {name: LATE}
            with anyio.move_on_after(PROBE_TIMEOUT):
                groups[name] = await group.probe()

        async with anyio.create_task_group() as tasks:
            for name, part in self._parts.items():
                tasks.start_soon(ask, name, part)
            for name, group in self._groups.items():
                tasks.start_soon(ask_group, name, group)
        told = {name: parts[name] for name in self._parts}
        for name, inside in ((name, groups[name]) for name in self._groups):
            for inner, health in inside.items():
                told[f"{name}/{inner}" if inner in told else inner] = health
        return told

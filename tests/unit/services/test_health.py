"""``HealthCheck``: all parts at once, in their order."""

import anyio

from lightspeed_stack.domain.health import Health
from lightspeed_stack.services.health import HealthCheck
from tests.spec.registry import requirement


class Part:
    """Answers as it is told, once all ``together`` were asked; counts how often it was."""

    def __init__(self, health: Health, together: anyio.Event, waits_for: "Part | None" = None) -> None:
        self.health, self.together, self.waits_for, self.asked = health, together, waits_for, 0

    async def probe(self) -> Health:
        self.asked += 1
        if self.waits_for is None:
            self.together.set()
        await self.together.wait()
        return self.health


@requirement("ops:ill")
async def test_parts_are_asked_at_once_and_told_in_order() -> None:
    together = anyio.Event()
    last = Part(Health.error("three"), together)
    parts = {"one": Part(Health.error("one"), together, last), "two": Part(Health.ok(), together, last), "three": last}
    check = HealthCheck(parts)
    with anyio.fail_after(5):
        ill = await check.ill()
        assert await check.ill() == ill
    assert list(ill) == ["one", "three"]
    assert [part.asked for part in parts.values()] == [1, 1, 1], "a second look soon after asks nobody"

"""Turns in flight, so that a stop can wait for what they still have to keep."""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio


class ActiveTurns:
    """Counts the turns that run."""

    def __init__(self) -> None:
        self._running = 0
        self._changed = anyio.Event()

    @contextmanager
    def track(self) -> Iterator[None]:
        """Count a turn for as long as the context is open."""
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            self._changed.set()

    async def drained(self, timeout: float) -> bool:  # noqa: ASYNC109 - the wait is bounded here, for every caller
        """Wait until no turn runs, at most ``timeout`` seconds; False where some still do."""
        with anyio.move_on_after(timeout):
            while self._running:
                self._changed = anyio.Event()
                await self._changed.wait()
        return self._running == 0

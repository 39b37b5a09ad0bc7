"""Turns in flight, so that a stop can wait for what they still have to keep, and background work can give way."""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio


class ActiveTurns:
    """Counts the turns that run."""

    def __init__(self) -> None:
        self._running = 0
        self._ended = anyio.Event()
        self._giving_way: set[anyio.CancelScope] = set()

    @contextmanager
    def track(self) -> Iterator[None]:
        """Count a turn for as long as the context is open."""
        self._running += 1
        for scope in self._giving_way:
            scope.cancel()
        try:
            yield
        finally:
            self._running -= 1
            self._ended.set()

    async def drained(self, timeout: float) -> bool:  # noqa: ASYNC109 - the wait is bounded here, for every caller
        """Wait until no turn runs, at most ``timeout`` seconds; False where some still do."""
        with anyio.move_on_after(timeout):
            await self._none_runs()
        return self._running == 0

    async def quiet(self, seconds: float) -> None:
        """Wait until no turn has run for ``seconds``."""
        while True:
            await self._none_runs()
            with self.giving_way():
                await anyio.sleep(seconds)
                return

    @contextmanager
    def giving_way(self) -> Iterator[None]:
        """Cancel what runs inside as soon as a turn runs; the context ends then as if it had come to its end."""
        scope = anyio.CancelScope()
        self._giving_way.add(scope)
        try:
            with scope:
                if self._running:
                    scope.cancel()
                yield
        finally:
            self._giving_way.remove(scope)

    async def _none_runs(self) -> None:
        while self._running:
            if self._ended.is_set():
                self._ended = anyio.Event()
            await self._ended.wait()

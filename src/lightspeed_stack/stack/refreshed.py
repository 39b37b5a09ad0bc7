"""A value from elsewhere that requests read without waiting for it: as last seen, while it is refreshed behind them."""

import logging
from collections.abc import Awaitable, Callable, Coroutine
from copy import copy
from time import monotonic
from typing import Any

import anyio

from lightspeed_stack.errors import BackendError

log = logging.getLogger(__name__)

FRESH = 60.0
"""Seconds for which a value is taken as it is."""

RETRY = 5.0
"""Seconds between two attempts, of which the first failed or brought what is not to be relied on."""

type Job = Callable[[], Coroutine[Any, Any, None]]


class Refreshed[T]:
    """A value that is loaded when it is first needed. Later needs get it as it is, and start a refresh once it is old.

    ``what`` names it in the log. ``load`` ends within a bounded time, and raises BackendError. ``background`` runs a
    job in a task group that somebody else owns. At most one load is under way at any time.
    """

    def __init__(
        self,
        what: str,
        load: Callable[[], Awaitable[T]],
        background: Callable[[Job], None],
        *,
        fresh: float = FRESH,
        retry: float = RETRY,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._what = what
        self._load = load
        self._background = background
        self._fresh = fresh
        self._retry = retry
        self._clock = clock
        self._known: tuple[T] | None = None
        self._failure: BackendError | None = None
        self._asked_at = self._due = clock() - retry
        self._lock = anyio.Lock()
        self._refreshing = False

    async def get(self) -> T:
        """The value as last seen. Waits, and raises BackendError, only where none was ever seen."""
        if self._known is None:
            return await self._first()
        if self._clock() >= self._due and not self._refreshing:
            self._refreshing = True
            self._background(self._refresh)
        return self._known[0]

    async def ask(self) -> T:
        """The value as it is just now. Raises BackendError; what was seen before stays then."""
        async with self._lock:
            return await self._ask()

    def expire(self) -> None:
        """Say that the value may not be right any more: the next need starts a refresh, unless one was just made."""
        self._due = min(self._due, self._asked_at + self._retry)

    def forget(self) -> None:
        """Say that the value is not right any more: the next need waits for another."""
        self._known = self._failure = None

    async def _first(self) -> T:
        async with self._lock:
            if self._known is not None:
                return self._known[0]
            # Who waited while another one failed is told the same: a queue of them would ask one after the other.
            if self._failure is not None and self._clock() < self._due:
                raise copy(self._failure)
            return await self._ask()

    async def _ask(self) -> T:
        try:
            value = await self._load()
        except BackendError as error:
            self._failure = copy(error)  # without its traceback, which would hold a request's values
            self._asked_at = self._clock()
            self._due = self._asked_at + self._retry
            raise
        self._known, self._failure = (value,), None
        self._asked_at = self._clock()
        self._due = self._asked_at + self._fresh
        return value

    async def _refresh(self) -> None:
        failed_before = self._failure is not None
        try:
            await self.ask()
            if failed_before:
                log.info("%s: refreshed again", self._what)
        except BackendError as error:
            if not failed_before:
                log.warning("%s: cannot be refreshed, used as last seen: %s", self._what, error.cause)
        except Exception:  # a background task must not take the others with it
            log.exception("%s: cannot be refreshed", self._what)
            self._due = self._clock() + self._retry
        finally:
            self._refreshing = False

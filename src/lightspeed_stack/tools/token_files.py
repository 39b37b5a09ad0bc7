"""Files that hold the value of a header, such as a token that something else rotates."""

import logging
import os
import stat
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import anyio
from anyio import to_thread

from lightspeed_stack.tools.header_values import header_value

log = logging.getLogger(__name__)

KEPT = 5.0
"""Seconds for which a file is not looked at again: so long a rotated token may go unseen."""

PATIENCE = 2.0
"""Seconds that a look may take; a network's file system may take for ever."""

MAX_FILE = 64 * 1024
"""Bytes."""

READERS = 4
"""Files that are looked at in one moment, each in a thread."""


class Unusable(Exception):
    """``reason`` is a part of a sentence, without path and content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Look:
    """What a look at a file brought: a value, or what is wrong with it (then ``value`` is None)."""

    value: str | None
    problem: str
    until: float


def only_line(path: str) -> str:
    """The only line of a file, stripped. Blocking. Raises Unusable."""
    try:
        # Without waiting: opening a pipe would wait for a writer.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Unusable("it is not a file")
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        raise Unusable(os.strerror(error.errno) if error.errno else "it cannot be read") from None
    except ValueError:
        raise Unusable("its path cannot be one") from None
    if len(content) > MAX_FILE:
        raise Unusable(f"it has more than {MAX_FILE} bytes")
    if not content.strip():
        raise Unusable("it is empty")
    value = header_value(content.decode("ascii", "replace"))
    if value is None:
        raise Unusable("its content is not one line of ASCII that can be the value of a header")
    return value


class TokenFiles:
    """The lines of files, read off the event loop and kept for ``kept`` seconds.

    Holds one entry for each path it was ever asked for: those of the configuration. ``look`` reads a file, in a thread;
    it is waited for ``patience`` seconds.
    """

    def __init__(
        self,
        *,
        kept: float = KEPT,
        patience: float = PATIENCE,
        look: Callable[[str], str] = only_line,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._kept = kept
        self._patience = patience
        self._only_line = look
        self._clock = clock
        self._looks: dict[str, _Look] = {}
        self._locks: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)
        self._readers = anyio.CapacityLimiter(READERS)
        self._reading: set[str] = set()
        self._told: dict[str, str] = {}

    async def read(self, path: str, *, key: str) -> str | None:
        """The file's only line, stripped; None where it cannot be a header's value, which is logged once a change.

        ``key`` is where the configuration names the file: for the log, which never gets the path, as somebody may have
        written a token in its place.
        """
        look = self._looks.get(path)
        if look is None or self._clock() >= look.until:
            async with self._locks[path]:
                look = self._looks.get(path)
                if look is None or self._clock() >= look.until:
                    look = self._looks[path] = await self._look(path)
        self._tell(key, look)
        return look.value

    def fresh(self, path: str) -> bool:
        """Whether ``read`` gives the file's line without looking at it."""
        look = self._looks.get(path)
        return look is not None and self._clock() < look.until

    async def _look(self, path: str) -> _Look:
        value, problem = None, "it takes too long to read it"
        # A thread cannot be stopped: while one hangs at this path, no other is sent after it.
        if path not in self._reading:
            with anyio.move_on_after(self._patience):
                try:
                    value = await to_thread.run_sync(self._load, path, abandon_on_cancel=True, limiter=self._readers)
                    problem = ""
                except Unusable as error:
                    problem = error.reason
        return _Look(value, problem, self._clock() + self._kept)

    def _load(self, path: str) -> str:
        self._reading.add(path)
        try:
            return self._only_line(path)
        finally:
            self._reading.discard(path)

    def _tell(self, key: str, look: _Look) -> None:
        if self._told.get(key, "") == look.problem:
            return
        self._told[key] = look.problem
        if look.problem:
            log.warning("%s: the file cannot be used: %s", key, look.problem)
        else:
            log.info("%s: the file can be used again", key)

"""Keeps a directory of user data within its limits: files that are too old go, then the oldest of too many.

Several processes may sweep the same directory at once, and others read, delete and write there meanwhile: whatever is
gone already is as good as deleted. Only our own files are deleted (``file_names``), and links are never followed.
"""

import heapq
import logging
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import anyio
import anyio.from_thread
import anyio.to_thread

from lightspeed_stack.storage import file_names
from lightspeed_stack.storage.archive import reason

log = logging.getLogger(__name__)

FIRST_SWEEP = 30.0
"""Seconds after the start. Processes that start together are spread by as much again."""

SWEEP_EVERY = 600.0
"""Seconds between sweeps."""

SWEEP_REST = 5.0
"""Seconds between sweeps at least, however much is written."""

PATIENCE = 50
"""A sweep is followed by a pause so many times as long."""

LEFT_OVER = 3600.0
"""Seconds after which nobody is still writing a draft, or about to write into an empty directory."""

SHARE = 16
"""A directory that grew too large is brought down by this part of its limit, so that it is not swept for each file."""

BATCH = 100_000
"""Files that are chosen at once to be deleted; bounds the memory that a sweep takes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """``max_age`` in seconds, ``max_size`` in bytes of all files together; None where there is no limit."""

    max_age: float | None = None
    max_size: int | None = None


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep left and did; ``failure`` is the first of what could not be read or deleted.

    ``size`` is counted where there is a limit, of age or of size.
    """

    size: int
    deleted: int
    failure: str | None = None


class _Folder(NamedTuple):
    path: str
    depth: int
    of_conversation: bool


class _Found(NamedTuple):
    at: float
    path: str
    size: int


@dataclass(slots=True)
class Sweep:
    """One sweep through ``root``. Blocking.

    ``nested``: files lie in directories of conversations, not in the root. ``now`` in seconds since the epoch.
    ``pulse`` is called often, and ends the sweep by raising.
    """

    root: Path
    nested: bool
    limits: Limits
    now: float
    pulse: Callable[[], None] = lambda: None
    _deleted: int = field(default=0, init=False)
    _failure: str | None = field(default=None, init=False)

    def run(self) -> Swept:
        """Raises OSError where the root cannot be read; a root that does not exist yet is empty."""
        size = self._size_without_old()
        limit = self.limits.max_size
        while limit is not None and size > limit:
            before = size
            size = self._trim(before, limit - limit // SHARE)
            if size >= before:  # nothing can be deleted, or more is written than that
                break
        return Swept(size, self._deleted, self._failure)

    def _size_without_old(self) -> int:
        size = 0
        max_age = self.limits.max_age
        for found in self._files():
            if max_age is None or self.now - found.at <= max_age or not self._delete(found.path):
                size += found.size
        return size

    def _trim(self, size: int, target: int) -> int:
        """Delete the oldest files, BATCH of them at most, so that ``target`` bytes are left; what is left.

        ``size`` was found by another walk, and only says how many files may have to be remembered: what is deleted
        follows from what this walk finds, so that several processes that are at it together delete no more than one.
        """
        chosen: list[tuple[float, str, int]] = []  # a heap, the youngest first
        held = total = 0
        for found in self._files():
            total += found.size
            held += found.size
            heapq.heappush(chosen, (-found.at, found.path, found.size))
            while len(chosen) > 1 and (held - chosen[0][2] >= size - target or len(chosen) > BATCH):
                held -= heapq.heappop(chosen)[2]
        for _, path, freed in sorted(chosen, reverse=True):
            if total <= target:
                break
            self.pulse()
            if self._delete(path):
                total -= freed
        return total

    def _files(self) -> Iterator[_Found]:
        """Our files, where there is a limit that asks for them; removes what was left over on the way."""
        folders = [_Folder(str(self.root), 0, of_conversation=False)]
        limited = self.limits != Limits()
        while folders:
            self.pulse()
            folder = folders.pop()
            # Other JSON files, and those of another directory of user data in this one, are not ours.
            ours = limited and (folder.of_conversation if self.nested else folder.depth == 0)
            for entry in self._entries(folder):
                name = entry.name
                if entry.is_dir(follow_symlinks=False):
                    if self._leads_on(name, folder.depth):
                        folders.append(_Folder(entry.path, folder.depth + 1, file_names.is_conversation(name)))
                elif ours and file_names.is_file(name):
                    if (found := _examined(entry)) is not None:
                        yield found
                elif file_names.is_draft(name) and (folder.of_conversation or folder.depth == 0):
                    self._clear(entry)

    def _entries(self, folder: _Folder) -> Iterator[os.DirEntry[str]]:
        empty = True
        try:
            with os.scandir(folder.path) as entries:
                for entry in entries:
                    empty = False
                    yield entry
        except FileNotFoundError:
            return
        except OSError as error:
            if folder.depth == 0:
                raise
            self._failure = self._failure or reason(error)
            return
        if empty and folder.of_conversation and self._is_left(folder):
            self._prune(Path(folder.path))

    def _leads_on(self, name: str, depth: int) -> bool:
        return self.nested and depth <= file_names.MAX_LEVELS and (depth, name) != (0, file_names.FOREIGN)

    def _is_left(self, folder: _Folder) -> bool:
        try:
            return self.now - Path(folder.path).lstat().st_mtime > LEFT_OVER
        except FileNotFoundError:
            return False

    def _clear(self, entry: os.DirEntry[str]) -> None:
        found = _examined(entry)
        if found is not None and self.now - found.at > LEFT_OVER:
            self._delete(found.path)

    def _delete(self, name: str) -> bool:
        """Whether the file is gone, whoever deleted it."""
        path = Path(name)
        try:
            path.unlink()
            self._deleted += 1
        except FileNotFoundError:
            return True
        except OSError as error:
            self._failure = self._failure or reason(error)
            return False
        self._prune(path.parent)
        return True

    def _prune(self, folder: Path) -> None:
        """Remove a conversation's directory if it is empty, and those above it that are empty without it."""
        while folder != self.root:
            try:
                folder.rmdir()
            except OSError:  # not empty, or another process was faster: either way there is nothing to do
                return
            folder = folder.parent


def _examined(entry: os.DirEntry[str]) -> _Found | None:
    """The entry as a regular file; None where it is another kind, or has vanished."""
    try:
        about = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return _Found(about.st_mtime, entry.path, about.st_size) if stat.S_ISREG(about.st_mode) else None


class Retention:
    """Sweeps a directory from time to time, and as soon as this process has written more than there was room for.

    ``failures`` hears of every sweep that failed. The times are arguments for tests.
    """

    def __init__(
        self,
        root: Path,
        key: str,
        *,
        nested: bool,
        limits: Limits,
        failures: Callable[[str], None],
        clock: Callable[[], float] = time.time,
        first: float | None = None,
        every: float = SWEEP_EVERY,
        rest: float = SWEEP_REST,
    ) -> None:
        self._sweep = partial(Sweep, root, nested, limits)
        self._key = key
        self._limit = limits.max_size
        self._failures = failures
        self._clock = clock
        self._first = FIRST_SWEEP + os.getpid() % FIRST_SWEEP if first is None else first
        self._every, self._rest = every, rest
        self._limiter = anyio.CapacityLimiter(1)
        self._wanted = anyio.Event()
        self._room = self._limit or 0
        self._written = 0

    def wrote(self, size: int) -> None:
        """Hear of a file that was written."""
        self._written += size
        # Other processes write as well, so that a part of the limit is all that is written without another look.
        if self._limit is not None and self._written > min(self._room, self._limit // SHARE):
            self._wanted.set()

    async def run(self) -> None:
        """Sweep until cancelled."""
        pause = self._first
        while True:
            with anyio.move_on_after(pause):
                await self._wanted.wait()
            self._wanted = anyio.Event()
            began = anyio.current_time()
            await self.sweep()
            took = anyio.current_time() - began
            # A directory that is large, or cannot be brought below its limit, must not keep us busy.
            await anyio.sleep(max(self._rest, took))
            pause = max(self._every, took * PATIENCE)

    async def sweep(self) -> None:
        """Sweep once; a failure is logged and counted."""
        self._written = 0
        sweep = self._sweep(self._clock(), anyio.from_thread.check_cancelled)
        try:
            swept = await anyio.to_thread.run_sync(sweep.run, limiter=self._limiter)
        except OSError as error:
            self._failed(reason(error))
            return
        except Exception:  # a background task must not take the service with it
            log.exception("clearing up user_data_collection.%s failed", self._key)
            self._failures("retention")
            return
        if swept.failure is not None:
            self._failed(swept.failure)
        if self._limit is not None:
            self._room = max(self._limit - swept.size, 0)
        if swept.deleted:
            log.info("deleted %d files of user_data_collection.%s", swept.deleted, self._key)

    def _failed(self, why: str) -> None:
        log.error("clearing up user_data_collection.%s failed: %s", self._key, why)
        self._failures("retention")

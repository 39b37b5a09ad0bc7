"""A directory of files, each of which appears complete or not at all.

Above: ``files`` says what is in them. Other processes read and delete the files at any moment, and directories with
them (storage.md 3). Only ``publish`` and ``try_out`` touch the disk; they block, and run on threads of their own.
"""

import errno
import os
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import takewhile
from pathlib import Path, PurePath
from typing import BinaryIO

import anyio
import anyio.to_thread

from lightspeed_stack.domain.health import Health
from lightspeed_stack.errors import StorageError
from lightspeed_stack.storage import file_names

ATTEMPTS = 100
"""How often a file is written or named anew because its directory was deleted."""

THREADS = 8
"""Writes at once; the others wait. They mostly wait for the disk, which stores some together."""

MAX_STUCK = 16
"""Threads that a disk which does not answer may hold; with as many, callers are told at once."""

WRITE_TIMEOUT = 10.0
"""Seconds that a caller waits. A write that is late is not taken back."""

TRIAL = bytes(4096)
"""Enough that a full disk shows."""


def reason(error: OSError) -> str:
    """The operating system's words without the path, which may be a user's id."""
    return f"[Errno {error.errno}] {error.strerror}"


def publish(target: Path, data: bytes) -> None:
    """Make ``target`` appear with ``data`` in it, durably. Raises OSError.

    Directories are made where they are missing, with the rights that the process's umask leaves.
    """
    step = _publish
    for attempt in range(1, ATTEMPTS + 1):
        try:
            step(target, data)
        except FileNotFoundError:  # the directory was deleted meanwhile
            step = _publish_nameless
            if attempt == ATTEMPTS:
                raise
        else:
            return


def _publish(target: Path, data: bytes) -> None:
    made = _make(target.parent)
    draft = target.parent / file_names.new_draft()
    try:
        _write(draft, data)
        draft.rename(target)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
    _sync(target.parent, *(one.parent for one in made))


def _publish_nameless(target: Path, data: bytes) -> None:
    """As ``_publish``, where somebody keeps deleting: a draft without a name lives on, and is named in a moment."""
    made = _make(target.parent)
    try:
        draft = os.open(target.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except OSError as error:
        # The first two: the file system has no such drafts. The third: the directory was deleted this very moment.
        if error.errno not in {errno.EOPNOTSUPP, errno.EISDIR, errno.EPERM}:
            raise
        _publish(target, data)
        return
    with os.fdopen(draft, "wb") as file:
        _fill(file, data)
        for attempt in range(1, ATTEMPTS + 1):
            made += _make(target.parent)
            try:
                # The argument src_dir_fd has no meaning here, but makes Python use the call that follows the link.
                os.link(f"/proc/self/fd/{draft}", target, src_dir_fd=draft, follow_symlinks=True)
                break
            except FileNotFoundError:
                if attempt == ATTEMPTS:
                    raise
    _sync(target.parent, *(one.parent for one in made))


def try_out(root: Path) -> None:
    """Write something into ``root`` and take it away again. Raises OSError."""
    _make(root)
    draft = root / file_names.new_draft()
    try:
        _write(draft, TRIAL)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()


def look_at(root: Path) -> None:
    """Find out, without writing, whether ``root`` can be written or made; try where in doubt. Raises OSError."""
    nearest = next(folder for folder in (root, *root.absolute().parents) if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK, effective_ids=True):
        try_out(root)


def _make(folder: Path) -> list[Path]:
    """Make a directory with those above it, and give the ones that were missing. Raises FileNotFoundError in a race."""
    missing = list(takewhile(lambda it: not it.exists(), (folder, *folder.parents)))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:  # what pathlib says of a file in its place, and of a directory that is just being deleted
        if stat.S_ISDIR(folder.lstat().st_mode):  # deleted, and made again since
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from None
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
    return missing


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        _fill(file, data)


def _fill(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def _sync(*folders: Path) -> None:
    """Make the names in some directories durable."""
    for folder in set(folders):
        _sync_one(folder)


def _sync_one(folder: Path) -> None:
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:  # deleted again, with what was in it: that is its reader's right
        return
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno != errno.EINVAL:  # what file systems say that have nothing to do here
            raise
    finally:
        os.close(opened)


class Archive:
    """``root``, written off the event loop.

    ``key`` names its configuration key in messages; ``written`` hears the size of every file. ``publish`` and
    ``write_timeout`` are arguments for tests of a disk that does not answer.
    """

    def __init__(
        self,
        root: Path,
        key: str,
        written: Callable[[int], None] = lambda _size: None,
        *,
        publish: Callable[[Path, bytes], None] = publish,
        write_timeout: float = WRITE_TIMEOUT,
    ) -> None:
        self.root = root
        self._key = key
        self._written = written
        self._publish = publish
        self._timeout = write_timeout
        self._limiter = anyio.CapacityLimiter(THREADS)
        self._lock = threading.Lock()
        self._busy = 0
        self._failed = False

    async def put(self, folder: PurePath, render: Callable[[], bytes]) -> None:
        """Store what ``render`` gives as a new file in ``folder``, which is relative to the root.

        ``render`` runs on the thread. Raises StorageError.
        """
        size = 0

        def write() -> None:
            nonlocal size
            data = render()
            self._publish(self.root / folder / file_names.new_file(), data)
            size = len(data)

        try:
            await self._off_loop(write)
        except StorageError:
            self._failed = True
            raise
        self._failed = False
        self._written(size)

    async def probe(self) -> Health:
        """After a write that failed, whether one succeeds; nobody may be sent here any more to find that out."""
        try:
            await self._off_loop(lambda: (try_out if self._failed else look_at)(self.root))
        except StorageError as error:
            return Health.error(f"user_data_collection.{self._key} cannot be written: {error.cause}")
        self._failed = False
        return Health.ok()

    async def _off_loop(self, work: Callable[[], None]) -> None:
        if self._busy >= MAX_STUCK:
            raise StorageError("The disk does not answer.")
        try:
            with anyio.fail_after(self._timeout):
                await anyio.to_thread.run_sync(self._counted, work, limiter=self._limiter, abandon_on_cancel=True)
        except OSError as error:
            # Our own time-out is one as well, without a number.
            raise StorageError(reason(error) if error.errno else "The disk did not answer in time.") from error

    def _counted(self, work: Callable[[], None]) -> None:
        """On a thread: a caller who gave up no longer counts for the limiter, the thread he left behind counts here."""
        with self._lock:
            self._busy += 1
        try:
            work()
        finally:
            with self._lock:
                self._busy -= 1

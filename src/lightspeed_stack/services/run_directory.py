"""A directory of one running service, for what its workers share: there while they run, gone when they have ended.

Above: ``cli.workers`` makes it before it starts them; in a worker, whoever has something to share asks ``shared``.

A service that was killed leaves its directory behind, and the next one to start removes it. That a directory is in use
is told by a lock that each process of its service holds; the kernel gives it back when the process ends.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightspeed_stack.errors import ConfigurationError

VARIABLE = "LIGHTSPEED_STACK_RUN_DIR"
"""The environment variable by which worker processes find the directory."""

PREFIX = "lightspeed-stack-run-"
MEMORY = Path("/dev/shm")  # noqa: S108 - what is made there has an unguessable name and is closed to other users


def shared() -> Path | None:
    """The directory that this worker shares with the others; None where there is but one process."""
    name = os.environ.get(VARIABLE)
    return Path(name) if name else None


@contextmanager
def run_directory() -> Iterator[Path]:
    """A ``private_directory``, named by the environment of processes that are started from here on."""
    with private_directory() as path:
        os.environ[VARIABLE] = str(path)
        try:
            yield path
        finally:
            os.environ.pop(VARIABLE, None)


@contextmanager
def private_directory() -> Iterator[Path]:
    """A new directory of this process alone; leaving removes it.

    It lies where ``TMPDIR`` says, else in shared memory, where files that are written all the time cost no disk, else
    in the usual temporary directory. Raises ConfigurationError where it cannot be made.
    """
    import shutil
    import tempfile

    named = os.environ.get("TMPDIR")
    usual = MEMORY if os.access(MEMORY, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
    root = Path(named) if named else usual
    _sweep(root)
    try:
        path, lock = _make(root)
    except OSError as error:
        raise ConfigurationError(
            f"what lasts as long as the service cannot be put into {root}: {error.strerror or error}\n"
            "    fix: let the environment variable TMPDIR name a directory that the service may write to"
        ) from error
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def hold(path: Path) -> int:
    """Keep the directory from being removed by others until this process ends, or closes the descriptor given back."""
    import fcntl

    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def _make(root: Path) -> tuple[Path, int]:
    import tempfile

    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        try:
            lock = hold(path)
        except FileNotFoundError:
            continue  # another service swept it away, before it was held
        if path.exists():
            return path, lock
        os.close(lock)


def _sweep(root: Path) -> None:
    """Remove what was left behind by services of this user that were killed."""
    import fcntl
    import shutil

    for path in root.glob(f"{PREFIX}*"):
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue  # gone by now, or none of ours
        try:
            if os.fstat(lock).st_uid == os.geteuid():
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
        except BlockingIOError:
            continue  # its service runs
        finally:
            os.close(lock)

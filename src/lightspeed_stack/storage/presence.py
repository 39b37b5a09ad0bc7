"""Who else is on a database: the first one in finds what earlier services left behind, and clears it away.

A process holds a shared lock for as long as it runs, which ends with it however it ends. Whoever can have the lock
alone is the first. SQLite: a lock on a file beside the database (flock(2)); PostgreSQL: a session's advisory lock.
"""

import fcntl
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection

log = logging.getLogger(__name__)

ADVISORY_SEED = 0x6C696768_74737065
"""``lightspe`` in ASCII: from this and the schema comes the key of our lock in a PostgreSQL database."""

_KEY = f"hashtextextended(current_schema(), {ADVISORY_SEED})"


class Presence(Protocol):
    """Holds a place on a database. Blocking."""

    def enter(self, first: Callable[[], None]) -> None:
        """Take a place; ``first`` is run, alone, when nobody else has one."""
        ...

    def leave(self) -> None: ...


class FilePresence:
    """Beside a SQLite database ``path``; a file system without locks counts as one where others are."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + "-lock")
        self._file: int | None = None

    def enter(self, first: Callable[[], None]) -> None:
        """See Presence."""
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            if _alone(self._file):
                first()
            fcntl.flock(self._file, fcntl.LOCK_SH)
        except OSError as error:
            log.warning("no lock beside the database: %s", error.strerror)

    def leave(self) -> None:
        """See Presence."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _alone(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class AdvisoryPresence:
    """On the schema of a PostgreSQL database: each connection has a lock, so that one is back when the server is.

    It is left when the engine's connections are closed.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def enter(self, first: Callable[[], None]) -> None:
        """See Presence."""
        with self._engine.connect() as connection:  # its locks outlive the transaction
            alone = connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_KEY})").scalar()
            if alone:
                first()
            event.listen(self._engine, "connect", _take_place)
            connection.exec_driver_sql(f"SELECT pg_advisory_lock_shared({_KEY})")
            if alone:
                connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_KEY})")

    def leave(self) -> None:
        """See Presence."""


def _take_place(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"SELECT pg_advisory_lock_shared({_KEY})")
    cursor.close()
    connection.rollback()  # the lock is the session's, not the transaction's

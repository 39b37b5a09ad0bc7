"""One engine for what is kept: opening, tables, threads to read in.

SQLAlchemy Core is used synchronously, on one thread that writes and a few that read; docs/decisions/0005-storage.md
says why. The loop never waits for a lock or a disk.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from lightspeed_stack.errors import StorageError
from lightspeed_stack.storage.precheck import BUSY_TIMEOUT
from lightspeed_stack.storage.tables import metadata

READERS = 4
READ_TIMEOUT = 10.0


class Database:
    """An open database. ``read`` runs a function on a thread with a connection of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._readers = anyio.CapacityLimiter(READERS)

    @classmethod
    def open_sqlite(cls, path: Path) -> "Database":
        """Open or create a file and its tables. Blocking. Raises StorageError."""
        engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT}, pool_size=READERS + 1)
        event.listen(engine, "connect", _prepare_sqlite)
        try:
            metadata.create_all(engine)
        except SQLAlchemyError as error:
            engine.dispose()
            raise StorageError(f"The database cannot be opened: {type(error.__cause__ or error).__name__}.") from error
        return cls(engine)

    async def read[T](self, query: Callable[[Connection], T]) -> T:
        """Run ``query`` off the event loop. Raises StorageError, also after READ_TIMEOUT seconds."""

        def run() -> T:
            with self.engine.connect() as connection:
                return query(connection)

        try:
            with anyio.fail_after(READ_TIMEOUT):
                return await anyio.to_thread.run_sync(run, limiter=self._readers, abandon_on_cancel=True)
        except SQLAlchemyError as error:
            raise StorageError("The database cannot be read.") from error
        except TimeoutError as error:
            raise StorageError("The database did not answer in time.") from error

    def close(self) -> None:
        self.engine.dispose()


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # FULL: a turn that was reported as stored survives a power cut, not only our own end.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={int(BUSY_TIMEOUT * 1000)}"):
        connection.execute(f"PRAGMA {pragma}")

"""A cheap look at a database before a start, with nothing imported that a start does not need."""

import sqlite3
from pathlib import Path

from lightspeed_stack.errors import StorageError

BUSY_TIMEOUT = 5.0
"""Seconds: how long SQLite waits for another process that writes."""


def check_sqlite(path: Path) -> None:
    """Find out whether a database file can be used; creates it where it is missing.

    Raises StorageError that says what is wrong.
    """
    folder = path.parent
    if not folder.is_dir():
        raise StorageError(f"SQLite database directory does not exist: {folder}")
    try:
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA schema_version").fetchone()
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise StorageError(f"SQLite database {path} cannot be used: {error}") from error

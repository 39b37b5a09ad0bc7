"""Many requests' writes in one commit; a caller waits for its group.

A durable commit costs milliseconds wherever it is made, and the same for one row as for a hundred. So one thread takes
all writes that have arrived while it committed the ones before, and commits them together.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from zlib import crc32

from sqlalchemy import ClauseElement, Engine
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.pool import PoolProxiedConnection

from lightspeed_stack.errors import StorageError
from lightspeed_stack.storage.prepared import Prepared, Row

log = logging.getLogger(__name__)

MAX_PENDING = 1024
"""Writes that may wait. With more the disk is too slow for the load, and callers are told so."""

MAX_GROUP = 256

WRITE_TIMEOUT = 10.0
"""Seconds that a caller waits for its group. A write that is late is not taken back."""

KEY_LOCKS = 0x6C696769 << 32
"""Where the keys of writes begin among the advisory locks of a PostgreSQL database."""

type Statement = tuple[ClauseElement, Row]


@dataclass(frozen=True, slots=True)
class _Write:
    key: str
    statements: Sequence[Statement]
    done: "asyncio.Future[None]"


class _Unreachable(StorageError):
    """There is no connection to be had: whoever waits need not wait for another attempt."""


def reason_of(error: Exception) -> str:
    """What a database's error may say in a log: never a value, which PostgreSQL quotes in its messages."""
    state = getattr(error, "sqlstate", None) or getattr(getattr(error, "orig", None), "sqlstate", None)
    if isinstance(error, sqlite3.Error):
        return f"{type(error).__name__}: {error}"
    return f"{type(error).__name__}{f', SQLSTATE {state}' if state else ''}"


class Writer:
    """One writing thread for the callers of one event loop.

    ``order`` ranks statements: within a group earlier ones run before later ones.
    Statements of the same rank must not depend on one another, unless their writes have the same key. ``failing`` tells
    whether the last commit failed.
    """

    def __init__(self, engine: Engine, order: Sequence[ClauseElement]) -> None:
        self._engine = engine
        self._order = tuple(order)
        self._rank = {id(statement): rank for rank, statement in enumerate(order)}
        self._prepared: dict[int, Prepared] = {}
        # The simple queue is bounded here: the other one takes three locks a write.
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._closing = False
        self.failing = False
        self._began: float | None = None
        self._over_network = engine.dialect.name != "sqlite"
        # SQLite: take the lock at once, so that processes wait for each other here and nowhere else.
        self._begin = None if self._over_network else "BEGIN IMMEDIATE"
        # Kept between groups: taking one from the pool and giving it back costs as much as a commit's own work.
        self._connection: PoolProxiedConnection | None = None
        self._thread = threading.Thread(target=self._run, name="storage-writer", daemon=True)
        self._thread.start()

    async def put(self, statements: Sequence[Statement], *, key: str) -> None:
        """Write ``statements`` in one transaction; returns when they are on disk. Raises StorageError.

        ``key`` names what they are about. A caller that is cancelled no longer waits, but what it asked for is written.
        """
        write = _Write(key, statements, asyncio.get_running_loop().create_future())
        if self._queue.qsize() >= MAX_PENDING:
            raise StorageError("Too many writes are waiting for the database.")
        self._queue.put(write)
        if self._began is not None and monotonic() - self._began > WRITE_TIMEOUT:
            # Those before us wait in vain already: it is written if the database comes back, and nobody waits longer.
            raise StorageError("The database does not answer.")
        try:
            async with asyncio.timeout(WRITE_TIMEOUT):
                await write.done
        except TimeoutError:
            raise StorageError("The database did not store it in time.") from None

    def close(self) -> None:
        """Write what is waiting and end the thread. Blocking."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            group = self._next_group()
            if group:
                self._began = monotonic()
                self._write(group)
                self._began = None
            if self._closing:
                self._disconnect()
                return

    def _next_group(self) -> list[_Write]:
        item = self._queue.get()
        group: list[_Write] = []
        while item is not None:
            group.append(item)
            if len(group) == MAX_GROUP:
                return group
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return group
        self._closing = True
        return group

    def _write(self, group: list[_Write]) -> None:
        error = self._try(group)
        if error is None or isinstance(error, _Unreachable) or len(group) == 1:
            self._resolve(group, error)
            return
        # One bad write must not fail the others of its group.
        for number, write in enumerate(group):
            error = self._try([write])
            if isinstance(error, _Unreachable):
                self._resolve(group[number:], error)
                return
            self._resolve([write], error)

    def _try(self, group: list[_Write]) -> StorageError | None:
        """Commit a group; what went wrong, or None. A connection that was lost since the last group is made anew."""
        batches: dict[int, list[Row]] = {}
        for write in group:
            for statement, values in write.statements:
                batches.setdefault(self._rank[id(statement)], []).append(values)
        was_connected = self._connection is not None
        try:
            self._connect()
        except Exception as error:  # noqa: BLE001 - as below
            return self._failed(group, error, _Unreachable("The database cannot be reached."))
        try:
            self._commit(batches, {write.key for write in group})
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must be told, and the thread must live on
            failure = self._failed(group, error, StorageError("The database could not store it."))
            # Every statement can run twice, so a commit of which we never heard may be made again.
            return self._try(group) if was_connected and self._over_network else failure
        self.failing = False
        return None

    def _failed(self, group: list[_Write], error: Exception, told: StorageError) -> StorageError:
        self.failing = True
        self._disconnect()
        log.error("a group of %d writes failed: %s", len(group), reason_of(error))
        return told

    def _connect(self) -> PoolProxiedConnection:
        if self._connection is None:
            self._connection = self._engine.raw_connection()
        return self._connection

    def _commit(self, batches: dict[int, list[Row]], keys: set[str]) -> None:
        """Run the statements in their order, in one transaction."""
        connection = self._connect()
        cursor = connection.cursor()
        if self._begin is not None:
            cursor.execute(self._begin)
        if self._over_network:
            _take_turns(cursor, keys)
        for rank in sorted(batches):
            rows = batches[rank]
            prepared = self._prepared.get(rank)
            if prepared is None:
                prepared = self._prepared[rank] = Prepared.of(self._order[rank], self._engine.dialect, list(rows[0]))
            cursor.executemany(prepared.sql, prepared.rows(rows))
        connection.commit()
        cursor.close()

    def _disconnect(self) -> None:
        """After a failure the next group starts on a new connection, whatever state the old one was left in."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection = None

    def _resolve(self, group: list[_Write], error: StorageError | None) -> None:
        try:
            group[0].done.get_loop().call_soon_threadsafe(_settle, group, error)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            log.debug("a write was stored after its caller's loop had ended")


def _take_turns(cursor: DBAPICursor, keys: set[str]) -> None:
    """Wait until no other process writes about ``keys``, which all take in one order: so none waits for another's rows.

    Rows alone would be locked statement by statement, in an order that differs from group to group: a deadlock.
    """
    locks = sorted(KEY_LOCKS + crc32(key.encode()) for key in keys)
    cursor.execute("SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key", (locks,))


def _settle(writes: list[_Write], error: StorageError | None) -> None:
    for write in writes:
        if write.done.done():
            continue
        if error is None:
            write.done.set_result(None)
        else:
            write.done.set_exception(error)

"""Many requests' writes in one commit; a caller waits for its group.

A durable commit costs milliseconds wherever it is made, and the same for one row as for a hundred. So one thread takes
all writes that have arrived while it committed the ones before, and commits them together.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ClauseElement, Engine
from sqlalchemy.pool import PoolProxiedConnection

from lightspeed_stack.errors import StorageError
from lightspeed_stack.storage.prepared import Prepared, Row

log = logging.getLogger(__name__)

MAX_PENDING = 1024
"""Writes that may wait. With more the disk is too slow for the load, and callers are told so."""

MAX_GROUP = 256

WRITE_TIMEOUT = 10.0
"""Seconds that a caller waits for its group. A write that is late is not taken back."""

type Statement = tuple[ClauseElement, Row]


@dataclass(frozen=True, slots=True)
class _Write:
    statements: Sequence[Statement]
    done: "asyncio.Future[None]"


class Writer:
    """One writing thread for the callers of one event loop.

    ``order`` ranks statements: within a group earlier ones run before later ones.
    Statements of the same rank must not depend on one another. ``failing`` tells whether the last commit failed.
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
        # Kept between groups: taking one from the pool and giving it back costs as much as a commit's own work.
        self._connection: PoolProxiedConnection | None = None
        self._thread = threading.Thread(target=self._run, name="storage-writer", daemon=True)
        self._thread.start()

    async def put(self, statements: Sequence[Statement]) -> None:
        """Write ``statements`` in one transaction; returns when they are on disk. Raises StorageError.

        A caller that is cancelled no longer waits, but what it asked for is written.
        """
        write = _Write(statements, asyncio.get_running_loop().create_future())
        if self._queue.qsize() >= MAX_PENDING:
            raise StorageError("Too many writes are waiting for the database.")
        self._queue.put(write)
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
                self._write(group)
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
        if self._try(group) is None:
            self._resolve(group, None)
            return
        # One bad write must not fail the others of its group.
        for write in group:
            self._resolve([write], self._try([write]))

    def _try(self, group: list[_Write]) -> StorageError | None:
        batches: dict[int, list[Row]] = {}
        for write in group:
            for statement, values in write.statements:
                batches.setdefault(self._rank[id(statement)], []).append(values)
        try:
            self._commit(batches)
        except Exception as error:  # whatever it is, those who wait must be told, and the thread must live on
            self.failing = True
            self._disconnect()
            log.error("a group of %d writes failed", len(group), exc_info=error)
            return StorageError("The database could not store it.")
        self.failing = False
        return None

    def _commit(self, batches: dict[int, list[Row]]) -> None:
        """Run the statements in their order, in one transaction."""
        connection = self._connection = self._connection or self._engine.raw_connection()
        cursor = connection.cursor()
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


def _settle(writes: list[_Write], error: StorageError | None) -> None:
    for write in writes:
        if write.done.done():
            continue
        if error is None:
            write.done.set_result(None)
        else:
            write.done.set_exception(error)

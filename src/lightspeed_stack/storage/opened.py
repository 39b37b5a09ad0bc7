"""Everything that is kept in SQL, open: the one place that joins databases, writers and stores.

Where the conversation cache is in the same database as ours, one writer writes both, in one transaction.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from sqlalchemy import ClauseElement
from sqlalchemy.exc import SQLAlchemyError

from lightspeed_stack.errors import StorageError
from lightspeed_stack.storage.cache import CacheTables
from lightspeed_stack.storage.cached import CachedConversations
from lightspeed_stack.storage.conversations import SqlConversations
from lightspeed_stack.storage.database import Database
from lightspeed_stack.storage.locations import Location, SqliteFile
from lightspeed_stack.storage.migrations import CACHED, OURS, Line, upgrade
from lightspeed_stack.storage.presence import AdvisoryPresence, FilePresence, Presence
from lightspeed_stack.storage.servers import SqlToolServers
from lightspeed_stack.storage.statements import Cached, Ours
from lightspeed_stack.storage.switch import SqlFeedbackSwitch, forget
from lightspeed_stack.storage.writer import Writer, reason_of


@dataclass(frozen=True, slots=True)
class CachePlace:
    """Where the conversation cache is; ``max_entries`` None keeps everything."""

    location: Location
    max_entries: int | None = None


@dataclass(frozen=True, slots=True)
class SqlStorage:
    """Implements ``storage.opening.Opened``; ``databases``: ours, and the cache's where that is another."""

    conversations: SqlConversations
    cache: CachedConversations | None
    feedback_switch: SqlFeedbackSwitch
    servers: SqlToolServers
    databases: tuple[Database, ...]
    closing: ExitStack

    def close(self) -> None:
        """See Opened."""
        self.closing.close()


def open_storage(ours: Location, cache: CachePlace | None, *, feedback_enabled: bool) -> SqlStorage:
    """Open both databases, which may be one, with their tables up to date. Blocking. Raises StorageError.

    What was opened before a failure is closed again: it will be tried anew.
    """
    with ExitStack() as closing:
        try:
            return _open(ours, cache, closing, feedback_enabled=feedback_enabled)
        except SQLAlchemyError as error:
            raise StorageError(f"The database cannot be opened: {reason_of(error)}") from error


def _open(ours: Location, cache: CachePlace | None, closing: ExitStack, *, feedback_enabled: bool) -> SqlStorage:
    """Closed in reverse: what is waiting is written first, and the databases are last."""
    database = _database(ours, OURS, closing)
    kept = None if cache is None else _cache_database(ours, database, cache.location, closing)
    _enter(ours, database, closing)
    write = Ours.of(database.dialect)
    if cache is None or kept is None:
        writer = _writer(database, write.order, closing)
        tables = None
    else:
        write_kept = Cached.of(kept.dialect, beside_ours=kept is database)
        together = (*write.order, *write_kept.order) if kept is database else write.order
        writer = _writer(database, together, closing)
        own = writer if kept is database else _writer(kept, write_kept.order, closing)
        tables = CacheTables(kept, own, write_kept, cache.max_entries)
    return SqlStorage(
        conversations=SqlConversations(database, writer, write, tables),
        cache=CachedConversations(tables, database, writer, write) if tables else None,
        feedback_switch=SqlFeedbackSwitch(database, writer, write, configured=feedback_enabled),
        servers=SqlToolServers(database, writer, write),
        databases=(database,) if kept is None or kept is database else (database, kept),
        closing=closing.pop_all(),
    )


def _database(location: Location, line: Line, closing: ExitStack) -> Database:
    database = Database.open(location)
    closing.callback(database.close)
    upgrade(database, line)
    if isinstance(location, SqliteFile):
        # One stays open: the last to close takes the log with it, which even readers cannot make anew on a full disk.
        closing.enter_context(database.engine.connect())
    return database


def _cache_database(ours: Location, database: Database, location: Location, closing: ExitStack) -> Database:
    if location != ours:
        return _database(location, CACHED, closing)
    upgrade(database, CACHED)
    return database


def _enter(ours: Location, database: Database, closing: ExitStack) -> None:
    """Take a place beside the others on our database; the first one forgets how the last left the switch."""
    presence: Presence = FilePresence(ours.path) if isinstance(ours, SqliteFile) else AdvisoryPresence(database.engine)
    closing.callback(presence.leave)
    presence.enter(lambda: forget(database))


def _writer(database: Database, order: Sequence[ClauseElement], closing: ExitStack) -> Writer:
    writer = Writer(database.engine, order)
    closing.callback(writer.close)
    return writer

"""The kinds of storage that the suites of stores run on, and a look into their tables past our own code.

A test takes ``stores`` for any kind, ``caching_stores`` for those with a conversation cache (``conftest.py``). They are
open for the whole session, so a test works with users and conversations that nobody else has: ``someone()``.
"""

import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio

from lightspeed_stack.domain.chat import Conversation, Exchange, Usage
from lightspeed_stack.domain.ids import ConversationId, new_conversation_id, new_request_id
from lightspeed_stack.storage.base import ConversationCache, ConversationStore, FeedbackSwitch, ServerStore
from lightspeed_stack.storage.locations import Location, PostgresServer, SqliteFile
from lightspeed_stack.storage.opened import CachePlace, SqlStorage, open_storage
from lightspeed_stack.storage.opening import (
    Opening,
    OpeningCache,
    OpeningConversations,
    OpeningFeedbackSwitch,
    OpeningServers,
)
from tests.servers.postgres import PostgresDatabase

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

FIXTURES = Path(__file__).parents[1] / "fixtures"

SCHEMA = "lightspeed-stack"
"""The schema that a configuration of PostgreSQL names where it says nothing."""

PLENTY = 100_000
"""Entries of a memory cache that no test fills."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Where the two sets of tables are: ``place`` says it for an empty folder and an empty database."""

    name: str
    place: Callable[[Path, PostgresDatabase | None], tuple[Location, CachePlace | None]]
    needs_postgres: bool = False
    when_needed: bool = False
    """opened by the first call, as the service does, and not at once"""

    def __str__(self) -> str:
        return self.name


def server(database: PostgresDatabase | None, schema: str | None = None) -> PostgresServer:
    assert database is not None
    return PostgresServer(database.host, database.port, database.name, database.user, database.password, schema)


SQLITE = Kind("sqlite", lambda folder, _: (SqliteFile(folder / "a.db"), None))
SQLITE_ONE_FILE = Kind(
    "sqlite-one-file", lambda folder, _: (SqliteFile(folder / "a.db"), CachePlace(SqliteFile(folder / "a.db")))
)
SQLITE_TWO_FILES = Kind(
    "sqlite-two-files",
    lambda folder, _: (SqliteFile(folder / "a.db"), CachePlace(SqliteFile(folder / "b.db"))),
    when_needed=True,
)
MEMORY = Kind(
    "sqlite-memory-cache",
    lambda folder, _: (SqliteFile(folder / "a.db"), CachePlace(SqliteFile(folder / "b.db", lasting=False), PLENTY)),
)
POSTGRES = Kind("postgres", lambda _, it: (server(it, SCHEMA), None), needs_postgres=True, when_needed=True)
POSTGRES_ONE_SCHEMA = Kind(
    "postgres-one-schema", lambda _, it: (server(it), CachePlace(server(it))), needs_postgres=True
)
POSTGRES_TWO_SCHEMAS = Kind(
    "postgres-two-schemas", lambda _, it: (server(it, SCHEMA), CachePlace(server(it))), needs_postgres=True
)
POSTGRES_AND_SQLITE = Kind(
    "postgres-sqlite-cache",
    lambda folder, it: (server(it, SCHEMA), CachePlace(SqliteFile(folder / "b.db"))),
    needs_postgres=True,
)

WITH_CACHE = (
    SQLITE_ONE_FILE,
    SQLITE_TWO_FILES,
    MEMORY,
    POSTGRES_ONE_SCHEMA,
    POSTGRES_TWO_SCHEMAS,
    POSTGRES_AND_SQLITE,
)
KINDS = (SQLITE, POSTGRES, *WITH_CACHE)


@dataclass(frozen=True, slots=True)
class Stores:
    """An open storage, and where its tables are."""

    conversations: ConversationStore
    maybe_cache: ConversationCache | None
    switch: FeedbackSwitch
    servers: ServerStore
    ours: Location
    kept: CachePlace | None

    @property
    def cache(self) -> ConversationCache:
        assert self.maybe_cache is not None
        return self.maybe_cache

    @property
    def is_sqlite(self) -> bool:
        return isinstance(self.ours, SqliteFile)

    def ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of our tables' database, past our own code; parameters are question marks."""
        return ask(self.ours, query, *values)

    def ask_cache(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the cache's database."""
        assert self.kept is not None
        return ask(self.kept.location, query, *values)


def ask(location: Location, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run a statement as any other program would, and commit it."""
    match location:
        case SqliteFile():
            with closing(sqlite3.connect(location.path)) as connection, connection:
                return connection.execute(query, values).fetchall()
        case PostgresServer():
            import psycopg

            with psycopg.connect(**location.arguments()) as session:
                cursor = session.execute(query.replace("%", "%%").replace("?", "%s").encode(), values)
                return cursor.fetchall() if cursor.description else []


def run_script(location: Location, path: Path, *, only_schema: bool = False) -> None:
    """Make a database what a script in ``tests/fixtures`` says; ``only_schema``: all of it in the default schema."""
    script = path.read_text("utf-8")
    if only_schema:
        script = script.replace(f'"{SCHEMA}".', "")
    match location:
        case SqliteFile():
            with closing(sqlite3.connect(location.path)) as connection:
                connection.executescript(script)
        case PostgresServer():
            import psycopg

            with psycopg.connect(**replace(location, schema=None).arguments()) as session:
                session.execute(script.encode())


def opened(ours: Location, kept: CachePlace | None = None, *, feedback_enabled: bool = True) -> SqlStorage:
    """Open a storage as a start does: look at its places first."""
    ours.check()
    if kept is not None:
        kept.location.check()
    return open_storage(ours, kept, feedback_enabled=feedback_enabled)


@contextmanager
def open_stores(
    ours: Location, kept: CachePlace | None = None, *, feedback_enabled: bool = True, when_needed: bool = False
) -> Iterator[Stores]:
    """A storage until the context is left, opened at once or by the first call."""
    if not when_needed:
        with closing(opened(ours, kept, feedback_enabled=feedback_enabled)) as storage:
            parts = storage.conversations, storage.cache, storage.feedback_switch, storage.servers
            yield Stores(*parts, ours, kept)
        return
    opening = Opening(lambda: opened(ours, kept, feedback_enabled=feedback_enabled))
    cache = None if kept is None else OpeningCache(opening)
    switch = OpeningFeedbackSwitch(opening, configured=feedback_enabled)
    yield Stores(OpeningConversations(opening), cache, switch, OpeningServers(opening), ours, kept)
    anyio.run(opening.aclose)


def until_nobody_is_there(location: Location) -> None:
    """Wait until PostgreSQL knows that connections were closed, which it learns a little later."""
    others = "datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    while isinstance(location, PostgresServer) and ask(location, f"SELECT 1 FROM pg_stat_activity WHERE {others}"):  # noqa: S608
        pass


def someone() -> str:
    """A user whom no other test knows."""
    return f"user-{uuid.uuid4()}"


def conversation(owner: str, instructions: str | None = "Be kind.", **changes: Any) -> Conversation:
    return replace(Conversation(new_conversation_id(), owner, instructions), **changes)


def exchange(asked_by: str, question: str = "q?", *, second: int = 0, **changes: Any) -> Exchange:
    """A turn of one second that begins ``second`` seconds after noon."""
    start = NOON + timedelta(seconds=second)
    plain = Exchange(question, "a.", "m", "p", start, start + timedelta(seconds=1), usage=Usage(3, 4))
    return replace(plain, asked_by=asked_by, request_id=new_request_id(), **changes)


async def begun(stores: Stores, owner: str, *, second: int = 0, **changes: Any) -> Conversation:
    """A stored conversation with one turn."""
    talk = conversation(owner, **changes)
    await stores.conversations.append(talk, exchange(owner, second=second), create=True)
    return talk


async def listed(stores: Stores, owner: str) -> list[ConversationId]:
    """What the first view lists for a user."""
    return [entry.id for entry in (await stores.conversations.page(owner=owner)).entries]


async def listed_in_cache(stores: Stores, user_id: str) -> list[ConversationId]:
    """What the second view lists for a user."""
    return [entry.id for entry in (await stores.cache.page(user_id)).entries]

"""What is read and written costs the same however much is stored: every statement finds its rows by an index."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event

from lightspeed_stack.domain.chat import ModelChoice
from lightspeed_stack.domain.servers import ToolServer
from lightspeed_stack.storage.locations import SqliteFile
from lightspeed_stack.storage.opened import CachePlace, SqlStorage, open_storage
from tests.contracts.stores import ask, conversation, exchange, server
from tests.servers.postgres import PostgresDatabase
from tests.spec.registry import requirement

FILLING = """
INSERT INTO user_conversation SELECT md5(i::text)::uuid::text, CASE WHEN i % 20 = 0 THEN 'alice' ELSE 'user-' || i END,
    'm', 'p', now(), timestamptz '2026-01-01' + i * interval '1 s', 1, '' FROM generate_series(1, 20000) AS i;
INSERT INTO lightspeed_turn (conversation_id, question, answer, model, provider, outcome, truncated, input_tokens,
    output_tokens, usage_estimated, started_at, completed_at, details, asked_by, request_id)
    SELECT id, 'q', 'a', 'm', 'p', 'complete', false, 1, 1, false, created_at, last_message_at, '{}', user_id, id
    FROM user_conversation;
INSERT INTO cache SELECT user_id, id, last_message_at AT TIME ZONE 'UTC', '', '', 'q', 'a', 'p', 'm'
    FROM user_conversation;
INSERT INTO conversations SELECT user_id, id, NULL, last_message_at AT TIME ZONE 'UTC' FROM user_conversation;
ANALYZE
"""
"""So many rows that PostgreSQL's planner has a choice; every twentieth is alice's."""


async def use_everything(storage: SqlStorage) -> None:
    """Every question and every write there is."""
    store, cache = storage.conversations, storage.cache
    assert cache is not None
    talk, other = conversation("alice"), conversation("alice")
    await store.create(other, ModelChoice("p", "m"))
    await store.append(talk, exchange("alice"), create=True)
    await store.append(talk, exchange("bob"))
    await store.propose_topic(talk.id, "Topic")
    for owner in ("alice", None):
        await store.page(owner=owner, limit=20)
        await store.page(owner=owner, limit=20, after=talk.id)
        await store.read(talk.id, owner=owner)
        await store.load(talk.id, owner=owner)
    await cache.page("alice", limit=20)
    await cache.page("alice", limit=20, after=talk.id)
    await cache.read("alice", talk.id)
    await cache.rename("alice", talk.id, "x")
    await cache.delete("bob", talk.id)
    await cache.delete("alice", talk.id)
    await store.delete(other.id, owner="alice")
    await storage.feedback_switch.turn(False)
    await storage.servers.add(ToolServer("files", "http://127.0.0.1:1/mcp"))
    await storage.servers.servers()
    await storage.servers.remove("files")


@pytest.fixture
def in_a_file(tmp_path: Path) -> Iterator[tuple[SqlStorage, SqliteFile]]:
    file = SqliteFile(tmp_path / "a.db", lasting=False)
    with closing(open_storage(file, CachePlace(file, 100), feedback_enabled=True)) as storage:
        yield storage, file


@requirement("store:indexes")
async def test_sqlite_finds_rows_by_indexes(in_a_file: tuple[SqlStorage, SqliteFile]) -> None:
    storage, file = in_a_file
    statements: list[str] = []

    def listen(connection: sqlite3.Connection, _record: Any) -> None:
        connection.set_trace_callback(statements.append)

    # What is opened from now on is listened to. Not the engine's own way, which forgets the one that stays open.
    storage.databases[0].engine.pool.dispose()
    event.listen(storage.databases[0].engine, "connect", listen)
    await use_everything(storage)
    asked = [it for it in statements if it.startswith(("SELECT", "UPDATE", "DELETE", "INSERT"))]
    assert len(asked) > 50
    for statement in asked:
        steps = [step for _, _, _, step in ask(file, f"EXPLAIN QUERY PLAN {statement}")]
        # In the order of an index it stops at the limit.
        scans = [step for step in steps if step.startswith("SCAN") and not is_bounded(step, statement)]
        assert (scans, statement) == ([], statement)
        # The turns of one conversation may be sorted.
        sorts = [step for step in steps if "TEMP B-TREE" in step and "conversation_id =" not in statement]
        assert (sorts, statement) == ([], statement)
        if "< ((SELECT" in statement:
            assert any("SEARCH" in step and "last_message" in step and "<" in step for step in steps), steps


def is_bounded(step: str, statement: str) -> bool:
    return "CONSTANT ROW" in step or ("USING" in step and "LIMIT" in statement)


class Listening(psycopg.Cursor[Any]):
    """A cursor that remembers what was asked, with the values of one row."""

    asked: list[tuple[str, Any]]

    def execute(self, query: Any, params: Any = None, **options: Any) -> "Listening":
        self.asked.append((query, params))
        return super().execute(query, params, **options)

    def executemany(self, query: Any, params_seq: Any, **options: Any) -> None:
        rows: Sequence[Any] = list(params_seq)
        self.asked.append((query, rows[0]))
        super().executemany(query, rows, **options)


@pytest.fixture
def on_postgres(postgres_database: PostgresDatabase) -> Iterator[SqlStorage]:
    place = server(postgres_database)
    with closing(open_storage(place, CachePlace(place), feedback_enabled=True)) as storage:
        with closing(postgres_database.connect()) as session:
            session.execute(FILLING)
        yield storage


@requirement("store:indexes")
async def test_postgresql_finds_rows_by_indexes(on_postgres: SqlStorage, postgres_database: PostgresDatabase) -> None:
    heard: list[tuple[str, Any]] = []

    def listen(connection: psycopg.Connection[Any], _record: Any) -> None:
        connection.cursor_factory = type("Here", (Listening,), {"asked": heard})

    on_postgres.databases[0].engine.pool.dispose()
    event.listen(on_postgres.databases[0].engine, "connect", listen)
    await use_everything(on_postgres)
    tables = ("user_conversation", "lightspeed_turn", "cache", "conversations")
    asked = [(query, values) for query, values in heard if any(table in query for table in tables)]
    assert len(asked) > 40
    with closing(postgres_database.connect()) as session:
        for query, values in asked:
            found: Any = session.execute(f"EXPLAIN {query}".encode(), values).fetchall()
            plan = "\n".join(line for (line,) in found)
            assert "Seq Scan" not in plan, f"{query}\n{plan}"
            assert "Sort" not in plan or "conversation_id = " in query, f"{query}\n{plan}"
            if "user_id = " in query and "LIMIT" in query:
                assert "Filter: (user_id" not in plan, f"{query}\n{plan}"

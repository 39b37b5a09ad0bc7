"""Databases full of conversations, each with one turn, made by the database itself in seconds."""

import sqlite3
import uuid
from dataclasses import dataclass
from pathlib import Path

from tests.servers.postgres import PostgresDatabase

from lightspeed_stack.storage.locations import Location, PostgresServer, SqliteFile
from lightspeed_stack.storage.opened import CachePlace, open_storage

BEGIN = 1_700_000_000
"""Epoch seconds of the first conversation; one follows a second."""


@dataclass(frozen=True, slots=True)
class Stock:
    """So many conversations; every other one belongs to ``everyman``, the rest to users who have twenty each."""

    conversations: int

    @property
    def users(self) -> int:
        return self.conversations // 40

    @staticmethod
    def id(number: int) -> str:
        return str(uuid.UUID(int=number))

    def owner(self, number: int) -> str:
        return f"user-{number // 2 % self.users}" if number % 2 else "everyman"

    @property
    def middle(self) -> str:
        """A conversation in the middle of everyman's list."""
        return self.id(self.conversations // 4 * 2)


TABLES = (
    """INSERT INTO user_conversation
        (id, user_id, last_used_model, last_used_provider, created_at, last_message_at, message_count, topic_summary)
        SELECT {id}, {owner}, 'm', 'p', {moment}, {moment}, 1, 'A Topic' FROM {numbers}""",
    """INSERT INTO lightspeed_turn
        (conversation_id, question, answer, model, provider, outcome, truncated, input_tokens, output_tokens,
         usage_estimated, started_at, completed_at, details, asked_by, request_id)
        SELECT {id}, {question}, {answer}, 'm', 'p', 'complete', false, 1, 1,
         false, {moment}, {moment}, '{{}}', {owner}, {id} FROM {numbers}""",
    """INSERT INTO cache
        (user_id, conversation_id, created_at, started_at, completed_at, query, response, provider, model)
        SELECT {owner}, {id}, {cached}, '', '', {question}, {answer}, 'p', 'm' FROM {numbers}""",
    """INSERT INTO conversations (user_id, conversation_id, topic_summary, last_message_timestamp)
        SELECT {owner}, {id}, 'A Topic', {cached} FROM {numbers}""",
)
"""What fills each table from a source of numbers ``n``."""


def statements(stock: Stock, *, numbers: str, hexadecimal: str, moment: str, cached: str) -> list[str]:
    """The statements in the words of a dialect: how it counts, and writes hexadecimal and times."""
    words = {
        "numbers": numbers,
        "id": f"'00000000-0000-0000-0000-' || {hexadecimal}",
        "owner": f"CASE n % 2 WHEN 0 THEN 'everyman' ELSE 'user-' || (n / 2 % {stock.users}) END",
        "question": "'What is question number ' || n || ' about?'",
        "answer": f"'{'An answer of some length. ' * 20}'",
        "moment": moment,
        "cached": cached,
    }
    return [table.format(**words) for table in TABLES]


def fill_sqlite(path: Path, stock: Stock) -> None:
    """Make and fill a database that holds our tables and those of the cache."""
    _make(SqliteFile(path))
    last = stock.conversations - 1
    counter = f"WITH RECURSIVE counter(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counter WHERE n < {last})"  # noqa: S608
    fill = statements(
        stock,
        numbers=f"({counter} SELECT n FROM counter)",  # noqa: S608
        hexadecimal="printf('%012x', n)",
        moment=f"strftime('%Y-%m-%d %H:%M:%f000', {BEGIN} + n, 'unixepoch')",
        cached=f"{BEGIN} + n + 0.25",
    )
    connection = sqlite3.connect(path)
    for statement in fill:
        connection.execute(statement)
    connection.commit()
    connection.execute("ANALYZE")
    connection.close()


def fill_postgres(database: PostgresDatabase, stock: Stock) -> None:
    """The same in PostgreSQL, in the default schema."""
    _make(PostgresServer(database.host, database.port, database.name, database.user, database.password))
    moment = f"to_timestamp({BEGIN} + n)"
    fill = statements(
        stock,
        numbers=f"generate_series(0, {stock.conversations - 1}) AS numbers(n)",
        hexadecimal="lpad(to_hex(n), 12, '0')",
        moment=moment,
        cached=f"{moment} AT TIME ZONE 'UTC'",
    )
    with database.connect() as connection:
        for statement in fill:
            connection.execute(statement.encode())
        connection.execute("VACUUM ANALYZE")


def _make(location: Location) -> None:
    location.check()
    open_storage(location, CachePlace(location), feedback_enabled=False).close()

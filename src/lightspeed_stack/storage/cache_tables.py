"""The tables of the reference service's conversation cache, which we read and continue.

Source: storage.md sections 5.1 and 5.2. Names, columns and the formats of values are the reference's, so that it can
read what we wrote. SQLite keeps epoch seconds; PostgreSQL a timestamp without zone, which is UTC.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Connection, DateTime, Dialect, Float, Index, MetaData, Table, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

metadata = MetaData()

MOMENTS = {"sqlite": "int NOT NULL", "postgresql": "timestamp NOT NULL DEFAULT current_timestamp"}


class Moment(TypeDecorator[datetime]):
    """An aware time in UTC, as the cache's tables keep it."""

    impl = Float
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Float() if dialect.name == "sqlite" else DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        return value.timestamp() if dialect.name == "sqlite" else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return datetime.fromtimestamp(value, UTC) if dialect.name == "sqlite" else value.replace(tzinfo=UTC)


cache = Table(
    "cache",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("conversation_id", Text, primary_key=True),
    Column("created_at", Moment, primary_key=True),
    Column("started_at", Text),
    Column("completed_at", Text),
    Column("query", Text),
    Column("response", Text),
    Column("provider", Text),
    Column("model", Text),
    Index("timestamps", "created_at"),
    # Ours: a conversation is deleted for everybody.
    Index("ix_lightspeed_cache_conversation", "conversation_id"),
)

conversations = Table(
    "conversations",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("conversation_id", Text, primary_key=True),
    Column("topic_summary", Text),
    Column("last_message_timestamp", Moment, nullable=False),
    # Ours: lists are read from the newest end.
    Index("ix_lightspeed_conversations_newest", "user_id", "last_message_timestamp", "conversation_id"),
    Index("ix_lightspeed_conversations_conversation", "conversation_id"),
)


def create(connection: Connection) -> None:
    """Make what is missing, in the reference's own words: its types are none that a table of SQLAlchemy would give."""
    moment = MOMENTS[connection.dialect.name]
    for statement in (
        f"""CREATE TABLE IF NOT EXISTS cache (
            user_id text NOT NULL, conversation_id text NOT NULL, created_at {moment},
            started_at text, completed_at text, query text, response text, provider text, model text,
            PRIMARY KEY (user_id, conversation_id, created_at))""",
        f"""CREATE TABLE IF NOT EXISTS conversations (
            user_id text NOT NULL, conversation_id text NOT NULL, topic_summary text, last_message_timestamp {moment},
            PRIMARY KEY (user_id, conversation_id))""",
        "CREATE INDEX IF NOT EXISTS timestamps ON cache (created_at)",
        "CREATE INDEX IF NOT EXISTS ix_lightspeed_cache_conversation ON cache (conversation_id)",
        "CREATE INDEX IF NOT EXISTS ix_lightspeed_conversations_conversation ON conversations (conversation_id)",
        """CREATE INDEX IF NOT EXISTS ix_lightspeed_conversations_newest
            ON conversations (user_id, last_message_timestamp, conversation_id)""",
    ):
        connection.exec_driver_sql(statement)

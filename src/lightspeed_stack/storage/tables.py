"""The tables: the reference service's own, which we continue, and ours beside it.

Source of ``user_conversation``: storage.md section 4. Only columns that it has are written to it, so that the reference
can still read what we wrote. The text of turns, which it leaves to its stack, stands in ``lightspeed_turn``. How the
tables come about is in ``migrations``.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
)

metadata = MetaData()

user_conversation = Table(
    "user_conversation",
    metadata,
    Column("id", String, primary_key=True),
    Column("user_id", String, nullable=False, index=True),
    Column("last_used_model", String, nullable=False),
    Column("last_used_provider", String, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("last_message_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("message_count", Integer, nullable=False, default=0),
    Column("topic_summary", String, nullable=False, default=""),
    # Lists are read from the newest end: one user's, and everybody's.
    Index("ix_lightspeed_conversation_newest", "user_id", "last_message_at", "id"),
    Index("ix_lightspeed_conversation_newest_of_all", "last_message_at", "id"),
)

lightspeed_turn = Table(
    "lightspeed_turn",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("conversation_id", String, nullable=False),
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("model", String, nullable=False),
    Column("provider", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("truncated", Boolean, nullable=False),
    Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Column("usage_estimated", Boolean, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("completed_at", DateTime(timezone=True), nullable=False),
    # The conversation's system prompt, with its first turn only.
    Column("instructions", Text, nullable=True),
    # Passages, citations, tool results and attachments as one JSON object.
    Column("details", Text, nullable=False),
    # Who asked; null in turns of before there was this column, which the owner asked.
    Column("asked_by", String, nullable=True),
    # Null in turns of before there was this column.
    Column("request_id", String, nullable=True),
    # Oldest first within a conversation, read from the newest end.
    Index("ix_lightspeed_turn_conversation", "conversation_id", "id"),
    # A turn that is written twice is stored once.
    Index("ix_lightspeed_turn_request", "request_id", unique=True),
)

lightspeed_setting = Table(
    "lightspeed_setting",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)
"""What is set at run time, for all processes on this database."""

lightspeed_tool_server = Table(
    "lightspeed_tool_server",
    metadata,
    Column("name", String, primary_key=True),
    Column("url", String, nullable=False),
    Column("provider_id", String, nullable=False),
    # An object, a list and an object as JSON.
    Column("authorization_headers", Text, nullable=False),
    Column("headers", Text, nullable=False),
    Column("approval", Text, nullable=False),
    # Seconds.
    Column("timeout", Double, nullable=True),
    Column("registered_at", DateTime(timezone=True), nullable=False),
    # Which call stored it, so that the one of several at once knows that it did.
    Column("registration", String, nullable=False),
)
"""The servers of tools that callers registered. What a header holds never stands here, only where to get it."""

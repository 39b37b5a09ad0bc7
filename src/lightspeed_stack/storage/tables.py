"""The tables: the reference service's own, which we continue, and ours beside it.

Source of ``user_conversation``: storage.md section 4. Only columns that it has are written to it, so that the reference
can still read what we wrote. The text of turns, which it leaves to its stack, stands in ``lightspeed_turn``.
"""

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
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
)

lightspeed_turn = Table(
    "lightspeed_turn",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
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
    # Oldest first within a conversation, read from the newest end.
    Index("ix_lightspeed_turn_conversation", "conversation_id", "id"),
)

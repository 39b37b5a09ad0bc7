"""The reference's table of conversations, and our turns beside it."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "user_conversation",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("last_used_model", sa.String, nullable=False),
        sa.Column("last_used_provider", sa.String, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("last_message_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("message_count", sa.Integer, nullable=False),
        sa.Column("topic_summary", sa.String, nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_user_conversation_user_id", "user_conversation", ["user_id"], if_not_exists=True)
    op.create_table(
        "lightspeed_turn",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("conversation_id", sa.String, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("provider", sa.String, nullable=False),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("truncated", sa.Boolean, nullable=False),
        sa.Column("input_tokens", sa.Integer, nullable=False),
        sa.Column("output_tokens", sa.Integer, nullable=False),
        sa.Column("usage_estimated", sa.Boolean, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("instructions", sa.Text, nullable=True),
        sa.Column("details", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_lightspeed_turn_conversation", "lightspeed_turn", ["conversation_id", "id"], if_not_exists=True)

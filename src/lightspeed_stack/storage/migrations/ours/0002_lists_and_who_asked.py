"""Who asked a turn, turns that are stored once however often they are written, fast lists, and settings at run time."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("lightspeed_turn", sa.Column("asked_by", sa.String, nullable=True))
    op.add_column("lightspeed_turn", sa.Column("request_id", sa.String, nullable=True))
    op.create_index("ix_lightspeed_turn_request", "lightspeed_turn", ["request_id"], unique=True)
    op.create_index("ix_lightspeed_conversation_newest", "user_conversation", ["user_id", "last_message_at", "id"])
    op.create_index("ix_lightspeed_conversation_newest_of_all", "user_conversation", ["last_message_at", "id"])
    op.create_table(
        "lightspeed_setting",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("value", sa.String, nullable=False),
    )

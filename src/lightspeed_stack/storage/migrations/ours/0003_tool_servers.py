"""Servers of tools that callers registered."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "lightspeed_tool_server",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("url", sa.String, nullable=False),
        sa.Column("provider_id", sa.String, nullable=False),
        sa.Column("authorization_headers", sa.Text, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("approval", sa.Text, nullable=False),
        sa.Column("timeout", sa.Double, nullable=True),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("registration", sa.String, nullable=False),
    )

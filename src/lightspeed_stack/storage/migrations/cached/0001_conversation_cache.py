"""The reference's tables of the conversation cache, which do not change any more, and our indexes on them."""

from alembic import op

from lightspeed_stack.storage.cache_tables import create

revision = "0001"
down_revision = None


def upgrade() -> None:
    create(op.get_bind())

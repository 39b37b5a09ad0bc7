"""Alembic's entry: runs the steps on the connection, and in the transaction, that ``upgrade`` opened."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"], version_table=context.config.attributes["version_table"]
)
with context.begin_transaction():
    context.run_migrations()

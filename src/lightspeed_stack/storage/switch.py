"""The feedback switch: one row in the database, so that all workers and replicas see it turned.

It holds until the last process on the database has ended; then the configuration counts again.
"""

from sqlalchemy import Connection, delete, select

from lightspeed_stack.errors import StorageError
from lightspeed_stack.storage.database import WRITES, Database
from lightspeed_stack.storage.statements import Ours
from lightspeed_stack.storage.tables import lightspeed_setting
from lightspeed_stack.storage.writer import Writer

NAME = "feedback_enabled"


class SqlFeedbackSwitch:
    """Implements ``storage.base.FeedbackSwitch``; ``configured`` is the state until it is turned."""

    def __init__(self, database: Database, writer: Writer, write: Ours, *, configured: bool) -> None:
        self._database = database
        self._writer = writer
        self._write = write
        self._configured = configured
        self._last = configured

    async def enabled(self) -> bool:
        """See FeedbackSwitch."""
        try:
            value = await self._database.read(_value)
        except StorageError:
            return self._last
        self._last = self._configured if value is None else value == "true"
        return self._last

    async def turn(self, on: bool) -> bool:
        """See FeedbackSwitch."""
        before = await self.enabled()
        await self._writer.put([(self._write.set, {"name": NAME, "value": "true" if on else "false"})], key=NAME)
        self._last = on
        return before


def forget(database: Database) -> None:
    """Let the configuration count again. Blocking."""
    with database.engine.connect().execution_options(**WRITES) as connection:
        connection.execute(delete(lightspeed_setting).where(lightspeed_setting.c.name == NAME))
        connection.commit()


def _value(connection: Connection) -> str | None:
    return connection.execute(select(lightspeed_setting.c.value).where(lightspeed_setting.c.name == NAME)).scalar()

"""The second view of conversations, by who asked: over the cache's tables, and ours for what turns rest on."""

from datetime import UTC, datetime

from sqlalchemy import Connection

from lightspeed_stack.domain.chat import Exchange
from lightspeed_stack.domain.ids import ConversationId
from lightspeed_stack.errors import ConversationNotFound
from lightspeed_stack.storage import cache, queries
from lightspeed_stack.storage.base import MAX_PAGE, CachedSummary, Page
from lightspeed_stack.storage.cache import CacheTables
from lightspeed_stack.storage.database import Database
from lightspeed_stack.storage.rows import storable, user_key
from lightspeed_stack.storage.statements import Ours
from lightspeed_stack.storage.writer import Statement, Writer


class CachedConversations:
    """Implements ``storage.base.ConversationCache``."""

    def __init__(self, tables: CacheTables, database: Database, writer: Writer, write: Ours) -> None:
        self._tables = tables
        self._database = database
        self._writer = writer
        self._write = write

    async def page(
        self, user_id: str, *, limit: int = MAX_PAGE, after: ConversationId | None = None
    ) -> Page[CachedSummary]:
        """See ConversationCache."""
        return await self._tables.database.read(lambda connection: cache.summaries(connection, user_id, limit, after))

    async def read(self, user_id: str, conversation_id: ConversationId) -> tuple[Exchange, ...]:
        """See ConversationCache."""

        def kept(connection: Connection) -> list[Exchange]:
            _require(connection, user_id, conversation_id)
            return cache.entries(connection, conversation_id, user_id=user_id)

        def ours(connection: Connection) -> tuple[Exchange, ...]:
            try:
                owner = queries.head(connection, conversation_id, None)["user_id"]
            except ConversationNotFound:
                return ()  # the reference's, and not continued yet
            return tuple(queries.every_turn(connection, conversation_id, owner, asked_by=user_id))

        entries = await self._tables.database.read(kept)
        return cache.merged(await self._database.read(ours), entries)

    async def rename(self, user_id: str, conversation_id: ConversationId, topic: str) -> None:
        """See ConversationCache."""
        await self._listed(user_id, conversation_id)
        change = {"of_id": conversation_id, "topic": storable(topic)}
        ours: list[Statement] = [(self._write.rename, {**change, "of_owner": user_key(user_id)})]
        renamed = {**change, "of_user": user_key(user_id), "at": datetime.now(UTC)}
        kept: list[Statement] = [(self._tables.write.rename, renamed)]
        if self._tables.writer is self._writer:
            await self._writer.put([*ours, *kept], key=conversation_id)
        else:
            await self._tables.writer.put(kept, key=conversation_id)
            await self._writer.put(ours, key=conversation_id)

    async def delete(self, user_id: str, conversation_id: ConversationId) -> bool:
        """See ConversationCache."""
        await self._listed(user_id, conversation_id)
        try:
            await self._database.read(lambda connection: queries.head(connection, conversation_id, user_id))
        except ConversationNotFound:
            await self._tables.writer.put(self._tables.deleted(user_id, conversation_id), key=conversation_id)
        else:
            await self._tables.delete_with(self._writer, self._write.deleted(conversation_id), conversation_id)
        return True

    async def _listed(self, user_id: str, conversation_id: ConversationId) -> None:
        await self._tables.database.read(lambda connection: _require(connection, user_id, conversation_id))


def _require(connection: Connection, user_id: str, conversation_id: str) -> None:
    if cache.record(connection, user_id, conversation_id) is None:
        raise ConversationNotFound

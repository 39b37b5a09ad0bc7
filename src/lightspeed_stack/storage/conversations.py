"""Conversations and turns in SQL; SQLite and PostgreSQL alike.

Where a conversation cache is configured, its tables are kept in step, and what they alone know is added to what is
read. Where both sets of tables are in one database, a turn is one transaction; where they are not, ours come first.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import select

from lightspeed_stack.domain.chat import Conversation, Exchange, ModelChoice
from lightspeed_stack.domain.health import Health
from lightspeed_stack.domain.ids import ConversationId, RequestId
from lightspeed_stack.errors import ConversationNotFound, StorageError
from lightspeed_stack.storage import cache, queries
from lightspeed_stack.storage.base import MAX_PAGE, Page, Summary
from lightspeed_stack.storage.cache import CacheTables
from lightspeed_stack.storage.database import Database
from lightspeed_stack.storage.rows import conversation_row, storable, turn_row
from lightspeed_stack.storage.statements import Ours
from lightspeed_stack.storage.writer import Statement, Writer


class SqlConversations:
    """Implements ``storage.base.ConversationStore``."""

    def __init__(self, database: Database, writer: Writer, write: Ours, kept: CacheTables | None = None) -> None:
        self._database = database
        self._writer = writer
        self._write = write
        self._cache = kept

    async def load(self, conversation_id: ConversationId, *, owner: str | None) -> Conversation:
        """See ConversationStore. A conversation that only the cache knows becomes one of ours here."""
        try:
            found = await self._load(conversation_id, owner)
        except ConversationNotFound:
            if owner is None or self._cache is None:
                raise
            await self._adopt(self._cache, conversation_id, owner)
            # Read again: if it is another user's, it was not made this one's.
            found = await self._load(conversation_id, owner)
        if found.message_count > len(found.history) < queries.REPLAYED:
            return await self._with_cached(found, newest=queries.REPLAYED)
        return found

    async def create(self, conversation: Conversation, model: ModelChoice) -> None:
        """See ConversationStore."""
        now = datetime.now(UTC)
        row = conversation_row(conversation, model.label, model.provider_id, now, now, 0)
        await self._put(conversation.id, [(self._write.create, row)])

    async def append(self, conversation: Conversation, exchange: Exchange, *, create: bool = False) -> None:
        """See ConversationStore."""
        ours, kept = self._added(conversation, exchange, create=create)
        await self._put(conversation.id, ours, kept, guarded=not create)

    async def page(
        self, *, owner: str | None, limit: int = MAX_PAGE, after: ConversationId | None = None
    ) -> Page[Summary]:
        """See ConversationStore."""
        return await self._database.read(lambda connection: queries.summaries(connection, owner, limit, after))

    async def read(self, conversation_id: ConversationId, *, owner: str | None) -> Conversation:
        """See ConversationStore."""
        found = await self._database.read(
            lambda connection: queries.conversation_of(
                connection,
                row := queries.head(connection, conversation_id, owner),
                tuple(queries.every_turn(connection, row["id"], row["user_id"])),
            )
        )
        return found if found.message_count <= len(found.history) else await self._with_cached(found)

    async def delete(self, conversation_id: ConversationId, *, owner: str | None) -> None:
        """See ConversationStore."""
        await self._database.read(lambda connection: queries.head(connection, conversation_id, owner))
        if self._cache is None:
            await self._writer.put(self._write.deleted(conversation_id), key=conversation_id)
        else:
            await self._cache.delete_with(self._writer, self._write.deleted(conversation_id), conversation_id)

    async def propose_topic(self, conversation_id: ConversationId, topic: str) -> None:
        """See ConversationStore."""
        change = {"of_id": conversation_id, "topic": storable(topic)}
        ours = [(self._write.propose_topic, change)]
        if self._cache is None or self._cache.writer is self._writer:
            kept = [] if self._cache is None else [(self._cache.write.propose_topic, change)]
            await self._writer.put([*ours, *kept], key=conversation_id)
            return
        await self._writer.put(ours, key=conversation_id)
        # Another process may have been first: the cache gets the topic that stands.
        standing = await self._database.read(lambda connection: queries.topic(connection, conversation_id))
        if standing:
            change["topic"] = standing
            await self._cache.writer.put([(self._cache.write.propose_topic, change)], key=conversation_id)

    async def probe(self) -> Health:
        """See ConversationStore. Where the last write failed, it is tried whether that is still so."""
        try:
            for database in {self._database} | ({self._cache.database} if self._cache else set()):
                await database.read(lambda connection: connection.execute(select(1)).scalar_one())
        except StorageError as error:
            return Health.error(error.cause)
        try:
            await self._try_to_write()
        except StorageError:
            return Health.error("The last write to the database failed.")
        return Health.ok()

    async def _try_to_write(self) -> None:
        """Store and delete a turn in one transaction, which nobody sees, on a database where the last write failed.

        While a service is not ready nobody asks it anything, so it must not take a turn to show that it is well again.
        """
        if not self._writer.failing and not (self._cache and self._cache.writer.failing):
            return
        now = datetime.now(UTC)
        trial = Exchange("", "", "", "", now, now, request_id=RequestId("trial"))
        ours, kept = self._added(Conversation(ConversationId("trial"), "", None), trial, create=True)
        ours += self._write.deleted(ConversationId("trial"))
        if self._cache is not None:
            kept += self._cache.deleted_for_all(ConversationId("trial"))
            if self._cache.writer is self._writer:
                ours += kept
            elif self._cache.writer.failing:
                await self._cache.writer.put(kept, key="trial")
        if self._writer.failing:
            await self._writer.put(ours, key="trial")

    def _added(
        self, conversation: Conversation, exchange: Exchange, *, create: bool
    ) -> tuple[list[Statement], list[Statement]]:
        """What stores a turn, in our tables and in the cache's."""
        model, provider, ended = exchange.model, exchange.provider, exchange.completed_at
        ours: list[Statement] = []
        if create:
            # Counted by what follows: a ``create`` that was given up may have been stored all the same.
            row = conversation_row(conversation, model, provider, exchange.started_at, ended, 0)
            ours.append((self._write.create, row))
        touched = {"of_id": conversation.id, "of_model": model, "of_provider": provider, "at": ended}
        ours.append((self._write.touch, {**touched, "request_id": exchange.request_id}))
        ours.append((self._write.add_turn, turn_row(conversation, exchange)))
        kept = [] if self._cache is None else self._cache.added(conversation.id, exchange, conversation.topic)
        return ours, kept

    async def _put(
        self, id_: ConversationId, ours: Sequence[Statement], kept: Sequence[Statement] = (), *, guarded: bool = False
    ) -> None:
        """Write to both sets of tables; ``guarded`` keeps the cache from bringing back a deleted conversation.

        In one database the statements themselves see to that.
        """
        if not kept or self._cache is None:
            await self._writer.put(ours, key=id_)
        elif self._cache.writer is self._writer:
            await self._writer.put([*ours, *kept], key=id_)
        else:
            await self._writer.put(ours, key=id_)
            await self._cache.writer.put(kept, key=id_)
            # Asked afterwards: a deletion in between would be missed by asking before.
            if guarded and not await self._database.read(lambda connection: queries.exists_still(connection, id_)):
                await self._cache.writer.put(self._cache.deleted_for_all(id_), key=id_)

    async def _load(self, conversation_id: ConversationId, owner: str | None) -> Conversation:
        return await self._database.read(
            lambda connection: queries.conversation_of(
                connection,
                row := queries.head(connection, conversation_id, owner),
                queries.newest_turns(connection, row),
            )
        )

    async def _with_cached(self, found: Conversation, newest: int | None = None) -> Conversation:
        """The conversation with the turns that only the cache knows, whoever asked; at most the ``newest`` of all."""
        if self._cache is None:
            return found
        kept = await self._cache.database.read(lambda connection: cache.entries(connection, found.id, newest=newest))
        history = cache.merged(found.history, kept)
        return replace(found, history=history if newest is None else history[-newest:])

    async def _adopt(self, tables: CacheTables, conversation_id: ConversationId, owner: str) -> None:
        """Begin a conversation of ours with what the cache knows: the reference's database was lost or is elsewhere.

        Raises ConversationNotFound when the cache does not know it either.
        """
        record, kept = await tables.database.read(
            lambda connection: (
                cache.record(connection, owner, conversation_id),
                cache.entries(connection, conversation_id, user_id=owner),
            )
        )
        if record is None or not kept:
            raise ConversationNotFound
        first, last = kept[0], kept[-1]
        talk = Conversation(conversation_id, owner, None, topic=record["topic_summary"] or "")
        row = conversation_row(talk, last.model, last.provider, first.completed_at, last.completed_at, len(kept))
        await self._writer.put([(self._write.create, row)], key=conversation_id)

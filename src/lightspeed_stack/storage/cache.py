"""The conversation cache: the reference service's tables, kept in step with ours and read where ours know nothing yet.

Each turn is written here as well, under the user who asked, so that the reference could go on from here; what was said
before we came is only here. A turn of ours and its entry here share one time, by which they are told apart from others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from lightspeed_stack.domain.chat import Exchange
from lightspeed_stack.domain.ids import ConversationId
from lightspeed_stack.storage.base import CachedSummary, Page
from lightspeed_stack.storage.cache_tables import cache, conversations
from lightspeed_stack.storage.database import Database
from lightspeed_stack.storage.listing import Listing
from lightspeed_stack.storage.rows import Row, storable, user_key
from lightspeed_stack.storage.statements import Cached
from lightspeed_stack.storage.writer import Statement, Writer

ISO_Z = "%Y-%m-%dT%H:%M:%SZ"

_ENTRY, _TALK = cache.c, conversations.c

LISTING = Listing(conversations, _TALK.user_id, _TALK.last_message_timestamp, _TALK.conversation_id)


@dataclass(frozen=True, slots=True)
class CacheTables:
    """The tables in a database, with the writer of that database; ``max_entries`` None keeps everything."""

    database: Database
    writer: Writer
    write: Cached
    max_entries: int | None = None

    def added(self, conversation_id: ConversationId, exchange: Exchange, topic: str) -> list[Statement]:
        """What stores a turn here."""
        user_id, at = user_key(exchange.asked_by), exchange.completed_at
        entry = {
            "user_id": user_id,
            "conversation_id": conversation_id,
            "created_at": at,
            "started_at": exchange.started_at.strftime(ISO_Z),
            "completed_at": at.strftime(ISO_Z),
            "query": storable(exchange.question),
            "response": storable(exchange.answer),
            "provider": exchange.provider,
            "model": exchange.model,
        }
        record = {
            "user_id": user_id,
            "conversation_id": conversation_id,
            "topic_summary": topic or None,
            "last_message_timestamp": at,
        }
        statements: list[Statement] = [(self.write.add, entry), (self.write.touch, record)]
        if self.max_entries is not None:
            kept = {"kept": self.max_entries}
            statements += [(self.write.forget_trimmed, kept), (self.write.trim, kept)]
        return statements

    def deleted_for_all(self, conversation_id: ConversationId) -> list[Statement]:
        """What deletes a conversation, whoever asked in it."""
        of = {"of_id": conversation_id}
        return [(self.write.delete_for_all, of), (self.write.forget_for_all, of)]

    async def delete_with(self, writer: Writer, ours: Sequence[Statement], conversation_id: ConversationId) -> None:
        """Delete a conversation for all, here and, by the statements ``ours`` for ``writer``, there."""
        kept = self.deleted_for_all(conversation_id)
        if writer is self.writer:
            await writer.put([*ours, *kept], key=conversation_id)
            return
        # Here first: if we are killed between the two, the conversation can still be found and deleted again.
        await self.writer.put(kept, key=conversation_id)
        await writer.put(ours, key=conversation_id)
        # And afterwards: a turn that was stored at the same time may have come back here.
        await self.writer.put(kept, key=conversation_id)

    def deleted(self, user_id: str, conversation_id: ConversationId) -> list[Statement]:
        """What deletes what one user asked."""
        of = {"of_user": user_key(user_id), "of_id": conversation_id}
        return [(self.write.delete, of), (self.write.forget, of)]


def record(connection: Connection, user_id: str, conversation_id: str) -> Row | None:
    """The row of a conversation in a user's list, or None."""
    query = select(conversations).where(_TALK.user_id == user_key(user_id), _TALK.conversation_id == conversation_id)
    return connection.execute(query).mappings().one_or_none()


def entries(
    connection: Connection, conversation_id: str, *, user_id: str | None = None, newest: int | None = None
) -> list[Exchange]:
    """The turns kept here, oldest first: of one user or of all, all or the newest."""
    query = select(cache).where(_ENTRY.conversation_id == conversation_id)
    if user_id is not None:
        query = query.where(_ENTRY.user_id == user_key(user_id))
    found = connection.execute(query.order_by(_ENTRY.created_at.desc()).limit(newest)).mappings()
    return [_exchange(row) for row in found][::-1]


def summaries(connection: Connection, user_id: str, limit: int, after: ConversationId | None) -> Page[CachedSummary]:
    """A page of the list of one user. Raises ConversationNotFound when ``after`` is not in it."""
    rows, more = LISTING.rows(connection, user_id, limit, after)
    listed = (
        CachedSummary(row["conversation_id"], row["topic_summary"], row["last_message_timestamp"]) for row in rows
    )
    return Page(tuple(listed), more)


def merged(ours: tuple[Exchange, ...], kept: list[Exchange]) -> tuple[Exchange, ...]:
    """Our turns, and those of the cache that are not ours, oldest first."""
    known = {exchange.completed_at for exchange in ours}
    older = [exchange for exchange in kept if exchange.completed_at not in known]
    return tuple(sorted((*older, *ours), key=lambda exchange: exchange.completed_at)) if older else ours


def _exchange(row: Row) -> Exchange:
    created_at: datetime = row["created_at"]
    return Exchange(
        question=row["query"] or "",
        answer=row["response"] or "",
        model=row["model"] or "",
        provider=row["provider"] or "",
        started_at=_told(row["started_at"], created_at),
        # Not the column of that name, which has whole seconds: this is what tells turns apart.
        completed_at=created_at,
        asked_by=row["user_id"],
    )


def _told(text: str | None, otherwise: datetime) -> datetime:
    try:
        time = datetime.fromisoformat(text) if text else otherwise
    except ValueError:
        return otherwise
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)

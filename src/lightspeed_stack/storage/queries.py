"""What is read from our tables, on a connection of one thread."""

from collections.abc import Iterator

from sqlalchemy import Connection, exists, func, select

from lightspeed_stack.domain.chat import Conversation, Exchange
from lightspeed_stack.domain.ids import ConversationId
from lightspeed_stack.errors import ConversationNotFound
from lightspeed_stack.storage.base import Page, Summary
from lightspeed_stack.storage.listing import Listing
from lightspeed_stack.storage.rows import Row, exchange_of, summary_of, user_key
from lightspeed_stack.storage.tables import lightspeed_turn, user_conversation

REPLAYED = 50
"""Newest turns that are loaded with a conversation: more than any prompt has room for."""

_TALK, _TURN = user_conversation.c, lightspeed_turn.c
_REPLAY = [column for column in lightspeed_turn.columns if column.name != "details"]

LISTING = Listing(user_conversation, _TALK.user_id, _TALK.last_message_at, _TALK.id)


def head(connection: Connection, conversation_id: str, owner: str | None) -> Row:
    """A conversation's row. Raises ConversationNotFound when there is none, or it is not the owner's."""
    query = select(user_conversation).where(_TALK.id == conversation_id)
    if owner is not None:
        query = query.where(_TALK.user_id == user_key(owner))
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise ConversationNotFound
    return row


def exists_still(connection: Connection, conversation_id: str) -> bool:
    return bool(connection.execute(select(exists().where(_TALK.id == conversation_id))).scalar())


def topic(connection: Connection, conversation_id: str) -> str | None:
    """The topic of a conversation, empty where it has none; None where there is no conversation."""
    return connection.execute(select(_TALK.topic_summary).where(_TALK.id == conversation_id)).scalar()


def newest_turns(connection: Connection, row: Row) -> tuple[Exchange, ...]:
    """The turns that a prompt can use, oldest first, without what they rest on."""
    query = select(*_REPLAY).where(_TURN.conversation_id == row["id"]).order_by(_TURN.id.desc()).limit(REPLAYED)
    found = connection.execute(query).mappings()
    return tuple(reversed([exchange_of(turn, row["user_id"], whole=False) for turn in found]))


def every_turn(
    connection: Connection, conversation_id: str, owner: str, *, asked_by: str | None = None
) -> Iterator[Exchange]:
    """All turns, oldest first; with ``asked_by`` those of one user."""
    query = select(lightspeed_turn).where(_TURN.conversation_id == conversation_id).order_by(_TURN.id)
    if asked_by is not None:
        query = query.where(func.coalesce(_TURN.asked_by, owner) == user_key(asked_by))
    return (exchange_of(turn, owner, whole=True) for turn in connection.execute(query).mappings())


def conversation_of(connection: Connection, row: Row, history: tuple[Exchange, ...]) -> Conversation:
    """A conversation with its history; its system prompt stands with its first turn."""
    query = select(_TURN.instructions).where(_TURN.conversation_id == row["id"]).order_by(_TURN.id).limit(1)
    return Conversation(
        id=row["id"],
        owner=row["user_id"],
        instructions=connection.execute(query).scalar(),
        history=history,
        last_model=row["last_used_model"],
        last_provider=row["last_used_provider"],
        topic=row["topic_summary"],
        message_count=row["message_count"],
    )


def summaries(connection: Connection, owner: str | None, limit: int, after: ConversationId | None) -> Page[Summary]:
    """A page of conversations, of one owner or of all. Raises ConversationNotFound when ``after`` is not among them."""
    rows, more = LISTING.rows(connection, owner, limit, after)
    return Page(tuple(summary_of(row) for row in rows), more)

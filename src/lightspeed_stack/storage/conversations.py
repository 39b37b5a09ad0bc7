"""Conversations and turns in SQL; SQLite and PostgreSQL alike."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from lightspeed_stack.domain.chat import Attachment, Conversation, Exchange, ModelChoice, Outcome, ToolResult, Usage
from lightspeed_stack.domain.health import Health
from lightspeed_stack.domain.ids import ConversationId
from lightspeed_stack.domain.knowledge import Citation, Passage
from lightspeed_stack.errors import ConversationNotFound, StorageError
from lightspeed_stack.storage.database import Database
from lightspeed_stack.storage.tables import lightspeed_turn, user_conversation
from lightspeed_stack.storage.writer import Statement, Writer

REPLAYED = 50
"""Newest turns that are loaded with a conversation: more than any prompt has room for."""


class _Details(msgspec.Struct):
    """What a turn rests on. Empty parts are left out of the stored text."""

    passages: list[dict[str, Any]] = []
    citations: tuple[Citation, ...] = ()
    tool_results: tuple[ToolResult, ...] = ()
    attachments: tuple[Attachment, ...] = ()


_encode_details = msgspec.json.Encoder().encode

INSERT_CONVERSATION = insert(user_conversation)
INSERT_TURN = insert(lightspeed_turn)
TOUCH_CONVERSATION = (
    update(user_conversation)
    .where(user_conversation.c.id == bindparam("of_id"))
    .values(
        last_used_model=bindparam("of_model"),
        last_used_provider=bindparam("of_provider"),
        last_message_at=bindparam("at"),
        message_count=user_conversation.c.message_count + 1,
    )
)
ORDER = (INSERT_CONVERSATION, TOUCH_CONVERSATION, INSERT_TURN)
"""The order in which a group's statements run."""


class SqlConversations:
    """Implements ``storage.base.ConversationStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writer = Writer(database.engine, ORDER)

    async def load(self, conversation_id: ConversationId, *, owner: str | None) -> Conversation:
        """See ConversationStore."""
        found = await self._database.read(lambda connection: _load(connection, conversation_id, owner))
        if found is None:
            raise ConversationNotFound
        return found

    async def create(self, conversation: Conversation, model: ModelChoice) -> None:
        """See ConversationStore."""
        now = datetime.now(UTC)
        row = _conversation_row(conversation, model.label, model.provider_id, now, now, 0)
        await self._writer.put([(INSERT_CONVERSATION, row)])

    async def append(self, conversation: Conversation, exchange: Exchange, *, create: bool = False) -> None:
        """See ConversationStore."""
        model, provider = exchange.model, exchange.provider
        change: Statement
        if create:
            started, ended = exchange.started_at, exchange.completed_at
            change = (INSERT_CONVERSATION, _conversation_row(conversation, model, provider, started, ended, 1))
        else:
            at = exchange.completed_at
            change = (
                TOUCH_CONVERSATION,
                {"of_id": conversation.id, "of_model": model, "of_provider": provider, "at": at},
            )
        await self._writer.put([change, (INSERT_TURN, _turn_row(conversation, exchange))])

    async def probe(self) -> Health:
        """See ConversationStore."""
        try:
            await self._database.read(lambda connection: connection.execute(select(1)).scalar_one())
        except StorageError as error:
            return Health.error(error.cause)
        return Health.error("The last write to the database failed.") if self._writer.failing else Health.ok()

    def close(self) -> None:
        """Store what is waiting, then close the database. Blocking."""
        self._writer.close()
        self._database.close()


def _conversation_row(
    conversation: Conversation, model: str, provider: str, created_at: datetime, last_at: datetime, count: int
) -> dict[str, Any]:
    return {
        "id": conversation.id,
        "user_id": conversation.owner,
        "last_used_model": model,
        "last_used_provider": provider,
        "created_at": created_at,
        "last_message_at": last_at,
        "message_count": count,
        "topic_summary": "",
    }


def _turn_row(conversation: Conversation, exchange: Exchange) -> dict[str, Any]:
    details = _Details(
        [_passage(it) for it in exchange.passages], exchange.citations, exchange.tool_results, exchange.attachments
    )
    return {
        "conversation_id": conversation.id,
        "question": exchange.question,
        "answer": exchange.answer,
        "model": exchange.model,
        "provider": exchange.provider,
        "outcome": exchange.outcome.value,
        "truncated": exchange.truncated,
        "input_tokens": exchange.usage.input_tokens,
        "output_tokens": exchange.usage.output_tokens,
        "usage_estimated": exchange.usage.estimated,
        "started_at": exchange.started_at,
        "completed_at": exchange.completed_at,
        "instructions": None if conversation.history else conversation.instructions,
        "details": _encode_details(details).decode(),
    }


def _passage(passage: Passage) -> dict[str, Any]:
    return {
        "content": passage.content,
        "source": passage.source,
        "title": passage.title,
        "url": passage.url,
        "section": passage.section,
        "start": passage.start,
        "end": passage.end,
        "score": passage.score,
        "attributes": dict(passage.attributes),
    }


def _load(connection: Connection, conversation_id: str, owner: str | None) -> Conversation | None:
    head = select(user_conversation).where(user_conversation.c.id == conversation_id)
    if owner is not None:
        head = head.where(user_conversation.c.user_id == owner)
    row = connection.execute(head).mappings().one_or_none()
    if row is None:
        return None
    turns = lightspeed_turn.c
    of_conversation = turns.conversation_id == conversation_id
    first = connection.execute(select(turns.instructions).where(of_conversation).order_by(turns.id).limit(1)).scalar()
    newest = select(lightspeed_turn).where(of_conversation).order_by(turns.id.desc()).limit(REPLAYED)
    history = [_exchange(dict(turn)) for turn in connection.execute(newest).mappings()]
    return Conversation(
        ConversationId(row["id"]),
        row["user_id"],
        first,
        tuple(reversed(history)),
        row["last_used_model"],
        row["last_used_provider"],
    )


def _exchange(row: dict[str, Any]) -> Exchange:
    return Exchange(
        question=row["question"],
        answer=row["answer"],
        model=row["model"],
        provider=row["provider"],
        started_at=_utc(row["started_at"]),
        completed_at=_utc(row["completed_at"]),
        outcome=Outcome(row["outcome"]),
        usage=Usage(row["input_tokens"], row["output_tokens"], row["usage_estimated"]),
        truncated=row["truncated"],
    )


def _utc(time: datetime) -> datetime:
    """SQLite keeps no zone; what we and the reference write to it is UTC."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)

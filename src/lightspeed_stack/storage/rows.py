"""Rows of our tables ↔ values of the domain."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import RowMapping

from lightspeed_stack.domain.chat import Attachment, Conversation, Exchange, Outcome, ToolResult, Usage
from lightspeed_stack.domain.ids import RequestId
from lightspeed_stack.domain.knowledge import Citation, Passage
from lightspeed_stack.storage.base import Summary

type Row = RowMapping

MAX_USER_KEY = 1024
"""Bytes. An entry of a B-tree in PostgreSQL has at most 2,704, for all its columns together."""


class _Details(msgspec.Struct):
    """What a turn rests on. Empty parts are left out of the stored text."""

    passages: list[dict[str, Any]] = []
    citations: tuple[Citation, ...] = ()
    tool_results: tuple[ToolResult, ...] = ()
    attachments: tuple[Attachment, ...] = ()


class _StoredDetails(msgspec.Struct):
    passages: tuple[Passage, ...] = ()
    citations: tuple[Citation, ...] = ()
    tool_results: tuple[ToolResult, ...] = ()
    attachments: tuple[Attachment, ...] = ()


_encode_details = msgspec.json.Encoder().encode
_decode_details = msgspec.json.Decoder(_StoredDetails).decode


def storable(text: str) -> str:
    """Text without NUL, which PostgreSQL cannot store and which no model means."""
    return text.replace("\0", "\ufffd") if "\0" in text else text


def user_key(user_id: str) -> str:
    """A user id as the tables keep it: one that is too long for an index of PostgreSQL is kept as its digest."""
    if len(user_id) * 4 <= MAX_USER_KEY or len(encoded := user_id.encode()) <= MAX_USER_KEY:
        return user_id
    return f"sha256-{hashlib.sha256(encoded).hexdigest()}"


def utc(time: datetime) -> datetime:
    """SQLite keeps no zone; what we and the reference write to it is UTC."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def conversation_row(
    conversation: Conversation, model: str, provider: str, created_at: datetime, last_at: datetime, count: int
) -> dict[str, Any]:
    return {
        "id": conversation.id,
        "user_id": user_key(conversation.owner),
        "last_used_model": model,
        "last_used_provider": provider,
        "created_at": created_at,
        "last_message_at": last_at,
        "message_count": count,
        "topic_summary": conversation.topic,
    }


def turn_row(conversation: Conversation, exchange: Exchange) -> dict[str, Any]:
    """A turn; the statement keeps the system prompt with the first one of a conversation only."""
    details = _Details(
        [_passage(it) for it in exchange.passages], exchange.citations, exchange.tool_results, exchange.attachments
    )
    instructions = conversation.instructions
    return {
        "conversation_id": conversation.id,
        "question": storable(exchange.question),
        "answer": storable(exchange.answer),
        "model": exchange.model,
        "provider": exchange.provider,
        "outcome": exchange.outcome.value,
        "truncated": exchange.truncated,
        "input_tokens": exchange.usage.input_tokens,
        "output_tokens": exchange.usage.output_tokens,
        "usage_estimated": exchange.usage.estimated,
        "started_at": exchange.started_at,
        "completed_at": exchange.completed_at,
        "instructions": None if instructions is None else storable(instructions),
        "details": _encode_details(details).decode(),
        "asked_by": user_key(exchange.asked_by),
        "request_id": exchange.request_id,
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


def exchange_of(row: Row, owner: str, *, whole: bool) -> Exchange:
    """A turn as it was; without ``whole`` what it rests on is left out, and not even read."""
    details = _decode_details(row["details"]) if whole else _StoredDetails()
    return Exchange(
        question=row["question"],
        answer=row["answer"],
        model=row["model"],
        provider=row["provider"],
        started_at=utc(row["started_at"]),
        completed_at=utc(row["completed_at"]),
        outcome=Outcome(row["outcome"]),
        usage=Usage(row["input_tokens"], row["output_tokens"], row["usage_estimated"]),
        truncated=row["truncated"],
        passages=details.passages,
        citations=details.citations,
        tool_results=details.tool_results,
        attachments=details.attachments,
        asked_by=owner if row["asked_by"] is None else row["asked_by"],
        request_id=None if row["request_id"] is None else RequestId(row["request_id"]),
    )


def summary_of(row: Row) -> Summary:
    return Summary(
        id=row["id"],
        owner=row["user_id"],
        topic=row["topic_summary"],
        created_at=utc(row["created_at"]),
        last_message_at=utc(row["last_message_at"]),
        message_count=row["message_count"],
        last_model=row["last_used_model"],
        last_provider=row["last_used_provider"],
    )

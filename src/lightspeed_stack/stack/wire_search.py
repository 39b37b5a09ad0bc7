"""Searches and judgements as values: bodies in, bodies out. No I/O here. Source: see ``wire``."""

import json
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any, Literal

import msgspec

from lightspeed_stack.stack.base import Found, Objection
from lightspeed_stack.stack.wire import LONGEST_MESSAGE, Scalar, encoded, plain, reader, scalars, unreadable

LEVELS_THAT_PASS = frozenset({"info", "warn"})
"""Levels of a violation that are no reason to stop; the stack's own agents go on as well."""

OF_CHUNKS = ("document_id", "source")
"""What is worth knowing of the data that a stack keeps of a chunk beside what was stored with it."""


class _Part(msgspec.Struct):
    text: str | None = None


class _Hit(msgspec.Struct):
    file_id: str | None = None
    filename: str | None = None
    score: Any = None
    attributes: dict[str, Any] | None = None
    content: str | _Part | list[_Part] | None = None


class _Hits(msgspec.Struct):
    data: list[_Hit]


class _Chunk(msgspec.Struct):
    content: str | _Part | list[_Part] | None = None
    metadata: dict[str, Any] | None = None
    chunk_metadata: dict[str, Any] | None = None


class _Chunks(msgspec.Struct):
    chunks: list[_Chunk]
    scores: list[Any] = []


class _Violation(msgspec.Struct):
    violation_level: str | None = None
    user_message: str | None = None
    metadata: dict[str, Any] | None = None


class _Shielded(msgspec.Struct):
    """``violation`` must be told: an answer without a verdict is no permission."""

    violation: _Violation | None


class _Moderated(msgspec.Struct):
    flagged: bool
    user_message: str | None = None
    metadata: dict[str, Any] | None = None
    categories: dict[str, Any] | None = None


class _Moderations(msgspec.Struct):
    results: list[_Moderated]


_shielded = reader(_Shielded, "judgement")
_moderations = reader(_Moderations, "judgement")


def store_query(text: str, limit: int) -> bytes:
    """The body that searches a vector store."""
    return encoded({"query": plain(text), "max_num_results": limit})


def database_query(database: str, text: str, limit: int) -> bytes:
    """The body that searches a vector database."""
    return encoded({"vector_db_id": database, "query": plain(text), "params": {"max_chunks": limit}})


def store_found(body: bytes) -> list[Found]:
    """What was found in a vector store, in the stack's order."""
    return [
        Found(content, _score(hit.score), _attributes_of(hit))
        for hit in _lenient(body, _Hits).data
        if (content := _content(hit.content))
    ]


def database_found(body: bytes) -> list[Found]:
    """What was found in a vector database, in the stack's order."""
    told = _lenient(body, _Chunks)
    scores = told.scores if len(told.scores) == len(told.chunks) else [None] * len(told.chunks)
    return [
        Found(content, _score(score), _attributes_of_chunk(chunk))
        for chunk, score in zip(told.chunks, scores, strict=True)
        if (content := _content(chunk.content))
    ]


def shield_run(identifier: str, text: str, role: Literal["user", "assistant"]) -> bytes:
    """The body that has a shield judge a text."""
    message = {"role": role, "content": plain(text)}
    if role == "assistant":
        message["stop_reason"] = "end_of_turn"  # required up to 0.2, no harm later
    return encoded({"shield_id": identifier, "messages": [message], "params": {}})


def violation(body: bytes) -> Objection | None:
    told = _shielded(body).violation
    if told is None or told.violation_level in LEVELS_THAT_PASS:
        return None
    return Objection(_message(told.user_message), told.metadata or {})


def moderation(model: str, text: str) -> bytes:
    """The body that has a moderation model judge a text."""
    return encoded({"model": model, "input": plain(text)})


def flagged(body: bytes) -> Objection | None:
    results = _moderations(body).results
    if not results:
        raise unreadable("judgement")
    told = next((result for result in results if result.flagged), None)
    if told is None:
        return None
    categories = [name for name, found in (told.categories or {}).items() if found]
    return Objection(_message(told.user_message), {**(told.metadata or {}), "categories": categories})


def _message(told: str | None) -> str:
    return (told or "").strip()[:LONGEST_MESSAGE]


def _lenient[T](body: bytes, type_: type[T]) -> T:
    """A body in which a score may be ``Infinity`` or ``NaN``, which some servers write and JSON does not know."""
    try:
        return msgspec.json.decode(body, type=type_, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        try:
            return msgspec.convert(json.loads(body), type_, strict=False)
        except (ValueError, RecursionError) as error:
            raise unreadable("search result") from error


def _score(told: object) -> float | None:
    """A number that compares. faiss tells an exact match by a distance of nothing, whose score is infinite or null."""
    if isinstance(told, bool) or not isinstance(told, int | float):
        return None
    try:
        score = float(told)
    except OverflowError:
        return None
    return score if isfinite(score) else None


def _content(told: str | _Part | Sequence[_Part] | None) -> str:
    return "\n".join(_texts(told)).strip()


def _texts(told: str | _Part | Sequence[_Part] | None) -> Iterator[str]:
    if isinstance(told, str):
        yield told
    elif isinstance(told, _Part):
        yield told.text or ""
    else:
        for part in told or ():
            yield from _texts(part)


def _attributes_of(hit: _Hit) -> dict[str, Scalar]:
    named = {"filename": hit.filename, "document_id": hit.file_id}
    return _finite({**{key: value for key, value in named.items() if value}, **(hit.attributes or {})})


def _attributes_of_chunk(chunk: _Chunk) -> dict[str, Scalar]:
    beside = chunk.chunk_metadata or {}
    return _finite({**{key: beside[key] for key in OF_CHUNKS if beside.get(key)}, **(chunk.metadata or {})})


def _finite(told: Mapping[str, Any]) -> dict[str, Scalar]:
    return {key: value for key, value in scalars(told).items() if not isinstance(value, float) or isfinite(value)}

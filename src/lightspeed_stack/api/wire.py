"""Shared shapes, and turns as bytes: ``TurnEvent`` → server-sent events or text (pure).

Source: rest-api.md 2.2 to 2.4, with decisions.md "Keep" 3 and "Do better" 2, 3 and 13. JSON has Python's default
separators and is ASCII-escaped: clients compare bytes.
"""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol, assert_never

from pydantic import BaseModel

from lightspeed_stack.domain.chat import ToolCall, ToolResult
from lightspeed_stack.domain.events import (
    Cited,
    Compacted,
    Noticed,
    TokenDelta,
    ToolCalled,
    ToolReturned,
    TurnEnded,
    TurnEvent,
    TurnFailed,
    TurnStarted,
)
from lightspeed_stack.domain.knowledge import Citation, Passage
from lightspeed_stack.domain.notices import Notice
from lightspeed_stack.errors import AssistantError

MAX_LINE = 64 * 1024
"""Bytes of one event line; clients read lines into buffers of this size."""

MAX_DEPTH = 100
"""Levels of arguments that are shown as an object: more than tools have, and far fewer than JSON libraries bear."""

CUT = " […cut]"

_escape = json.encoder.encode_basestring_ascii
_compact = json.JSONEncoder(separators=(",", ":")).encode


def dumps(content: Any) -> bytes:
    """Compact JSON, ASCII-escaped, so that any text a client sent can be sent back."""
    return _compact(content).encode("ascii")


class RagChunk(BaseModel):
    content: str
    source: str | None = None
    score: float | None = None
    attributes: dict[str, Any] = {}


class ReferencedDocument(BaseModel):
    doc_url: str | None = None
    doc_title: str


def rag_chunk(passage: Passage) -> dict[str, Any]:
    """A passage as query, stream and history show it."""
    return {
        "content": passage.content,
        "source": passage.url or passage.title,
        "score": round(passage.score, 4),
        "attributes": {
            "title": passage.title,
            "section": " > ".join(passage.section),
            "start": passage.start,
            "end": passage.end,
            "store": passage.source,
            **passage.attributes,
        },
    }


def referenced_document(citation: Citation) -> dict[str, Any]:
    return {"doc_url": citation.url, "doc_title": citation.title}


def arguments_of(call: ToolCall) -> dict[str, Any]:
    """A call's arguments as an object of JSON values, whatever the model wrote (rest-api.md 1.9)."""
    try:
        parsed = json.loads(call.arguments, parse_float=_finite, parse_constant=_finite)
        _check_depth(parsed, MAX_DEPTH)
    except (ValueError, RecursionError):
        parsed = call.arguments
    return parsed if isinstance(parsed, dict) else {"query": str(parsed)}


def _finite(written: str) -> float:
    """Raises ValueError for what Python reads and JSON has no word for: infinities, and what is no number."""
    number = float(written)
    if not math.isfinite(number):
        raise ValueError(written)
    return number


def _check_depth(value: Any, levels: int) -> None:
    """Raises ValueError where it is deeper than some levels of objects and arrays."""
    if isinstance(value, dict | list):
        if levels == 0:
            raise ValueError("too deep")
        for item in value.values() if isinstance(value, dict) else value:
            _check_depth(item, levels - 1)


def tool_call(result: ToolResult) -> dict[str, Any]:
    """A call as query and history show it: in the shape of the reference, and in that of later releases beside it."""
    call, arguments = result.call, arguments_of(result.call)
    old = {"tool_name": call.name, "arguments": arguments}
    new = {"id": call.id, "name": call.name, "args": arguments, "type": "tool_call", "server_name": call.server_name}
    return {**old, "result": {"response": result.content} if result.content else None, **new}


def tool_result(result: ToolResult) -> dict[str, Any]:
    status = "failure" if result.failed else "success"
    return {"id": result.call.id, "status": status, "content": result.content, "type": "tool_result"}


def notice(it: Notice) -> dict[str, str]:
    """What a caller should know besides the answer."""
    return {"kind": it.kind.value, "subject": it.subject, "reason": it.reason, "message": it.message}


def noticed(notices: Iterable[Notice]) -> dict[str, list[dict[str, str]]]:
    """A field that is there where there is something to say: otherwise an answer has the reference's own bytes."""
    told = [notice(it) for it in notices]
    return {"notices": told} if told else {}


class Encoder(Protocol):
    """One turn's events as bytes, in order; an event that a protocol does not show gives ``b""``."""

    media_type: str

    def encode(self, event: TurnEvent) -> bytes: ...

    def failure(self, status: int, error: AssistantError) -> bytes:
        """The last bytes of a stream that has begun and cannot be completed."""
        ...


def line(event: str, data: dict[str, Any], **beside: Any) -> bytes:
    """One event; ``beside`` stands next to ``data``."""
    return f"data: {json.dumps({'event': event, 'data': data, **beside})}\n\n".encode("ascii")


def _started(event: TurnStarted) -> bytes:
    return line("start", {"conversation_id": event.conversation_id, "request_id": event.request_id})


def _end(event: TurnEnded) -> bytes:
    data = {
        "rag_chunks": [rag_chunk(passage) for passage in event.passages],
        "referenced_documents": [referenced_document(citation) for citation in event.citations],
        "truncated": True if event.truncated else None,
        "input_tokens": event.usage.input_tokens,
        "output_tokens": event.usage.output_tokens,
        **noticed(event.notices),
    }
    return line("end", data, available_quotas={})


def _called(call: ToolCall) -> dict[str, Any]:
    arguments = arguments_of(call)
    names = {"tool_name": call.name, "arguments": arguments, "name": call.name, "args": arguments}
    return {**names, "id": call.id, "type": "tool_call", "server_name": call.server_name}


def _returned(result: ToolResult) -> dict[str, Any]:
    return {
        "tool_name": result.call.name,
        "response": result.content,
        "id": result.call.id,
        "type": "tool_result",
        "server_name": result.call.server_name,
        "status": "failure" if result.failed else "success",
    }


def _fitting(event: str, number: int, shape: Callable[[int | None], dict[str, Any]]) -> bytes:
    """One line of at most MAX_LINE bytes; ``shape`` gives the token with texts of at most so many characters."""
    whole = line(event, {"id": number, "token": shape(None)})
    limit = MAX_LINE // 2
    while len(whole) > MAX_LINE:
        limit //= 2  # an escaped character takes up to twelve bytes, so that this ends soon
        whole = line(event, {"id": number, "token": shape(limit)})
    return whole


def _cut(text: str, limit: int | None) -> str:
    return text if limit is None or len(text) <= limit else text[:limit] + CUT


def _called_fitting(call: ToolCall, number: int) -> bytes:
    def shape(limit: int | None) -> dict[str, Any]:
        arguments = json.dumps(arguments_of(call)) if limit is not None else ""
        shown = _called(replace(call, id=_cut(call.id, limit), name=_cut(call.name, limit)))
        if limit is not None and len(arguments) > limit:
            # An object of the shape that arguments have which are none (``arguments_of``).
            shown["arguments"] = shown["args"] = {"query": _cut(arguments, limit)}
        return shown

    return _fitting("tool_call", number, shape)


def _returned_fitting(result: ToolResult, number: int) -> bytes:
    def shape(limit: int | None) -> dict[str, Any]:
        call = replace(result.call, id=_cut(result.call.id, limit), name=_cut(result.call.name, limit))
        return _returned(replace(result, call=call, content=_cut(result.content, limit)))

    return _fitting("tool_result", number, shape)


def _numbered(event: ToolCalled | ToolReturned, number: int) -> bytes:
    match event:
        case ToolCalled(call):
            return _called_fitting(call, number)
        case ToolReturned(result):
            return _returned_fitting(result, number)


class SseV1:
    """``media_type: application/json``: one ``data:`` line an event; ids count the events that have one, from 0."""

    media_type = "text/event-stream"

    def __init__(self) -> None:
        self._next = 0

    def encode(self, event: TurnEvent) -> bytes:
        match event:
            case TokenDelta(text):
                token = f'{{"id": {self.next_id()}, "token": {_escape(text)}}}'
                return f'data: {{"event": "token", "data": {token}}}\n\n'.encode("ascii")
            case TurnStarted():
                return _started(event)
            case ToolCalled() | ToolReturned():
                return _numbered(event, self.next_id())
            case Noticed(notices):
                return b"".join(line("notice", {"id": self.next_id(), **notice(it)}) for it in notices)
            case TurnEnded(text):
                return line("turn_complete", {"token": text}) + _end(event)
            case TurnFailed() | Cited() | Compacted():
                # A failure's status is the edge's to tell (``failure``); citations stand in ``end``.
                return b""
            case _:
                assert_never(event)

    def failure(self, status: int, error: AssistantError) -> bytes:
        return line("error", {"status_code": status, "response": error.response, "cause": error.cause})

    def next_id(self) -> int:
        number = self._next
        self._next += 1
        return number


class PlainText:
    """``media_type: text/plain``: the answer as it comes, with ``start`` and ``turn_complete`` still as JSON lines."""

    media_type = "text/event-stream"

    def __init__(self) -> None:
        self._json = SseV1()

    def encode(self, event: TurnEvent) -> bytes:
        match event:
            case TokenDelta(text):
                return text.encode("utf-8", "replace")
            case TurnStarted():
                return _started(event)
            case ToolCalled(call):
                return self._tool("Tool call", _called(call))
            case ToolReturned(result):
                return self._tool("Tool result", _returned(result))
            case TurnEnded(text):
                return line("turn_complete", {"token": text}) + _footer(event.citations)
            case TurnFailed() | Cited() | Compacted() | Noticed():
                return b""
            case _:
                assert_never(event)

    def failure(self, status: int, error: AssistantError) -> bytes:
        return f"\n\nError: {status}: {error.response}: {error.cause}\n".encode()

    def _tool(self, what: str, token: dict[str, Any]) -> bytes:
        return f"\n{what}: {json.dumps({'id': self._json.next_id(), 'token': token})}\n".encode("ascii")


def _footer(citations: tuple[Citation, ...]) -> bytes:
    lines = [f"{it.title}: {it.url}" if it.url else it.title for it in citations]
    return ("\n\n---\n\n" + "\n".join(lines)).encode() if lines else b""

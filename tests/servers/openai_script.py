"""What a scripted model server says: a script, and the bytes of the chat-completions protocol that it becomes.

Pure: no I/O. ``openai_server`` sends what is rendered here.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

type Json = dict[str, Any]

TWENTY_TOKENS = (*(f"token{number} " for number in range(1, 20)), "end.")
CREATED = 1_790_000_000
RESPONSE_ID = "chatcmpl-scripted"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer other than 200, with a body in the shape of OpenAI's errors unless ``body`` says otherwise."""

    status: int
    message: str
    code: str | None = None
    kind: str = "invalid_request_error"
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None

    def text(self) -> str:
        if self.body is not None:
            return self.body
        return dumps({"error": {"message": self.message, "type": self.kind, "param": None, "code": self.code}})


UNAUTHORIZED = Refusal(401, "Incorrect API key provided.", "invalid_api_key")
MODEL_NOT_FOUND = Refusal(404, "The model `nope` does not exist.", "model_not_found")
CONTEXT_LENGTH_EXCEEDED = Refusal(
    400, "This model's maximum context length is 4096 tokens. Please reduce the length.", "context_length_exceeded"
)
RATE_LIMITED = Refusal(429, "Rate limit reached.", "rate_limit_exceeded", "requests", (("Retry-After", "7"),))
SERVER_ERROR = Refusal(500, "The server had an error.", None, "server_error")


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """A tool call that the model wishes for; ``arguments`` is JSON text, streamed in two pieces."""

    id: str
    name: str
    arguments: str = "{}"


@dataclass(frozen=True, slots=True)
class Script:
    """One answer of the model, and what goes wrong on the way.

    Times are seconds. ``*_after`` counts tokens that are sent before the fault; a fault after 0 tokens comes behind the
    headers. Without ``stream`` in the request, ``cut_after`` and ``hang_after`` act in the middle of the body,
    ``error_after`` sends an error with status 200, and ``garbage_after`` a body that is not JSON.
    """

    tokens: tuple[str, ...] = TWENTY_TOKENS
    delay: float = 0.0
    """before each token of a stream, or before the whole answer"""
    usage: tuple[int, int] | None = (10, 20)
    """prompt and completion tokens; None: the server never counts"""
    tool_calls: tuple[ScriptedCall, ...] = ()
    finish_reason: str | None = "stop"
    """None: the finishing chunk is missing"""
    done: bool = True
    """a stream ends in ``data: [DONE]``"""
    refusal: Refusal | None = None
    hang_before_headers: bool = False
    hang_after: int | None = None
    cut_after: int | None = None
    error_after: int | None = None
    error_message: str = "The engine died."
    garbage_after: int | None = None
    comments: bool = False
    """an SSE comment before each token, as some gateways send to keep a connection alive"""
    split: int | None = None
    """a stream is sent in pieces of so many bytes, which end inside lines and inside UTF-8 characters"""
    line_end: str = "\n"
    huge_line: int = 0
    """a token of so many bytes is sent first"""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that are sent in one write; ``hang`` waits for release before them, ``cut`` breaks the connection."""

    data: bytes
    delay: float = 0.0
    hang: bool = False
    cut: bool = False


type Reply = tuple[Piece, ...]
"""A response as it goes out; one piece without delay can be written at once."""


def dumps(value: object) -> str:
    """Compact JSON with the characters as they are, so that a split can fall inside one."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def head(status: int, headers: tuple[tuple[str, str], ...]) -> bytes:
    """The status line and headers, with the empty line."""
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def whole(status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    """A response with a JSON body of known length."""
    body = text.encode()
    return head(status, (("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers)) + body


@lru_cache(maxsize=256)
def render(script: Script, model: str, *, stream: bool, include_usage: bool) -> Reply:
    """The bytes of one answer. Cached: a bench asks for the same again and again."""
    if script.refusal is not None:
        return (Piece(whole(script.refusal.status, script.refusal.text(), script.refusal.headers)),)
    reply = stream_reply(script, model, include_usage=include_usage) if stream else completion_reply(script, model)
    return (Piece(b"", hang=True), *reply) if script.hang_before_headers else reply


def completion_reply(script: Script, model: str) -> Reply:
    """One ``chat.completion`` object."""
    text = completion(script, model)
    if script.error_after is not None:
        text = dumps({"error": {"message": script.error_message, "type": "server_error", "code": None}})
    if script.garbage_after is not None:
        text = '{"id": "chatcmpl-'
    data = whole(200, text)
    middle = len(data) - len(text.encode()) // 2
    if script.cut_after is not None:
        return (Piece(data[:middle], script.delay), Piece(b"", cut=True))
    if script.hang_after is not None:
        return (Piece(data[:middle], script.delay), Piece(data[middle:], hang=True))
    return (Piece(data, script.delay),)


def completion(script: Script, model: str) -> str:
    message: Json = {"role": "assistant", "content": "".join(script.tokens)}
    if script.tool_calls:
        message["tool_calls"] = [tool_call(call, call.arguments) for call in script.tool_calls]
    choice = {"index": 0, "message": message, "finish_reason": reason(script)}
    answer: Json = {"id": RESPONSE_ID, "object": "chat.completion", "created": CREATED, "model": model}
    answer["choices"] = [choice]
    if script.usage is not None:
        answer["usage"] = usage(script.usage)
    return dumps(answer)


def stream_reply(script: Script, model: str, *, include_usage: bool) -> Reply:
    """Server-sent events in chunked transfer coding."""
    header = head(200, (("Content-Type", "text/event-stream; charset=utf-8"), ("Transfer-Encoding", "chunked")))
    events = joined(timeline(script, model, include_usage=include_usage))
    pieces = [part for event in events for part in chunks(event, script.split)]
    if not any(piece.cut for piece in pieces):
        pieces.append(Piece(b"0\r\n\r\n"))
    pieces = [Piece(header), *pieces]
    return tuple(pieces if script.split else joined(pieces))


def timeline(script: Script, model: str, *, include_usage: bool) -> list[Piece]:
    """The events of a stream, as pieces not yet in transfer coding."""
    spoken = [Piece(first_event(script, model))]
    for number in range(len(script.tokens) + 1):
        if number == script.error_after:
            return [*spoken, Piece(sse(script, dumps({"error": {"message": script.error_message, "code": 500}})))]
        if number == script.cut_after:
            return [*spoken, Piece(b"", cut=True)]
        if number == script.garbage_after:
            spoken.append(Piece(sse(script, '{"id": "chatcmpl-') + sse(script, "\x00 not json")))
        if number < len(script.tokens):
            comment = f": keep-alive{script.line_end * 2}".encode() if script.comments else b""
            token = sse(script, delta(model, {"content": script.tokens[number]}, include_usage=include_usage))
            spoken.append(Piece(comment + token, script.delay, hang=number == script.hang_after))
    closing = closing_events(script, model, include_usage=include_usage)
    return [*spoken, Piece(closing, hang=script.hang_after == len(script.tokens))]


def first_event(script: Script, model: str) -> bytes:
    """The chunk with the role, and the huge token where one is wished for."""
    first = sse(script, delta(model, {"role": "assistant", "content": ""}))
    if script.huge_line:
        first += sse(script, delta(model, {"content": "x" * script.huge_line}))
    return first


def closing_events(script: Script, model: str, *, include_usage: bool) -> bytes:
    """Tool calls, the finish reason, the usage where it was asked for, and ``[DONE]``."""
    said = b""
    for index, call in enumerate(script.tool_calls):
        middle = len(call.arguments) // 2
        opening = {"index": index, **tool_call(call, call.arguments[:middle])}
        said += sse(script, delta(model, {"tool_calls": [opening]}))
        rest = {"index": index, "function": {"arguments": call.arguments[middle:]}}
        said += sse(script, delta(model, {"tool_calls": [rest]}))
    if script.finish_reason is not None:
        said += sse(script, delta(model, {}, finish=reason(script)))
    if include_usage and script.usage is not None:
        said += sse(script, dumps({**chunk_base(model), "choices": [], "usage": usage(script.usage)}))
    return said + (sse(script, "[DONE]") if script.done else b"")


def joined(pieces: list[Piece]) -> list[Piece]:
    """Neighbours that need no wait between them become one piece."""
    result: list[Piece] = []
    for piece in pieces:
        if result and not (piece.delay or piece.hang or piece.cut):
            last = result.pop()
            result.append(Piece(last.data + piece.data, last.delay, last.hang, last.cut))
        else:
            result.append(piece)
    return result


def chunks(piece: Piece, split: int | None) -> list[Piece]:
    """``piece`` in transfer coding: chunks of at most ``split`` bytes, the waits before the first."""
    if not piece.data:
        return [piece]
    size = split or len(piece.data)
    parts = [piece.data[start : start + size] for start in range(0, len(piece.data), size)]
    coded = [b"%x\r\n%b\r\n" % (len(part), part) for part in parts]
    return [Piece(coded[0], piece.delay, piece.hang), *(Piece(data) for data in coded[1:])]


def sse(script: Script, data: str) -> bytes:
    return f"data: {data}{script.line_end * 2}".encode()


def chunk_base(model: str) -> Json:
    return {"id": RESPONSE_ID, "object": "chat.completion.chunk", "created": CREATED, "model": model}


def delta(model: str, content: Json, *, include_usage: bool = False, finish: str | None = None) -> str:
    answer = {**chunk_base(model), "choices": [{"index": 0, "delta": content, "finish_reason": finish}]}
    if include_usage:
        answer["usage"] = None
    return dumps(answer)


def tool_call(call: ScriptedCall, arguments: str) -> Json:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def reason(script: Script) -> str | None:
    return "tool_calls" if script.tool_calls and script.finish_reason == "stop" else script.finish_reason


def usage(counted: tuple[int, int]) -> Json:
    return {"prompt_tokens": counted[0], "completion_tokens": counted[1], "total_tokens": sum(counted)}

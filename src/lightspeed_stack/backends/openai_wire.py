"""The chat-completions protocol as values: requests out, chunks in. No I/O here.

Source: OpenAI API reference, "Create chat completion" and "The chat completion chunk object"; vLLM, llama.cpp and
others speak the same with omissions, so every field of a chunk is optional here.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Literal

import msgspec

from lightspeed_stack.backends.base import Delta, Finished, Generation, TextDelta, ToolCallDelta, ToolSpec
from lightspeed_stack.domain.chat import Message, ToolCall, Usage
from lightspeed_stack.errors import (
    BackendError,
    BackendFailed,
    BackendRateLimited,
    BackendUnavailable,
    ModelNotFound,
    PromptTooLong,
)

type Refused = BackendError | PromptTooLong | ModelNotFound

DONE = b"[DONE]"


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    index: int = 0
    id: str | None = None
    function: _Function | None = None


class _Piece(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    delta: _Piece | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


class _Problem(msgspec.Struct):
    """An error object; servers differ in whether ``code`` is a word or a number."""

    message: str | None = None
    type: str | None = None
    code: str | int | None = None


class _ErrorBody(msgspec.Struct):
    error: _Problem | str | None = None
    message: str | None = None


class _ModelEntry(msgspec.Struct):
    id: str
    max_model_len: int | None = None


class _ModelList(msgspec.Struct):
    data: list[_ModelEntry]


_chunks = msgspec.json.Decoder(_Chunk, strict=False)
_decode_chunk, _decode_chunks = _chunks.decode, _chunks.decode_lines
_decode_error = msgspec.json.Decoder(_ErrorBody, strict=False).decode
_decode_models = msgspec.json.Decoder(_ModelList, strict=False).decode


def request_body(generation: Generation) -> bytes:
    """The JSON body of a streamed chat completion that reports its usage."""
    body: dict[str, Any] = {
        "model": generation.model,
        "messages": [_message(message) for message in generation.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if generation.max_tokens is not None:
        body["max_tokens"] = generation.max_tokens
    if generation.temperature is not None:
        body["temperature"] = generation.temperature
    if generation.tools:
        body["tools"] = [_tool(tool) for tool in generation.tools]
    return msgspec.json.encode(body)


def _message(message: Message) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        wire["tool_calls"] = [_call(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    return wire


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": msgspec.Raw(tool.parameters.encode())}
    return {"type": "function", "function": function}


_REASONS: dict[str, Literal["stop", "length", "tool_calls", "content_filter"]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


class ChunkReader:
    """Turns the payloads of one stream into deltas; ``finish`` gives the last one."""

    __slots__ = ("_done", "_reason", "_usage")

    def __init__(self) -> None:
        self._reason: str | None = None
        self._usage: Usage | None = None
        self._done = False

    @property
    def done(self) -> bool:
        """Whether the server has said that nothing follows."""
        return self._done

    def read(self, payloads: list[bytes]) -> Iterator[Delta]:
        """Deltas of payloads that came together.

        Raises BackendFailed or another BackendError for garbage and in-band errors, after what came before them.
        """
        done = bool(payloads) and payloads[-1] == DONE
        if done:
            payloads = payloads[:-1]
        try:
            # All in one call; one by one only where that fails, to find out which.
            chunks: Iterable[_Chunk] = _decode_chunks(b"\n".join(payloads))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            chunks = map(_chunk, payloads)
        for chunk in chunks:
            yield from self._take(chunk)
        self._done = self._done or done

    def _take(self, chunk: _Chunk) -> list[Delta]:
        if chunk.error is not None:
            raise _told(chunk.error)
        if chunk.usage is not None:
            self._usage = Usage(chunk.usage.prompt_tokens or 0, chunk.usage.completion_tokens or 0)
        if not chunk.choices:
            return []
        choice = chunk.choices[0]
        if choice.finish_reason:
            self._reason = choice.finish_reason
        return [] if choice.delta is None else _deltas(choice.delta)

    def finish(self) -> Finished:
        """The closing delta. Raises BackendFailed when the server broke off before it was done."""
        if self._reason is None and not self._done:
            raise BackendFailed("The model provider broke off in the middle of the answer.")
        return Finished(_REASONS.get(self._reason or "stop", "stop"), self._usage)


def _chunk(payload: bytes) -> _Chunk:
    try:
        return _decode_chunk(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BackendFailed("The model provider sent something that is not a chat completion.") from error


def _deltas(piece: _Piece) -> list[Delta]:
    found: list[Delta] = []
    if piece.content:
        found.append(TextDelta(piece.content))
    if piece.refusal:
        found.append(TextDelta(piece.refusal))
    for call in piece.tool_calls or ():
        function = call.function or _Function()
        found.append(ToolCallDelta(call.index, call.id, function.name, function.arguments or ""))
    return found


def joined(deltas: list[Delta]) -> list[Delta]:
    """The same deltas with neighbouring pieces of text made one."""
    found: list[Delta] = []
    for is_text, run in groupby(deltas, lambda delta: isinstance(delta, TextDelta)):
        if is_text:
            found.append(TextDelta("".join(delta.text for delta in run if isinstance(delta, TextDelta))))
        else:
            found += run
    return found


def instead_of_answer(payload: bytes, model: str) -> Refused | None:
    """What the first payload of a stream says against answering at all; None where the answer begins.

    Llama Stack up to 0.2 tells every refusal so, after status 200. Raises BackendFailed for garbage.
    """
    error = None if payload == DONE else _chunk(payload).error
    return None if error is None else _told(error, model)


_TELLING = frozenset({401, 403, 413, 429, 502, 503, 504})
"""Statuses that say more than that there was an error, also where a server gives them to an error in mid-stream."""

_STATUS, _PREFIX = re.compile(r"([45]\d\d)"), re.compile(r"([45]\d\d): ")


def _told(error: Any, model: str | None = None) -> Refused:
    """Our error for one inside a stream: its status is its code, or stands before its message (Llama Stack 0.2)."""
    problem = _problem(msgspec.json.encode({"error": error}))
    found = _STATUS.fullmatch(str(problem.code)) or _PREFIX.match(problem.message or "")
    status = int(found[1]) if found else 500
    if status == 404 and model:
        return not_found(model)
    return _failure(problem, status if status in _TELLING else 500)


def not_found(model: str) -> ModelNotFound:
    return ModelNotFound(f"Model {model} is not known to the provider.")


def failure(body: bytes, *, status: int, retry_after: str | None = None) -> BackendError | PromptTooLong:
    """Our error for a provider's, from its status and error body.

    The provider's own words stay out: they may quote the prompt, a key or an internal address.
    """
    return _failure(_problem(body), status, retry_after)


def _failure(problem: _Problem, status: int, retry_after: str | None = None) -> BackendError | PromptTooLong:
    told = f"{problem.code or ''} {problem.type or ''} {problem.message or ''}".lower()
    if status == 413 or "context_length" in told or "context length" in told or "exceed_context" in told:
        return PromptTooLong("The question and what goes with it exceed the model's context window. Please shorten it.")
    if status == 429:
        seconds = int(retry_after) if retry_after and retry_after.isdecimal() and len(retry_after) < 10 else None
        return BackendRateLimited("The model provider limits requests. Please try again later.", retry_after=seconds)
    if status in {401, 403}:
        return BackendFailed("The model provider refused the configured credentials.")
    if status in {502, 503, 504}:
        return BackendUnavailable("The model provider is not ready.")
    if status == 500:
        return BackendFailed("The model provider reported an error.")
    return BackendFailed(f"The model provider answered with status {status}.")


def _problem(body: bytes) -> _Problem:
    try:
        decoded = _decode_error(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _Problem()
    if isinstance(decoded.error, _Problem):
        return decoded.error
    return _Problem(message=decoded.error or decoded.message)


def model_list(body: bytes) -> list[tuple[str, int | None]]:
    """Names and context windows (tokens; None where not told) of ``GET /models``. Raises BackendFailed."""
    try:
        return [(entry.id, entry.max_model_len) for entry in _decode_models(body).data]
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BackendFailed("The model provider's list of models cannot be read.") from error

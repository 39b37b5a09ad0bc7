"""What can be wrong with an MCP server, played before a real one: raw answers, cut connections, changed messages."""

import json
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.lowlevel
from starlette.types import Message, Receive, Scope, Send

type Json = dict[str, Any]

NOT_JSON = b"<html>This is no answer.</html>"

BAD_TOOLS: list[Any] = [
    "no object",
    None,
    {"description": "has no name", "inputSchema": {"type": "object"}},
    {"name": 7, "inputSchema": {"type": "object"}},
    {"name": "", "inputSchema": {"type": "object"}},
    {"name": "no_schema"},
    {"name": "schema_text", "inputSchema": "object"},
    {"name": "schema_list", "inputSchema": [{"type": "object"}]},
    {"name": "schema_of_text", "inputSchema": {"type": "string"}},
    {"name": "description_object", "description": {"text": "?"}, "inputSchema": {"type": "object"}},
    {"name": "add", "description": "Adds two numbers.", "inputSchema": {"type": "object"}},
]
"""What ``bad_shapes`` puts in the place of the tools; the last one is as it should be."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong. ``only`` are the JSON-RPC methods to which it happens; every request where it is None.

    The faults after ``only`` concern the method that their name says. A fault in the content of an answer
    (``garbage``, ``wrong_id``) does not concern a refusal.
    """

    hang: bool = False
    """takes the request and never answers, or when ``release`` is set"""
    slow: float = 0.0
    """seconds before each answer"""
    status: int | None = None
    """answers with this status, whatever was asked"""
    huge_body: bool = False
    """an answer without an end"""
    garbage: bool = False
    """what comes is not JSON"""
    wrong_id: bool = False
    """answers a question that nobody asked"""
    only: Collection[str] | None = None

    hang_after_list: bool = False
    """hangs as soon as the tools were listed once"""
    crash_on_call: bool = False
    """cuts every connection when a tool is called"""
    bad_shapes: bool = False
    """lists ``BAD_TOOLS``"""
    endless_pages: bool = False
    """one tool a page, and always one more page"""
    huge_list: int = 0
    """so many bytes of tools, at least, beside the ordinary ones"""

    def concern(self, method: str) -> bool:
        return self.only is None or method in self.only

    def changes_answers(self) -> bool:
        return self.garbage or self.wrong_id or self.bad_shapes

    def changed(self, message: Json) -> bytes:
        """An answer of the server, with its faults."""
        result = message.get("result")
        if not isinstance(result, dict):
            return dumps(message)
        method = method_of(result)
        if self.bad_shapes and method == "tools/list":
            message = {**message, "result": {**result, "tools": BAD_TOOLS}}
        if self.wrong_id and self.concern(method):
            message = {**message, "id": "nobody-asked"}
        return NOT_JSON if self.garbage and self.concern(method) else dumps(message)


def method_of(result: Json) -> str:
    """What a result answers; its shape says it."""
    marks = {
        "tools": "tools/list",
        "content": "tools/call",
        "protocolVersion": "initialize",
        "supportedVersions": "server/discover",
    }
    return next((method for mark, method in marks.items() if mark in result), "")


def dumps(message: Json) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def changed_lines(faults: Faults, chunk: bytes) -> bytes:
    """Whole server-sent events, with the faults in their messages."""
    lines = chunk.splitlines(keepends=True)
    return b"".join(
        b"data: " + faults.changed(json.loads(line.removeprefix(b"data: "))) + b"\r\n"
        if line.startswith(b"data: {")
        else line
        for line in lines
    )


def changing(send: Send, faults: Faults) -> Send:
    """A ``send`` that puts the faults into the answers that pass: JSON as a whole, or event by event."""
    start: MutableMapping[str, Any] = {}
    body = bytearray()

    async def pass_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
            if content_type(start) != b"application/json":
                await send(message)
        elif content_type(start) == b"text/event-stream":
            await send({**message, "body": changed_lines(faults, message.get("body", b""))})
        elif content_type(start) == b"application/json":
            body.extend(message.get("body", b""))
            if not message.get("more_body"):
                whole = faults.changed(json.loads(bytes(body))) if body else b""
                others = [it for it in start["headers"] if it[0] not in {b"content-type", b"content-length"}]
                await answer(send, start["status"], whole, others)
        else:
            await send(message)

    return pass_on


def content_type(start: Message) -> bytes:
    """Of a response that begins; without its parameters."""
    headers: dict[bytes, bytes] = dict(start.get("headers", ()))
    return headers.get(b"content-type", b"").partition(b";")[0].strip()


async def answer(send: Send, status: int, body: bytes, headers: Collection[tuple[bytes, bytes]] = ()) -> None:
    """A whole response of JSON, or of what pretends to be that."""
    usual = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*usual, *headers]})
    await send({"type": "http.response.body", "body": body})


async def body_without_end(send: Send) -> None:
    """JSON that begins well, until the client has enough; the caller sees to that."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b'{"jsonrpc":"2.0","id":1,"result":{"_":"', "more_body": True})
    while True:
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        await anyio.lowlevel.checkpoint()  # a send to a client that left returns at once


async def until_left(receive: Receive, work: Callable[[], Awaitable[object]]) -> bool:
    """Do ``work`` as long as the client is there; whether it was done. The request must have been read."""
    done = False
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            message = await receive()
            assert message["type"] == "http.disconnect", "the request was not read"
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        await work()
        done = True
        tasks.cancel_scope.cancel()
    return done


async def whole_body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def replayed(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` for whoever comes next: the body that was read, then what follows."""
    unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return unread.pop() if unread else await receive()

    return again


def headers_of(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def asked_method(body: bytes) -> str:
    """The JSON-RPC method of a request; empty where there is none."""
    try:
        message = json.loads(body) if body else {}
    except ValueError:
        return ""
    return str(message.get("method", "")) if isinstance(message, dict) else ""

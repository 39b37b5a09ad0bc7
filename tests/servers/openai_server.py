"""A scripted OpenAI-compatible server: it plays the text of a large model, and its faults, over real sockets.

In tests::

    async with openai_server(Script(tokens=("Hello",))) as server:
        ...  # server.url ends in /v1; server.requests has what was asked

From a shell, printing its address: ``python -m tests.servers.openai_server --port 0``.

It answers ``GET /v1/models``, ``GET /v1/models/{id}`` and ``POST /v1/chat/completions``, over keep-alive connections,
from bytes rendered once, so that a bench measures its client and not this server. ``POST /v1/embeddings`` gives vectors
that are near where words are the same (``openai_embeddings``).
"""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import anyio

from tests.servers.openai_embeddings import embeddings
from tests.servers.openai_script import (
    CONTEXT_LENGTH_EXCEEDED,
    CREATED,
    MODEL_NOT_FOUND,
    RATE_LIMITED,
    SERVER_ERROR,
    TWENTY_TOKENS,
    UNAUTHORIZED,
    Json,
    Piece,
    Refusal,
    Reply,
    Script,
    ScriptedCall,
    dumps,
    render,
    whole,
)

__all__ = [
    "CONTEXT_LENGTH_EXCEEDED",
    "MODEL_NOT_FOUND",
    "RATE_LIMITED",
    "SERVER_ERROR",
    "TWENTY_TOKENS",
    "UNAUTHORIZED",
    "OpenAIServer",
    "RecordedRequest",
    "Refusal",
    "Script",
    "ScriptedCall",
    "openai_server",
]

MAX_REQUEST_BYTES = 64 * 1024 * 1024
NOT_FOUND = Refusal(404, "Not found.")
NOT_JSON = Refusal(400, "The body is not a JSON object.")

type Scripts = Script | Sequence[Script] | Callable[[Json], Script]
"""One script for all requests; or one a request in order, the last repeating; or a function of the request's body."""


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as it came in; header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: Json


@dataclass(slots=True)
class OpenAIServer:
    """The server as a test sees it.

    ``models`` are the ids that ``/v1/models`` lists, or the entries themselves; ``models_refusal`` is its fault.
    ``answers`` are for what another protocol asks for besides, by method and path.
    ``cancelled`` is set, and ``cancellations`` counted, when a client leaves before its answer is complete.
    ``hanging`` is set when a script has reached its hang; setting ``release`` lets all hangs go on.
    """

    scripts: Scripts
    models: Sequence[str | Json] = ("fake-llm",)
    models_refusal: Refusal | None = None
    answers: Mapping[str, Json] = field(default_factory=dict)
    api_key: str | None = None
    record: bool = True
    url: str = ""
    requests: list[RecordedRequest] = field(default_factory=list)
    cancelled: anyio.Event = field(default_factory=anyio.Event)
    cancellations: int = 0
    hanging: anyio.Event = field(default_factory=anyio.Event)
    release: anyio.Event = field(default_factory=anyio.Event)
    answered: int = 0
    connections: int = 0
    """connections ever opened"""

    @property
    def chats(self) -> list[Json]:
        """The bodies of the chat completions that were asked for."""
        return [request.body for request in self.requests if request.path.endswith("/chat/completions")]

    def script(self, body: Json) -> Script:
        """The script of this request."""
        if isinstance(self.scripts, Script):
            return self.scripts
        if callable(self.scripts):
            return self.scripts(body)
        return self.scripts[min(self.answered, len(self.scripts) - 1)]

    def reply(self, request: RecordedRequest) -> Reply:
        """What is sent back, with its faults."""
        if self.record:
            self.requests.append(request)
        if self.api_key is not None and request.headers.get("authorization") != f"Bearer {self.api_key}":
            return refusal(UNAUTHORIZED)
        match request.method, request.path:
            case "GET", "/v1/models":
                return refusal(self.models_refusal) if self.models_refusal else (Piece(self.model_list()),)
            case "GET", path if path.removeprefix("/v1/models/") in self.model_ids:
                return (Piece(whole(200, dumps(self.model_entry(path.removeprefix("/v1/models/"))))),)
            case "POST", "/v1/chat/completions":
                return self.chat(request.body)
            case "POST", "/v1/embeddings":
                return (Piece(whole(200, dumps(embeddings(request.body)))),)
            case method, path:
                answer = self.answers.get(f"{method} {path}")
                return refusal(NOT_FOUND) if answer is None else (Piece(whole(200, dumps(answer))),)

    def chat(self, body: Json) -> Reply:
        if not body:
            return refusal(NOT_JSON)
        script = self.script(body)
        self.answered += 1
        include_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        stream = bool(body.get("stream"))
        return render(script, str(body.get("model")), stream=stream, include_usage=include_usage)

    @property
    def model_ids(self) -> list[str]:
        return [model if isinstance(model, str) else str(model["id"]) for model in self.models]

    def model_entry(self, id_: str) -> Json:
        given = next((model for model in self.models if not isinstance(model, str) and model["id"] == id_), None)
        return given or {"id": id_, "object": "model", "created": CREATED, "owned_by": "tests"}

    def model_list(self) -> bytes:
        entries = [self.model_entry(id_) for id_ in self.model_ids]
        return whole(200, dumps({"object": "list", "data": entries}))


def refusal(reason: Refusal) -> Reply:
    return render(Script(refusal=reason), "", stream=False, include_usage=False)


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection; requests are answered in turn."""

    def __init__(self, server: OpenAIServer, open_connections: set["Connection"]) -> None:
        self.server = server
        self.open_connections = open_connections
        self.buffer = bytearray()
        self.sending: asyncio.Task[None] | None = None
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, for uvloop's transports are no subclass.
        self.transport = cast("asyncio.Transport", transport)
        self.server.connections += 1
        self.open_connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_connections.discard(self)
        self.closed.set()
        if self.sending is not None:
            self.sending.cancel()
            self.server.cancellations += 1
            self.server.cancelled.set()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while self.sending is None and not self.transport.is_closing():
            request = self.next_request()
            if request is None:
                return
            self.answer(self.server.reply(request))

    def next_request(self) -> RecordedRequest | None:
        """The next complete request of the buffer, taken out of it; None where more must come first."""
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        first, *lines = self.buffer[:end].decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        length = int(headers.get("content-length", "0"))
        if "transfer-encoding" in headers or length > MAX_REQUEST_BYTES:
            self.transport.abort()
            return None
        start = end + 4
        if len(self.buffer) < start + length:
            return None
        body = bytes(self.buffer[start : start + length])
        del self.buffer[: start + length]
        method, path, _ = first.split(" ", 2)
        return RecordedRequest(method, path, headers, parsed(body))

    def answer(self, reply: Reply) -> None:
        only = reply[0]
        if len(reply) == 1 and not (only.delay or only.hang or only.cut):
            self.transport.write(only.data)
            return
        self.sending = asyncio.create_task(self.send(reply))

    async def send(self, reply: Reply) -> None:
        """Send piece by piece; cancelled when the client leaves."""
        for piece in reply:
            if piece.hang:
                self.server.hanging.set()
                await self.server.release.wait()
            # Even without delay the loop goes round, so that pieces arrive apart.
            await asyncio.sleep(piece.delay)
            if piece.cut:
                self.sending = None
                self.transport.close()  # what was written is sent first
                return
            self.transport.write(piece.data)
        self.sending = None
        self.data_received(b"")


def parsed(body: bytes) -> Json:
    """The JSON object of a request, empty where there is none."""
    try:
        value = json.loads(body) if body else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


@asynccontextmanager
async def serving(server: OpenAIServer, *, port: int = 0) -> AsyncIterator[OpenAIServer]:
    """Listen on the loopback; leaving the context closes every connection."""
    open_connections: set[Connection] = set()
    listener = await asyncio.get_running_loop().create_server(
        lambda: Connection(server, open_connections), "127.0.0.1", port, backlog=1024
    )
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
    try:
        yield server
    finally:
        listener.close()
        leaving = list(open_connections)
        for connection in leaving:
            connection.transport.abort()
        for connection in leaving:
            await connection.closed.wait()


@asynccontextmanager
async def openai_server(
    scripts: Scripts | None = None,
    *,
    models: Sequence[str | Json] = ("fake-llm",),
    models_refusal: Refusal | None = None,
    answers: Mapping[str, Json] | None = None,
    api_key: str | None = None,
    port: int = 0,
) -> AsyncIterator[OpenAIServer]:
    """A server on a free port; without a script it answers every request with twenty tokens at once."""
    server = OpenAIServer(
        scripts or Script(), models=models, models_refusal=models_refusal, answers=answers or {}, api_key=api_key
    )
    async with serving(server, port=port):
        yield server


def is_slow(body: Json) -> bool:
    messages = body.get("messages") or [{}]
    return "slowly" in str(messages[-1].get("content"))


async def stand(*, port: int, tokens: int, delay: float, slow_delay: float, api_key: str | None) -> None:
    """Serve until interrupted; nothing is recorded.

    A question with the word "slowly" gets its tokens one by one. Not ``stream`` decides: a service may ask for a stream
    whatever its own client asked for, and a bench must give both the same model.
    """
    words = tuple(f"token{number} " for number in range(tokens))
    usual, slow = Script(words, delay, (10, tokens)), Script(words, slow_delay, (10, tokens))
    server = OpenAIServer(lambda body: slow if is_slow(body) else usual, api_key=api_key, record=False)
    async with serving(server, port=port):
        print(server.url, flush=True)  # noqa: T201 - the address is what a caller waits for
        await anyio.sleep_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description="A scripted OpenAI-compatible server.")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--tokens", type=int, default=20, help="tokens an answer")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each token, or a whole answer")
    parser.add_argument("--slow-delay", type=float, default=0.0, help="the same, where the question says: slowly")
    parser.add_argument("--api-key", default=None, help="the bearer token that requests must carry")
    options = parser.parse_args()
    try:
        anyio.run(
            lambda: stand(
                port=options.port,
                tokens=options.tokens,
                delay=options.delay,
                slow_delay=options.slow_delay,
                api_key=options.api_key,
            ),
            backend_options={"use_uvloop": True},
        )
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()

"""Something between an HTTP client and a server that writes down what was asked, and changes nothing."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(slots=True)
class HttpRelay:
    """``requests`` are the method and path of all requests in the order in which they came: ``GET /v1/models``."""

    target: int
    port: int = 0
    requests: list[str] = field(default_factory=list)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def take(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Serve one connection until one of both ends closes it."""
        server, to_server = await asyncio.open_connection("127.0.0.1", self.target)
        both = {to_client, to_server}
        self._open |= both
        answers = asyncio.create_task(pass_on(server, to_client))
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self.ask(client, to_server)
        finally:
            answers.cancel()
            for writer in both:
                writer.transport.abort()
            self._open -= both

    async def close(self, listening: asyncio.Server) -> None:
        listening.close()
        for writer in self._open:
            writer.transport.abort()
        await listening.wait_closed()

    async def ask(self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
        while True:
            head = await client.readuntil(b"\r\n\r\n")
            method, path, _ = head.split(b" ", 2)
            self.requests.append(f"{method.decode()} {path.decode()}")
            length = LENGTH.search(head)
            body = await client.readexactly(int(length[1])) if length else b""
            to_server.write(head + body)
            await to_server.drain()


async def pass_on(server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await server.read(65_536):
            to_client.write(data)
            await to_client.drain()
    to_client.transport.abort()


@asynccontextmanager
async def http_relay(target: int) -> AsyncIterator[HttpRelay]:
    """A relay before the server on a port of this machine, until the context is left."""
    relay = HttpRelay(target)
    listening = await asyncio.start_server(relay.take, "127.0.0.1", 0)
    relay.port = listening.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        await relay.close(listening)

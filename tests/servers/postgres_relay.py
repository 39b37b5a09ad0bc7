"""Something between a service and its PostgreSQL that fails as networks do: it hangs, refuses, and breaks off.

It runs on a thread of its own: a service that starts in the test's event loop waits for its database there.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum

from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.servers.postgres import PostgresDatabase

COMMIT = b"COMMIT\0"


class Break(Enum):
    """Where in a commit the connection is lost; the service cannot tell whether it was made."""

    BEFORE = "before the server hears of it"
    AFTER = "when the server has made it"


@dataclass(slots=True)
class Relay:
    """``breaks`` says which of the next commits break off, None for none; ``refusals`` how many connections do."""

    target: PostgresDatabase
    portal: BlockingPortal
    port: int = 0
    breaks: list[Break | None] = field(default_factory=list)
    refusals: int = 0
    _going: asyncio.Event = field(default_factory=asyncio.Event)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def database(self) -> PostgresDatabase:
        """The database, by way of this relay."""
        return PostgresDatabase("127.0.0.1", self.port, self.target.name, self.target.user, self.target.password)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Nothing gets through, and nothing breaks off."""
        self.portal.call(self._going.clear)
        try:
            yield
        finally:
            self.portal.call(self._going.set)

    async def serve(self) -> asyncio.Server:
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._going.set()
        return server

    async def close(self, server: asyncio.Server) -> None:
        server.close()
        self._going.set()
        for writer in self._open:
            writer.transport.abort()
        await server.wait_closed()

    async def _take(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        if self.refusals:
            self.refusals -= 1
            to_client.transport.abort()
            return
        path = f"{self.target.host}/.s.PGSQL.{self.target.port}"
        server, to_server = await asyncio.open_unix_connection(path)
        both = {to_client, to_server}
        self._open |= both
        answers = asyncio.create_task(self._answer(server, to_client))
        try:
            with suppress(OSError):
                commit = await self._ask(client, to_server)
                if commit:
                    answers.cancel()  # the service must not hear of it
                    await asyncio.wait({answers})
                    to_server.write(commit)
                    to_server.write_eof()
                    while await server.read(65_536):  # until the server has done all that it was told
                        pass
        finally:
            answers.cancel()
            for writer in both:
                writer.transport.abort()
            self._open -= both

    async def _ask(self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> bytes:
        """Pass on what the service says, until it ends or a commit breaks off; what the server is still to hear."""
        while data := await client.read(65_536):
            await self._going.wait()
            if COMMIT in data and self.breaks and (where := self.breaks.pop(0)):
                return data if where is Break.AFTER else b""
            to_server.write(data)
            await to_server.drain()
        return b""

    async def _answer(self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await server.read(65_536):
                await self._going.wait()
                to_client.write(data)
                await to_client.drain()
        to_client.transport.abort()


@contextmanager
def relay(target: PostgresDatabase) -> Iterator[Relay]:
    """A relay before a database, until the context is left."""
    with start_blocking_portal() as portal:
        between = Relay(target, portal)
        server = portal.call(between.serve)
        try:
            yield between
        finally:
            portal.call(between.close, server)

"""ASGI applications to be run in a thread of their own, and what a test may see of them from outside."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from lightspeed_stack.transport.exchange import Application

SECRET = "what the caller asked"
ours: ContextVar[str] = ContextVar("ours", default="unknown")


async def happened(event: Event) -> None:
    """Wait for what happens in another thread."""
    assert await anyio.to_thread.run_sync(event.wait, 5)


@dataclass
class Facts:
    """What an application did; set in its thread, read in the test's."""

    made: int = 0
    cancelled: Event = field(default_factory=Event)
    disconnected: Event = field(default_factory=Event)
    closed: Event = field(default_factory=Event)
    gate: Event = field(default_factory=Event)
    """opened by a test to let the application go on"""


@dataclass
class Routes:
    """One for each thing that may happen."""

    facts: Facts

    async def hello(self, _: Request) -> Response:
        return JSONResponse({"says": ours.get()})

    async def echo(self, request: Request) -> Response:
        return JSONResponse(
            {"path": request.path_params["name"], "query": dict(request.query_params), "body": await request.json()}
        )

    async def busy(self, _: Request) -> Response:
        return Response(b"busy", 429, {"Retry-After": "7"})

    async def count(self, request: Request) -> Response:
        async def numbers() -> AsyncIterator[str]:
            for number in range(int(request.query_params["to"])):
                self.facts.made += 1
                yield f"{number} "

        return StreamingResponse(numbers())

    async def source(self, _: Request) -> Response:
        """A stream that reads from another, which gives much and then makes it wait."""

        async def inner() -> AsyncIterator[str]:
            try:
                for _ in range(100):
                    yield "piece"
                await anyio.sleep_forever()
            finally:
                self.facts.cancelled.set()

        async def outer(kept: AsyncIterator[str]) -> AsyncIterator[str]:
            async for piece in kept:
                await asyncio.sleep(0)
                yield piece

        self.kept = inner()  # as a reference cycle would
        return StreamingResponse(outer(self.kept))

    async def gated(self, _: Request) -> Response:
        async def pieces() -> AsyncIterator[str]:
            yield "first"
            await asyncio.to_thread(self.facts.gate.wait, 5)
            yield "second"

        return StreamingResponse(pieces())

    async def raising(self, _: Request) -> Response:
        raise ValueError(SECRET)

    async def breaking(self, _: Request) -> Response:
        async def pieces() -> AsyncIterator[str]:
            yield "first"
            raise ValueError(SECRET)

        return StreamingResponse(pieces())

    async def hanging(self, _: Request) -> Response:
        await anyio.sleep_forever()
        raise AssertionError

    async def mute(self, _: Any, receive: Any, __: Any) -> None:
        """Ends without an answer."""
        await receive()

    async def watching(self, _: Any, receive: Any, send: Any) -> None:
        """Sends one piece, and sees how the caller leaves."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        try:
            await anyio.sleep_forever()
        finally:
            self.facts.cancelled.set()
            await receive()
            if (await receive())["type"] == "http.disconnect":
                self.facts.disconnected.set()


def application(facts: Facts) -> Callable[[], AbstractAsyncContextManager[Application]]:
    """An application with these routes, and the context it lives in."""
    routes = Routes(facts)
    handlers = (
        routes.hello,
        routes.busy,
        routes.count,
        routes.source,
        routes.gated,
        routes.raising,
        routes.breaking,
        routes.hanging,
    )
    raw: dict[str, Application] = {"/mute": routes.mute, "/watching": routes.watching}

    @asynccontextmanager
    async def live() -> AsyncIterator[Application]:
        starlette = Starlette(
            routes=[
                Route("/echo/{name:path}", routes.echo, methods=["POST"]),
                *(Route(f"/{handler.__name__}", handler) for handler in handlers),
            ]
        )

        async def both(scope: Any, receive: Any, send: Any) -> None:
            await raw.get(scope["path"], starlette)(scope, receive, send)

        try:
            yield both
        finally:
            facts.closed.set()

    return live

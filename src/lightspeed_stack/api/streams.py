"""A turn as a response; a client that leaves cancels it."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lightspeed_stack.api.problems import status_of
from lightspeed_stack.api.wire import Encoder
from lightspeed_stack.assistant.agent import Emit
from lightspeed_stack.domain.events import TurnEvent, TurnFailed
from lightspeed_stack.errors import AssistantError

log = logging.getLogger(__name__)

HEADERS = [(b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]


@asynccontextmanager
async def until_disconnected(receive: Receive) -> AsyncIterator[anyio.CancelScope]:
    """Cancels what runs inside when the client leaves.

    Starlette's own streaming response notices only when it next sends: too late for a model that is thinking.
    """
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        yield tasks.cancel_scope
        tasks.cancel_scope.cancel()


class EventStream(Response):
    """Runs a turn and sends its events as they happen.

    An error before the first byte is raised, and becomes a real status. After it the stream ends in an error event: it
    always ends in one or the other, unless the client is gone.
    """

    def __init__(self, run: Callable[[Emit], Awaitable[None]], encoder: Encoder) -> None:
        self.status_code = 200
        self.background: BackgroundTask | None = None
        self._run = run
        self._encoder = encoder
        self._begun = False
        self._failure: AssistantError | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        failure: BaseException | None = None
        async with until_disconnected(receive):
            try:
                await self._run(lambda event: self._send(event, send))
            except Exception as error:  # noqa: BLE001 - carried out of the task group, which would wrap it
                failure = error
            else:
                failure = self._failure
            if self._begun:
                await self._finish(failure, send)
        if failure is not None and not self._begun:
            raise failure

    async def _send(self, event: TurnEvent, send: Send) -> None:
        if isinstance(event, TurnFailed):
            self._failure = event.error
            return
        data = self._encoder.encode(event)
        if not data:
            return
        if not self._begun:
            self._begun = True
            content_type = f"{self._encoder.media_type}; charset=utf-8".encode()
            headers = [(b"content-type", content_type), *HEADERS]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": data, "more_body": True})

    async def _finish(self, failure: BaseException | None, send: Send) -> None:
        last = b""
        if failure is not None:
            error = failure
            if not isinstance(error, AssistantError):
                log.error("a turn broke off", exc_info=failure)
                error = AssistantError("The service failed; its log says why.")
            last = self._encoder.failure(status_of(error), error)
        await send({"type": "http.response.body", "body": last, "more_body": False})

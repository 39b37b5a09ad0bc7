"""A turn as a response; a client that leaves cancels it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import anyio
from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lightspeed_stack.api.problems import status_of
from lightspeed_stack.api.wire import Encoder
from lightspeed_stack.assistant.answer import Emit
from lightspeed_stack.domain.events import TurnEvent, TurnFailed
from lightspeed_stack.errors import AssistantError, ServiceStopping

log = logging.getLogger(__name__)

HEADERS = [(b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]


class UntilDisconnected:
    """Cancels what runs inside when the client leaves.

    Starlette's own streaming response notices only when it next sends: too late for a model that is thinking. One bare
    task and one scope, because a task group costs more, and every question pays for it.
    """

    __slots__ = ("_receive", "_scope", "_watcher", "left")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._scope = anyio.CancelScope()
        self.left = False
        """whether the client has left"""

    async def __aenter__(self) -> Self:
        self._scope.__enter__()
        self._watcher = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._watcher.cancel()
        return bool(self._scope.__exit__(kind, error, traceback))

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.left = True
        self._scope.cancel()


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
        async with UntilDisconnected(receive) as client:
            try:
                await self._run(lambda event: self._send(event, send))
                failure: Exception | None = self._failure
            except asyncio.CancelledError:
                if self._begun and not client.left:
                    with anyio.CancelScope(shield=True):
                        await self._finish(ServiceStopping("The answer was cut because the service stops."), send)
                raise
            except Exception as error:
                if not self._begun:
                    raise
                failure = error
            if not self._begun and failure is not None:
                raise failure
            await self._finish(failure, send)

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

    async def _finish(self, failure: Exception | None, send: Send) -> None:
        last = b""
        if failure is not None:
            error = failure
            if not isinstance(error, AssistantError):
                log.error("a turn broke off", exc_info=failure)
                error = AssistantError("The service failed; its log says why.")
            last = self._encoder.failure(status_of(error), error)
        await send({"type": "http.response.body", "body": last, "more_body": False})

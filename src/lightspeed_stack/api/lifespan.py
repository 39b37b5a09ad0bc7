"""Opening and closing the services with the server, and saying plainly why they could not be opened."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lightspeed_stack.config.tree import Config
from lightspeed_stack.errors import AssistantError
from lightspeed_stack.services import open_services
from lightspeed_stack.telemetry.metrics import Metrics

log = logging.getLogger(__name__)


def lifespan(config: Config, metrics: Metrics) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """The application's lifespan: services are open while it serves."""

    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        try:
            async with open_services(config, metrics) as services:
                app.state.services = services
                yield
        except AssistantError as error:
            app.state.start_failure = error
            raise

    return run


class PlainStartFailure:
    """Replaces the traceback of a start that failed for a known reason by that reason; the exit code stays 3."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def plainly(message: Message) -> None:
            failure = getattr(scope["app"].state, "start_failure", None) if "app" in scope else None
            if message["type"] == "lifespan.startup.failed" and isinstance(failure, AssistantError):
                message = {**message, "message": f"{failure.response}: {failure.cause}"}
            await send(message)

        await self._app(scope, receive, plainly)

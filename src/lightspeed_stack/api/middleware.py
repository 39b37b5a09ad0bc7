"""What happens around every request, as plain ASGI: counting, limits, and errors that nobody foresaw.

Starlette's ``BaseHTTPMiddleware`` costs a task group and a channel a request, so it is not used.
"""

import logging
from time import perf_counter

from fastapi import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lightspeed_stack.api.wire import dumps
from lightspeed_stack.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

FAILED = dumps({"detail": {"response": "Internal server error", "cause": "The service failed; its log says why."}})


def _too_large(limit: int) -> dict[str, str]:
    cause = f"The request body is larger than {limit} bytes (service.max_body_size)."
    return {"response": "Request is too large", "cause": cause}


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Counting:
    """Counts and times requests by route template; paths that are no route are not counted (metrics.md).

    A response is counted before its last piece is sent: whoever has an answer finds it counted, even if this process is
    killed the next moment. CORS lies outside, so a browser's preflight, which no route answers, is not counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        status: int | None = None
        seconds = 0.0
        counted = False

        def count() -> None:
            nonlocal counted
            path = _template(scope)
            if path is not None and not counted:
                self._metrics.request(path, status, seconds if status else perf_counter() - began)
            counted = True

        async def watch(message: Message) -> None:
            nonlocal status, seconds
            if message["type"] == "http.response.start":
                status = message["status"]
                seconds = perf_counter() - began
            elif not message.get("more_body", False):
                count()
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            count()


def _template(scope: Scope) -> str | None:
    """The path of the route that a request is meant for, with its parameters' names; None where there is none.

    The router notes its choice, of a wrong method too. What was answered before the router, such as a body that is too
    large, is looked up.
    """
    route = scope.get("route")
    if route is None and "app" in scope:
        route = next((it for it in scope["app"].routes if it.matches(scope)[0] is not Match.NONE), None)
    return getattr(route, "path", None)


class Guard:
    """Limits bodies, answers paths with a trailing slash directly, and turns what nobody foresaw into JSON.

    Inside CORS, so that a browser may read the error.
    """

    def __init__(self, app: ASGIApp, max_body_size: int) -> None:
        self._app = app
        self._max_body_size = max_body_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if len(path) > 1 and path.endswith("/"):
            scope["path"] = path.rstrip("/") or "/"
        limit = self._max_body_size
        if any(name == b"content-length" and int(value) > limit for name, value in scope["headers"] if value.isdigit()):
            await _answer(send, 413, dumps({"detail": _too_large(limit)}))
            return
        await self._guarded(scope, receive, send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_body_size:
                # Of this class, because FastAPI takes any other for a body that it cannot read.
                raise HTTPException(413, _too_large(self._max_body_size))
            return message

        async def watch(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, bounded, watch)
        except HTTPException as error:  # ours: a body was read outside FastAPI, which answers it itself
            if begun:
                raise
            await _answer(send, error.status_code, dumps({"detail": error.detail}))
        except Exception:
            log.exception("a request failed")
            if begun:
                raise
            await _answer(send, 500, FAILED)

"""The short way of a valid question: parsed and checked in one step, and straight to its endpoint.

FastAPI routes, parses, resolves and validates in several steps, and every question pays for them. So a valid body is
answered here, before them; whatever is not valid takes FastAPI's way, which says exactly what is wrong. Order of checks
and all answers are the same either way (rest-api.md 0.2).
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lightspeed_stack.api.deps import caller
from lightspeed_stack.api.problems import on_assistant_error
from lightspeed_stack.domain.identity import Principal
from lightspeed_stack.errors import AssistantError

type Endpoint = Callable[[Request, Any, Principal], Awaitable[Response]]

JSON = "application/json"


class ShortWayRoute(APIRoute):
    """A POST route whose endpoint takes ``(request, body, who)`` and gives a finished response."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        model = endpoint.__annotations__["body"]
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise TypeError(f"{endpoint.__name__}: body is not annotated with a model")
        self.parse: Callable[[bytes], Any] = TypeAdapter(model).validate_json
        self.answer: Endpoint = endpoint


class ShortWay:
    """Answers valid requests to its routes; everything else goes on to ``app``."""

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        self._routes = {route.path: route for route in routes if isinstance(route, ShortWayRoute)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive, send)
        if request.headers.get("content-type") != JSON:
            await self._app(scope, receive, send)
            return
        try:
            data = await request.body()
        except ClientDisconnect:
            return  # nobody is left to be answered
        try:
            body = route.parse(data)
        except ValidationError:
            await self._app(scope, _again(data, receive), send)
            return
        scope["route"] = route
        try:
            response = await route.answer(request, body, await caller(request))
            await response(scope, receive, send)
        except AssistantError as error:  # before the first byte: what has begun tells its errors itself
            response = await on_assistant_error(request, error)
            await response(scope, receive, send)


def _again(data: bytes, receive: Receive) -> Receive:
    """A body that has been read, once more; then what the server says after it."""
    read = False

    async def replay() -> Message:
        nonlocal read
        if read:
            return await receive()
        read = True
        return {"type": "http.request", "body": data, "more_body": False}

    return replay

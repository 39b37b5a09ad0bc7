"""The short way of a valid request: its JSON is parsed and checked in one step, and goes straight to the endpoint.

FastAPI parses, resolves and validates in several steps, and every question pays for them.
So a body that is valid takes this way; whatever is not takes FastAPI's, which says exactly what is wrong. Order of
checks and all answers are the same either way (rest-api.md 0.2).
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError

from lightspeed_stack.api.deps import caller
from lightspeed_stack.domain.identity import Principal

type Endpoint = Callable[[Request, Any, Principal], Awaitable[Response]]

JSON = "application/json"


class ShortWayRoute(APIRoute):
    """A route whose endpoint takes ``(request, body, who)`` and gives a finished response."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Try the short way first."""
        explain = super().get_route_handler()
        endpoint: Endpoint = self.endpoint
        model = self.endpoint.__annotations__["body"]
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise TypeError(f"{self.endpoint.__name__}: body is not annotated with a model")
        parse = TypeAdapter(model).validate_json

        async def handle(request: Request) -> Response:
            if request.headers.get("content-type") != JSON:
                return await explain(request)
            data = await request.body()
            try:
                body = parse(data)
            except ValidationError:
                return await explain(request)
            return await endpoint(request, body, await caller(request))

        return handle

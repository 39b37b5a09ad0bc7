"""The stack's own routes as an ASGI application, without its server: no logging, no authentication, no middleware.

Above: ``library`` gives it the parts of a stack that runs. Below: the routes of the release that is installed. From 0.7
on all are FastAPI's routers, up to 0.3 all are made from annotated methods, in between there are both.

Source: ``core/server/server.py`` of llama-stack 0.2.22, 0.3.5, 0.6.1 and 0.7.3, and of ogx 1.0.2 and 1.5.0.
"""

import logging
import warnings
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

log = logging.getLogger(__name__)

VECTOR_STORES = "/v1/vector_stores"


def application(package: str, parts: Mapping[Any, Any]) -> FastAPI:
    """``parts`` are the implementations of a running stack by their API."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    routers = _module(f"{package}.core.server.fastapi_router_registry")
    typed = _TypedRoutes(package)
    for api, part in parts.items():
        router = routers.build_fastapi_router(api, part) if routers is not None else None
        if router is not None:
            app.include_router(router)
        else:
            typed.add(app, api, part)
    answer = _failures(package)
    app.exception_handler(RequestValidationError)(answer)
    app.exception_handler(Exception)(answer)
    return app


def _module(name: str) -> ModuleType | None:
    return import_module(name) if find_spec(name) is not None else None


class _TypedRoutes:
    """Routes that a release makes from the annotated methods of an API's protocol; none in the newer ones."""

    def __init__(self, package: str) -> None:
        routes = _module(f"{package}.core.server.routes")
        listing = getattr(routes, "get_all_api_routes", None)
        self._routes = listing() if listing is not None else {}
        self._package = package

    def add(self, app: FastAPI, api: Any, part: Any) -> None:
        for route, _ in self._routes.get(api, ()):
            method = next((name.lower() for name in route.methods if name != "HEAD"), None)
            if method is None or not hasattr(part, route.name):
                continue
            server = import_module(f"{self._package}.core.server.server")
            with warnings.catch_warnings():  # as the release does: it annotates fields twice
                warnings.filterwarnings("ignore", category=UserWarning, module="pydantic._internal._fields")
                handler = server.create_dynamic_typed_route(getattr(part, route.name), method, route.path)
                app.add_api_route(route.path, handler, methods=[method.upper()], response_model=None)


def _failures(package: str) -> Callable[[Request, Exception], Awaitable[JSONResponse]]:
    """Answers a request that raised with the status that the release's server gives, and prints nothing."""
    translation = _module(f"{package}.core.exceptions") or import_module(f"{package}.core.server.server")

    async def answer(request: Request, error: Exception) -> JSONResponse:
        refusal = translation.translate_exception(error)
        status = getattr(refusal, "status_code", 400)
        if status == 404 and request.url.path.startswith(VECTOR_STORES):
            status = 400  # as in OpenAI's protocol
        if status >= 500:
            log.error("the stack failed: %s", type(error).__name__)  # its words may quote a prompt
        return JSONResponse({"error": {"message": getattr(refusal, "detail", "")}}, status)

    return answer

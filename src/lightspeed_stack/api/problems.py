"""Errors → status and body, once for all routes.

Shapes: rest-api.md 0.3. Every error is JSON; ``cause`` carries nothing internal.
"""

import logging
from math import isfinite
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.routing import Route

from lightspeed_stack import errors
from lightspeed_stack.api.wire import dumps

log = logging.getLogger(__name__)

STATUS: dict[type[errors.AssistantError], int] = {
    errors.CredentialsMalformed: 400,
    errors.NotAuthenticated: 401,
    errors.NotAllowed: 403,
    errors.ModelOverrideNotAllowed: 403,
    errors.SystemPromptNotAllowed: 422,
    errors.AttachmentNotAllowed: 422,
    errors.ConversationAccessDenied: 403,
    errors.ConversationNotFound: 404,
    errors.ModelNotFound: 400,
    errors.ShieldNotFound: 422,
    errors.ToolAuthorizationRequired: 401,
    errors.ServerNotFound: 404,
    errors.ServerExists: 409,
    errors.ServerRefused: 409,
    errors.ServerNotRemovable: 403,
    errors.PromptTooLong: 413,
    errors.BackendRateLimited: 429,
    errors.BackendError: 500,
    errors.ServiceStopping: 503,
    errors.StorageError: 500,
    errors.KnowledgeError: 500,
    errors.ConfigurationError: 500,
    errors.AssistantError: 500,
}
"""A class that is not listed has its nearest listed parent's status."""

PLAIN = (errors.CredentialsMalformed, errors.NotAuthenticated, errors.NotAllowed)
"""Their ``detail`` is a string, as the contract has it."""

MAX_ECHO = 200
"""Characters of a refused value that are shown to the one who sent it."""

MAX_ITEMS = 20
"""Items of a refused list or object that are shown."""

MAX_DEPTH = 8
"""Levels of a refused list or object that are shown."""

MAX_PROBLEMS = 100
"""Problems of one request that are told."""


def status_of(error: errors.AssistantError) -> int:
    return next(STATUS[class_] for class_ in type(error).__mro__ if class_ in STATUS)


def detail_of(error: errors.AssistantError) -> str | dict[str, str]:
    if isinstance(error, PLAIN):
        return error.cause
    return {"response": error.response, "cause": error.cause} if error.cause else {"response": error.response}


def json_response(status: int, content: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(dumps(content), status, headers, "application/json")


async def on_assistant_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, errors.AssistantError):
        raise error
    headers = {}
    if isinstance(error, errors.BackendRateLimited) and error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, errors.ToolAuthorizationRequired):
        headers["WWW-Authenticate"] = error.www_authenticate
    return json_response(status_of(error), {"detail": detail_of(error)}, headers)


async def on_invalid_request(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    problems = [
        {**problem, "loc": [shown(step) for step in problem["loc"]], "input": shown(problem.get("input"))}
        for problem in error.errors()[:MAX_PROBLEMS]
    ]
    return json_response(422, jsonable_encoder({"detail": problems}))


async def on_wrong_method(request: Request, _: Exception) -> Response:
    """As the framework answers, with the methods of all routes of the path: it would name those of the first alone."""
    routes = (route for route in request.app.router.routes if isinstance(route, Route))
    allowed = {
        method for route in routes if route.path_regex.match(request.scope["path"]) for method in route.methods or ()
    }
    return json_response(405, {"detail": "Method Not Allowed"}, {"Allow": ", ".join(sorted(allowed))})


def shown(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Enough of a refused value to recognise it, as JSON that every client reads."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value if len(value) <= MAX_ECHO else value[:MAX_ECHO] + "…"
    if isinstance(value, dict | list) and not depth:
        return "…"
    if isinstance(value, dict):
        return {shown(str(key)): shown(item, depth - 1) for key, item in list(value.items())[:MAX_ITEMS]}
    if isinstance(value, list):
        return [shown(item, depth - 1) for item in value[:MAX_ITEMS]]
    return str(value) if isinstance(value, float) and not isfinite(value) else value


def install(app: FastAPI) -> None:
    app.add_exception_handler(errors.AssistantError, on_assistant_error)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(405, on_wrong_method)

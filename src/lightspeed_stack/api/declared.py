"""Errors as the OpenAPI document declares them, and which of them a kind of route can answer with.

A status whose body has one of two shapes says so: an authentication module speaks in a string, everything else in
``response`` and ``cause``. 405 is declared nowhere: it answers methods that the document does not have.
"""

from typing import Any

from pydantic import BaseModel, Field


class UnauthorizedResponse(BaseModel):
    """Credentials are missing, cannot be read, or do not say who is asking."""

    detail: str


class ForbiddenResponse(BaseModel):
    """The caller lacks an action."""

    detail: str


class ErrorResponse(BaseModel):
    """``response`` is a short sentence to show, ``cause`` the particular reason where there is one."""

    detail: dict[str, str] = Field(
        examples=[{"response": "Conversation not found", "cause": "The requested conversation does not exist."}]
    )


class ValidationError(BaseModel):
    """One mistake: where it is, what it is, and the value that was refused, shortened."""

    loc: list[str | int]
    msg: str
    type: str
    input: Any = None
    ctx: dict[str, Any] = {}


class HTTPValidationError(BaseModel):
    """All mistakes of a request."""

    detail: list[ValidationError] = []


type Declared = dict[int | str, dict[str, Any]]

ASKS_WHO: Declared = {
    400: {"model": UnauthorizedResponse},
    401: {"model": UnauthorizedResponse},
    403: {"model": ForbiddenResponse},
}
"""Every route that asks who is calling."""

FAILED: Declared = {500: {"model": ErrorResponse}}
"""Every route."""

DENIED: Declared = {**ASKS_WHO, **FAILED}
"""A route without parameters."""

BAD_VALUES: Declared = {422: {"model": HTTPValidationError}}
"""A route with parameters."""

BAD_BODY: Declared = {413: {"model": ErrorResponse}, **BAD_VALUES}
"""A route that takes a body."""

REFUSED: Declared = {
    400: {"model": UnauthorizedResponse | ErrorResponse},
    403: {"model": ForbiddenResponse | ErrorResponse},
}
"""What stands instead of the same statuses of ``ASKS_WHO`` where the route itself refuses as well."""

NOT_THERE: Declared = {404: {"model": ErrorResponse}}

TAKEN: Declared = {409: {"model": ErrorResponse}}
"""A route that gives something a name."""

ASKS_TOOLS: Declared = {
    401: {
        "model": UnauthorizedResponse | ErrorResponse,
        "headers": {
            "WWW-Authenticate": {
                "description": "where a server of tools wants a token for which ``MCP-HEADERS`` asked: its own words",
                "schema": {"type": "string"},
            }
        },
    }
}
"""What stands instead of the same status of ``ASKS_WHO`` where servers of tools are asked."""

ASKS_A_MODEL: Declared = {
    **DENIED,
    **ASKS_TOOLS,
    **REFUSED,
    **NOT_THERE,
    **BAD_BODY,
    422: {"model": HTTPValidationError | ErrorResponse},
    429: {
        "model": ErrorResponse,
        "headers": {"Retry-After": {"description": "seconds to wait", "schema": {"type": "integer"}}},
    },
    503: {"model": ErrorResponse, "description": "The service is stopping"},
}
"""A route that has a model answer."""

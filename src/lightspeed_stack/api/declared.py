"""Shapes of errors as the OpenAPI document declares them (openapi-skeleton.json)."""

from typing import Any

from pydantic import BaseModel


class UnauthorizedResponse(BaseModel):
    detail: str


class ForbiddenResponse(BaseModel):
    detail: str


class ErrorDetail(BaseModel):
    response: str
    cause: str = ""


class ErrorResponse(BaseModel):
    detail: ErrorDetail


type Declared = dict[int | str, dict[str, Any]]

DENIED: Declared = {401: {"model": UnauthorizedResponse}, 403: {"model": ForbiddenResponse}}
FAILED: Declared = {
    404: {"model": ErrorResponse},
    413: {"model": ErrorResponse},
    429: {"model": ErrorResponse},
    500: {"model": ErrorResponse},
}

"""The page at ``/``, where a person asks and reads answers, and the files it consists of.

Above: ``app`` includes ``router``. The sources lie in ``web/`` and are shipped in the package as ``_web``; they are
served as they are, nothing is built from them.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from lightspeed_stack.api.declared import DENIED
from lightspeed_stack.api.deps import allowed
from lightspeed_stack.domain.identity import Action, Principal

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

# Text of a model is never parsed as HTML by the page; should that ever fail, the browser still runs only our files.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

INDEX = "index.html"

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent; ``etag`` names its content."""

    body: bytes
    media_type: str
    etag: str

    @classmethod
    def of(cls, body: bytes, media_type: str) -> "Asset":
        return cls(body, media_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"')

    def response(self, request: Request, *, policy: str, cache_control: str = "no-cache") -> Response:
        """The file, or 304 where the client has it already. Clients ask again each time: a new release shows at once.

        ``policy`` is the value of ``Content-Security-Policy``.
        """
        headers = {
            "Cache-Control": cache_control,
            "Content-Security-Policy": policy,
            "ETag": self.etag,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
        if self.etag in known:
            return Response(status_code=304, headers=headers)
        return Response(self.body, media_type=self.media_type, headers=headers)


@cache
def assets() -> Mapping[str, Asset]:
    """The files of the page by name, read once; what is not among them is not served."""
    found = {}
    for file in (files("lightspeed_stack") / "_web").iterdir():
        media_type = MEDIA_TYPES.get(PurePosixPath(file.name).suffix)
        if media_type is not None:
            found[file.name] = Asset.of(file.read_bytes(), media_type)
    return found


# Plain functions: they read files when they are first called, so the framework runs them in a thread.
@router.get(
    "/",
    operation_id="root_endpoint_handler__get",
    tags=["root"],
    summary="The page to ask and read answers",
    response_class=Response,
    responses={
        200: {"content": {"text/html": {"schema": {"type": "string"}}}},
        304: {"description": "The client has it already"},
        **DENIED,
    },
)
def page(request: Request, _caller: Annotated[Principal, Depends(allowed(Action.INFO))]) -> Response:
    """The page: ask a question, read the answer as it is written, and see the sources it rests on."""
    return assets()[INDEX].response(request, policy=PAGE_POLICY, cache_control="private, no-cache")


@router.get("/assets/{name}", include_in_schema=False)
def asset(request: Request, name: str) -> Response:
    """One file of the page; open to everybody, like the program it belongs to."""
    found = assets().get(name) if name != INDEX else None
    if found is None:
        raise HTTPException(404, {"response": "File not found", "cause": "The page has no such file."})
    return found.response(request, policy="default-src 'none'")

"""The door to servers that speak HTTP, wherever they run.

Above: ``backends`` and ``stack`` speak their protocols through it. Below: ``http`` (a pool of connections) and
``in_process`` (an ASGI application in a thread of its own).
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

from lightspeed_stack.errors import BackendFailed

type Method = Literal["GET", "POST"]


class Response(Protocol):
    """An answer whose status is there and whose body may still come."""

    @property
    def status(self) -> int: ...

    @property
    def retry_after(self) -> str | None:
        """The header ``Retry-After`` as it was sent."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body in the pieces in which it arrives; to be taken once.

        Raises BackendUnavailable when it breaks off, or when the next piece takes too long.
        """
        ...


class Transport(Protocol):
    """The way to one server. Entered by ``services`` before use and left at shutdown."""

    def request(
        self, method: Method, path: str, body: bytes | None = None, *, timeout: float | None = None
    ) -> AbstractAsyncContextManager[Response]:
        """Send a request; the context is entered with its status, and leaving it early stops the server's work.

        ``path`` begins with a slash and comes behind the server's base URL; ``body`` is JSON. ``timeout`` in seconds
        for the whole exchange; without it the transport's own limits for a stream hold.

        Nothing is sent twice, except where a pooled connection was closed before the server could have read.

        Raises BackendUnavailable with one of the contract's two causes, ``Connection error.`` or
        ``Request timed out.`` (rest-api.md 0.3).
        """
        ...


async def whole(response: Response, *, limit: int) -> bytes:
    """A body of at most ``limit`` bytes. Raises BackendFailed for a longer one, and what ``chunks`` raises."""
    body = bytearray()
    async for chunk in response.chunks():
        body += chunk
        if len(body) > limit:
            raise BackendFailed("The server's answer is too long.")
    return bytes(body)

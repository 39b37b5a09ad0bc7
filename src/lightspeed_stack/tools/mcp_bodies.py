"""The bodies of an MCP server's answers, within bounds.

Above: ``mcp_http``. A stream of events that answers a request always ends with an answer, if only one of ours.
"""

import math
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import httpx2
import msgspec

from lightspeed_stack.tools.mcp_faults import Fault, FaultKind

FIRST_PAUSE = 0.5
LAST_PAUSE = 60.0
"""Seconds between two streams for notices: a server that ends them at once is asked less and less often."""


NO_MESSAGE = b"\nevent: broken-off\n\n"
"""Ends an event that may have begun, so that nobody takes it for a message."""


class Pace:
    """Lets streams begin one after the other, the more slowly the sooner the last one ended."""

    def __init__(self) -> None:
        self._lock = anyio.Lock()
        self._pause = FIRST_PAUSE
        self._last = -math.inf

    async def wait(self) -> None:
        async with self._lock:
            lived = anyio.current_time() - self._last
            self._pause = FIRST_PAUSE if lived > LAST_PAUSE else min(2 * self._pause, LAST_PAUSE)
            await anyio.sleep(max(0.0, self._pause - lived))
            self._last = anyio.current_time()


class Body(httpx2.AsyncByteStream):
    """A body as it comes, which ends after ``limit`` bytes."""

    def __init__(self, response: httpx2.Response, limit: float) -> None:
        self._response = response
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = 0 if is_encoded(self._response) else self._limit
        async for chunk in chunks(self._response):
            left -= len(chunk)
            if left < 0:
                return
            yield chunk

    async def aclose(self) -> None:
        await close(self._response)


class AnswerStream(httpx2.AsyncByteStream):
    """The events that answer one request, which always end with an answer, if only one of ours.

    ``limit`` in bytes for all of them. Where the server gives events ids, the SDK may take up a broken stream again, so
    that a break is not the end.
    """

    def __init__(
        self,
        response: httpx2.Response,
        request_id: int | str,
        limit: float,
        ended: Callable[[int | str, Callable[[], None]], None],
    ) -> None:
        self._response = response
        self._id = request_id
        self._limit = limit
        self._ended = ended
        self._scope: anyio.CancelScope | None = None
        self._stopped = False

    def stop(self) -> None:
        """End it now."""
        self._stopped = True
        if self._scope is not None:
            self._scope.cancel()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = chunks(self._response)
        read = 0
        resumable = False
        kind = FaultKind.BROKEN_OFF
        line = b"\n"
        while (chunk := await self._next(pieces)) is not None:
            read += len(chunk)
            if read > self._limit:
                kind = FaultKind.TOO_LONG
                break
            line += chunk
            resumable = resumable or b"\nid:" in line
            line = line[-3:]
            yield chunk
        if not resumable or self._stopped or kind is not FaultKind.BROKEN_OFF:
            yield NO_MESSAGE + b"data: " + error_message(Fault(kind), self._id) + b"\n\n"

    async def _next(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        """The next piece; None at the end, whatever ends it."""
        if self._stopped:
            return None
        with anyio.CancelScope() as self._scope:
            try:
                return await anext(pieces, None)
            except httpx2.HTTPError:
                return None
        return None

    async def aclose(self) -> None:
        self._ended(self._id, self.stop)
        await close(self._response)


async def chunks(response: httpx2.Response) -> AsyncIterator[bytes]:
    stream = response.stream
    if not isinstance(stream, httpx2.AsyncByteStream):
        raise TypeError("a response of an asynchronous transport has an asynchronous body")
    async for chunk in stream:
        yield chunk


async def whole(response: httpx2.Response, limit: int) -> bytes:
    """A body of at most ``limit`` bytes. Raises Fault for a longer one, and httpx2's errors."""
    body = bytearray()
    async for chunk in chunks(response):
        body += chunk
        if len(body) > limit:
            raise Fault(FaultKind.TOO_LONG)
    return bytes(body)


async def close(response: httpx2.Response) -> None:
    with anyio.CancelScope(shield=True):
        await response.aclose()


def is_encoded(response: httpx2.Response) -> bool:
    """No encoding was allowed: a few bytes could become any number of them, above our bounds."""
    return bool(response.headers.get("content-encoding", "identity") != "identity")


def error_message(fault: Fault, request_id: int | str) -> bytes:
    data: dict[str, Any] = {"status": fault.status, "challenge": fault.challenge}
    error = {"code": fault.kind.value, "message": fault.kind.name, "data": data}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": request_id, "error": error})

"""The way of one session's requests to its server, underneath the SDK: bounds, and faults that the SDK would not tell.

Above: the SDK's transport for streamable HTTP and ours for the older one send through a ``Wire``. Below: one pool of
connections for all sessions with a server (``mcp_pool``).

The SDK lets a request that fails end the whole session, reads bodies without a bound, waits for ever for an answer with
a wrong id, and tells of most refusals only that there was one. So here whatever goes wrong with a request becomes an
answer to it: a JSON-RPC error with one of our codes (``mcp_faults.FaultKind``), which the SDK hands to the caller.
"""

import math
from collections.abc import Callable
from typing import Literal

import anyio
import httpx2
import msgspec
from anyio.abc import TaskGroup

from lightspeed_stack.tools.mcp_bodies import AnswerStream, Body, Pace, close, error_message, is_encoded, whole
from lightspeed_stack.tools.mcp_faults import Fault, FaultKind, challenge_of
from lightspeed_stack.tools.mcp_values import McpLimits

JSON = "application/json"
EVENTS = "text/event-stream"

TELLING = 5.0
"""Seconds that a server has to take what needs no answer."""

LEAVING = 1.0
"""Seconds that a server has to take the end of a session."""

REDIRECTS = 2
REDIRECT_BODY = 64 * 1024
"""How many are followed, one after the other, and bytes of what they say."""

KEPT = {"content-type", "mcp-session-id", "www-authenticate"}
"""The headers of an answer that are of use above. Cookies are not among them."""

NO_SUCH_SESSION = frozenset({400, 404, 410})
"""Statuses of the answer to a session's id that is not known any more. Source: MCP 2025-11-25, transports; and 400 for
the many servers that do not follow it."""

NOT_HERE = frozenset({400, 404, 405, 406})
"""Statuses where nothing speaks this transport. Source: MCP 2025-11-25, transports, backward compatibility; and 406."""


class _Params(msgspec.Struct):
    request_id: int | str | None = msgspec.field(default=None, name="requestId")


class _Sent(msgspec.Struct):
    """What one must know of a message that is sent."""

    id: int | str | None = None
    method: str | None = None
    params: _Params | None = None


class _Error(msgspec.Struct):
    code: int


class _Answer(msgspec.Struct):
    """What one must know of a message that comes."""

    jsonrpc: Literal["2.0"]
    id: int | str | None = None
    error: _Error | None = None


read_sent = msgspec.json.Decoder(_Sent).decode
read_answer = msgspec.json.Decoder(_Answer).decode


class Wire(httpx2.AsyncBaseTransport):
    """``answers``: whether a request's answer comes in the body of its response; elsewhere only that it was taken.

    ``tasks`` must live as long as the session. It never raises for a message, whatever happens to it.
    """

    def __init__(
        self, pool: httpx2.AsyncBaseTransport, tasks: TaskGroup, limits: McpLimits, *, answers: bool = True
    ) -> None:
        self._pool = pool
        self._tasks = tasks
        self._limits = limits
        self._answers = answers
        self._waiting: dict[int | str, Callable[[], None]] = {}
        self._streams = Pace()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """See httpx2."""
        if request.method == "POST":
            return await self._post(request)
        if request.method == "GET":
            await self._streams.wait()
            response = await _within_origin(self._pool, request)
            return httpx2.Response(
                response.status_code, headers=_kept(response), stream=Body(response, self._of_notices(request))
            )
        with anyio.move_on_after(LEAVING):
            return await self._short(request)
        return httpx2.Response(204)

    async def _post(self, request: httpx2.Request) -> httpx2.Response:
        sent = read_sent(await request.aread())
        if sent.method == "notifications/cancelled":
            # Not waited for: the SDK sends one message after the other, and this server may hang.
            self._tasks.start_soon(self._cancel, request, None if sent.params is None else sent.params.request_id)
            return httpx2.Response(202)
        if sent.id is None or sent.method is None:
            return await self._tell(request)
        with anyio.CancelScope() as scope:
            self._waiting[sent.id] = scope.cancel
            try:
                return await self._ask(request, sent.id, sent.method)
            except Fault as fault:
                return _refusal(fault, sent.id)
            finally:
                self._forget(sent.id, scope.cancel)
        return _refusal(Fault(FaultKind.BROKEN_OFF), sent.id)

    async def _cancel(self, request: httpx2.Request, request_id: int | str | None) -> None:
        """Tell the server, then wait no longer for that answer: the SDK goes on until there is one."""
        await self._tell(request)
        if request_id is not None and (stop := self._waiting.get(request_id)) is not None:
            stop()

    def _forget(self, request_id: int | str, stop: Callable[[], None]) -> None:
        if self._waiting.get(request_id) == stop:
            del self._waiting[request_id]

    async def _tell(self, request: httpx2.Request) -> httpx2.Response:
        try:
            with anyio.move_on_after(TELLING):
                return await self._short(request)
        except (httpx2.HTTPError, Fault):
            return httpx2.Response(502)
        return httpx2.Response(504)

    async def _short(self, request: httpx2.Request) -> httpx2.Response:
        """An exchange whose answer says nothing but its status."""
        response = await _within_origin(self._pool, request)
        try:
            await whole(response, self._limits.max_list)
        finally:
            await close(response)
        return httpx2.Response(response.status_code)

    async def _ask(self, request: httpx2.Request, request_id: int | str, method: str) -> httpx2.Response:
        response = await _reached(self._pool, request)
        streamed = False
        try:
            _raise_for_refusal(response)
            if response.status_code >= 300 or not self._answers or _content_type(response) != EVENTS:
                return await self._short_answer(request, response, request_id, method)
            streamed = True
            stream = self._stream(response, request_id, method)
            return httpx2.Response(response.status_code, headers=_kept(response), stream=stream)
        except httpx2.HTTPError:
            raise Fault(FaultKind.BROKEN_OFF) from None
        finally:
            if not streamed:
                await close(response)

    async def _short_answer(
        self, request: httpx2.Request, response: httpx2.Response, request_id: int | str, method: str
    ) -> httpx2.Response:
        """An answer that is no stream: JSON, a refusal, or that the request was taken."""
        status = response.status_code
        body = await whole(response, self._limits.max_body if method == "tools/call" else self._limits.max_list)
        if status >= 300:
            return httpx2.Response(status, headers={"content-type": JSON}, content=self._refused(request, status, body))
        if not self._answers:
            return httpx2.Response(202)
        if _content_type(response) != JSON:
            raise Fault(FaultKind.GARBAGE)
        answer = _understood(body)
        if answer is not None and answer.error is not None and answer.id is None:
            return httpx2.Response(400, headers={"content-type": JSON}, content=body)  # where the SDK puts in the id
        if answer is None or str(answer.id) != str(request_id):
            raise Fault(FaultKind.GARBAGE)
        return httpx2.Response(status, headers=_kept(response), content=body)

    def _refused(self, request: httpx2.Request, status: int, body: bytes) -> bytes:
        """The body of a refusal where it is a JSON-RPC error for a request that was understood. Raises Fault."""
        answer = _understood(body)
        in_session = not self._answers or "mcp-session-id" in request.headers
        if in_session and status in NO_SUCH_SESSION and (status != 400 or answer is None or answer.id is None):
            raise Fault(FaultKind.SESSION_GONE)
        if status >= 400 and answer is not None and answer.error is not None:
            return body
        if status in NOT_HERE or status < 400:
            raise Fault(FaultKind.NOT_HERE, status=status)
        raise Fault(FaultKind.STATUS, status=status)

    def _of_notices(self, request: httpx2.Request) -> float:
        """Bytes of a stream that no message asked for: notices are small, but one that goes on with an answer is not.

        The older transport has one stream for all.
        """
        if not self._answers:
            return math.inf
        return self._limits.max_body if "last-event-id" in request.headers else self._limits.max_list

    def _stream(self, response: httpx2.Response, request_id: int | str, method: str) -> "AnswerStream":
        limit = self._limits.max_body if method == "tools/call" else self._limits.max_list
        stream = AnswerStream(response, request_id, limit, self._forget)
        self._waiting[request_id] = stream.stop
        return stream


async def _reached(pool: httpx2.AsyncBaseTransport, request: httpx2.Request) -> httpx2.Response:
    """The beginning of the answer. Raises Fault."""
    try:
        return await _within_origin(pool, request)
    except httpx2.PoolTimeout:
        raise Fault(FaultKind.BUSY) from None
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError, httpx2.UnsupportedProtocol):
        raise Fault(FaultKind.UNREACHABLE) from None
    except httpx2.LocalProtocolError:
        raise Fault(FaultKind.BAD_HEADERS) from None
    except httpx2.HTTPError:
        raise Fault(FaultKind.BROKEN_OFF) from None


async def _within_origin(pool: httpx2.AsyncBaseTransport, request: httpx2.Request) -> httpx2.Response:
    """The beginning of the answer, or of the last redirect that is not followed.

    One that keeps the method and stays with the server is followed, such as that to an address with a slash at its end:
    what is sent is meant for this server and no other.
    """
    for _ in range(REDIRECTS):
        response = await pool.handle_async_request(request)
        there = _moved(request, response)
        if there is None:
            return response
        try:
            await whole(response, REDIRECT_BODY)
        finally:
            await close(response)
        request = httpx2.Request(
            request.method, there, headers=request.headers, content=request.content, extensions=request.extensions
        )
    return await pool.handle_async_request(request)


def _moved(request: httpx2.Request, response: httpx2.Response) -> httpx2.URL | None:
    location = response.headers.get("location")
    if location is None or response.status_code not in {307, 308}:
        return None
    try:
        there = request.url.join(location)
    except httpx2.InvalidURL:
        return None
    here = request.url
    same = (there.scheme, there.host, there.port, there.userinfo) == (here.scheme, here.host, here.port, here.userinfo)
    return there if same else None


def _raise_for_refusal(response: httpx2.Response) -> None:
    if response.status_code in {401, 403}:
        challenge = challenge_of(response.headers.get("www-authenticate"))
        raise Fault(FaultKind.UNAUTHORIZED, status=response.status_code, challenge=challenge)
    if is_encoded(response):
        raise Fault(FaultKind.GARBAGE)


def _kept(response: httpx2.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name in KEPT}


def _content_type(response: httpx2.Response) -> str:
    header: str = response.headers.get("content-type", "")
    return header.partition(";")[0].strip().lower()


def _understood(body: bytes) -> _Answer | None:
    """A JSON-RPC message, or None where it is none."""
    try:
        return read_answer(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _refusal(fault: Fault, request_id: int | str) -> httpx2.Response:
    return httpx2.Response(400, headers={"content-type": JSON}, content=error_message(fault, request_id))

"""A server over HTTP: one pool of connections to it.

Above: whoever speaks with a server builds one for it. Below: aiohttp, measured as the cheapest client on the way to a
model (docs/decisions/0002-libraries.md).
"""

import asyncio
import logging
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import aiohttp
from pydantic import SecretStr
from yarl import URL

from lightspeed_stack.errors import BackendUnavailable, ConfigurationError
from lightspeed_stack.transport.base import Method, Response

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.tracing import Trace

log = logging.getLogger(__name__)

READ_BUFFER = 2**18
"""Bytes of an answer that may wait for their reader, before the server is made to wait."""

DEAD_AT_MOST = 3
"""Connections from the pool that may turn out to be closed, one after the other, before a request is given up.

A stack that has answered with an error closes the connection without a word of it, and with many callers many rest.
"""

LEAST = 0.001
"""Seconds; aiohttp takes 0 for no limit."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """``read_timeout`` bounds the wait for a status and for each next piece, ``max_duration`` an exchange in all.

    Times are seconds. More callers than ``max_connections`` wait for one that is free.
    """

    connect_timeout: float = 5.0
    read_timeout: float = 120.0
    max_duration: float = 1800.0
    max_connections: int = 256


class HttpTransport:
    """See ``transport.base.Transport``. An async context manager that opens and closes the pool.

    ``headers`` go out with every request. ``unavailable`` is what it raises where the server cannot be reached. Without
    ``keep_alive`` every request has a connection of its own.

    Entering raises ConfigurationError where ``ca_cert_path`` is no certificate.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, SecretStr],
        limits: HttpLimits,
        ca_cert_path: Path | None = None,
        keep_alive: bool = True,
        unavailable: type[BackendUnavailable] = BackendUnavailable,
    ) -> None:
        self._url = url.rstrip("/")
        self._headers = headers
        self._limits = limits
        self._for_streams = aiohttp.ClientTimeout(
            total=limits.max_duration, sock_connect=limits.connect_timeout, sock_read=limits.read_timeout
        )
        self._ca_cert_path = ca_cert_path
        self._keep_alive = keep_alive
        self._unavailable = unavailable
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        headers = {name: value.get_secret_value() for name, value in self._headers.items()}
        headers["Content-Type"] = "application/json"
        connector = _Pool(
            limit=self._limits.max_connections, force_close=not self._keep_alive, ssl=_tls(self._ca_cert_path)
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=headers,
            trust_env=_may_be_proxied(URL(self._url)),
            read_bufsize=READ_BUFFER,
            cookie_jar=aiohttp.DummyCookieJar(),  # a server's cookies must not tie one caller's question to another's
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def request(
        self, method: Method, path: str, body: bytes | None = None, *, timeout: float | None = None
    ) -> AbstractAsyncContextManager[Response]:
        """See Transport. Leaving early closes the connection, which stops the server's work."""
        return _Exchange(self, method, path, body, timeout)

    async def send(
        self, method: Method, path: str, body: bytes | None, seconds: float | None
    ) -> aiohttp.ClientResponse:
        """What ``request`` does on entering; ``release`` is what it does on leaving."""
        session = self._session
        if session is None:
            raise self._unavailable("The connection to the server is not open.")
        url = f"{self._url}{path}"
        deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds
        dead = 0
        while True:
            _opened.set(False)
            try:
                return await session.request(method, url, data=body, timeout=self._until(deadline))
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                # A server may close a connection that rests just when we use it again. aiohttp repeats a GET by itself.
                if method == "GET" or _opened.get() or dead == DEAD_AT_MOST:
                    raise self.unreachable(error) from error
            except (aiohttp.ClientError, TimeoutError) as error:
                raise self.unreachable(error) from error
            dead += 1

    def release(self, response: aiohttp.ClientResponse) -> None:
        # An unread rest is closed: a server that still writes shall notice, and no later request shall get it.
        if not response.content.is_eof() or not self._keep_alive:
            response.close()
        else:
            response.release()

    def unreachable(self, error: Exception) -> BackendUnavailable:
        """The two texts are the contract's (rest-api.md 0.3)."""
        log.warning("server unreachable: %s", type(error).__name__)
        return self._unavailable("Request timed out." if isinstance(error, TimeoutError) else "Connection error.")

    def _until(self, deadline: float | None) -> aiohttp.ClientTimeout:
        if deadline is None:
            return self._for_streams
        return aiohttp.ClientTimeout(total=max(deadline - asyncio.get_running_loop().time(), LEAST))


class _Exchange:
    """A request and its answer: a context, entered with the status, and the ``Response`` that it gives.

    A class where a generator would do: it is on the way of every question, and so costs half.
    """

    __slots__ = ("_body", "_method", "_path", "_response", "_seconds", "_transport")

    _response: aiohttp.ClientResponse

    def __init__(
        self, transport: HttpTransport, method: Method, path: str, body: bytes | None, seconds: float | None
    ) -> None:
        self._transport = transport
        self._method: Method = method
        self._path = path
        self._body = body
        self._seconds = seconds

    async def __aenter__(self) -> Response:
        self._response = await self._transport.send(self._method, self._path, self._body, self._seconds)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.release(self._response)

    @property
    def status(self) -> int:
        return self._response.status

    @property
    def retry_after(self) -> str | None:
        return self._response.headers.get("Retry-After")

    def chunks(self) -> AsyncIterator[bytes]:
        return _Chunks(self._response.content, self._transport)


class _Chunks:
    """A body as it comes. No generator: a reader that leaves early would have to close it."""

    __slots__ = ("_read", "_transport")

    def __init__(self, content: aiohttp.StreamReader, transport: HttpTransport) -> None:
        self._read = content.readany
        self._transport = transport

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._transport.unreachable(error) from error
        if not chunk:
            raise StopAsyncIteration
        return chunk


_opened: ContextVar[bool] = ContextVar("_opened", default=False)
"""Whether a connection was opened for the request that is being sent, rather than taken from the pool."""


class _Pool(aiohttp.TCPConnector):
    """Tells in ``_opened`` what a request was given; aiohttp's tracing tells it too, at a tenth of a request's cost."""

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: "list[Trace]",
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own signature
    ) -> "ResponseHandler":
        _opened.set(True)
        return await super()._create_connection(req, traces, timeout)


def _tls(ca_cert_path: Path | None) -> ssl.SSLContext | bool:
    if ca_cert_path is None:
        return True
    try:
        return ssl.create_default_context(cafile=ca_cert_path)
    except ssl.SSLError as error:
        raise ConfigurationError(f"{ca_cert_path} is not a PEM file") from error


def _may_be_proxied(url: URL) -> bool:
    """Whether to look for a proxy, which costs every request. Never on the way to this machine itself."""
    local = url.host in {"localhost", "127.0.0.1", "::1"}
    return not local and any(name.lower() in {"http_proxy", "https_proxy", "all_proxy"} for name in os.environ)

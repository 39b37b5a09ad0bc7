"""Any server that speaks OpenAI's chat-completions protocol: OpenAI, vLLM, Gemini's compatible endpoint, llama.cpp …

Above: ``services`` builds it, ``assistant`` streams from it. Below: aiohttp, measured as the cheapest client on the way
to a model (docs/decisions/0002-libraries.md).
"""

import logging
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import aiohttp
from pydantic import Field, FilePath, PositiveFloat, PositiveInt, SecretStr
from yarl import URL

from lightspeed_stack.backends.base import Delta, Generation, Model
from lightspeed_stack.backends.openai_wire import ChunkReader, failure, joined, model_list, request_body
from lightspeed_stack.backends.sse import SseParser
from lightspeed_stack.config.providers import ProviderSection
from lightspeed_stack.config.section import Section
from lightspeed_stack.domain.health import Health
from lightspeed_stack.errors import BackendError, BackendUnavailable, ConfigurationError, ModelNotFound

log = logging.getLogger(__name__)

MAX_ERROR_BODY = 64 * 1024
MAX_LIST_BODY = 8 * 1024 * 1024
LISTS_NOTHING = frozenset({404, 405, 501})
"""Statuses of ``GET /models`` at servers that answer questions and have no such list."""

LIST_TIMEOUT = 5.0
DEFAULT_URL = "https://api.openai.com/v1"


class Settings(Section):
    """``extra`` of a provider of type ``openai``."""

    connect_timeout: PositiveFloat = Field(5.0, description="seconds to wait for a connection")
    timeout: PositiveFloat = Field(120.0, description="seconds to wait for the next piece of an answer")
    max_duration: PositiveFloat = Field(1800.0, description="seconds that one answer may take in all")
    max_connections: PositiveInt = Field(256, description="connections to this server at once; more callers wait")
    max_tokens: PositiveInt | None = Field(None, description="tokens that one answer may have at most")
    temperature: float | None = Field(
        None, ge=0, le=2, description="sampling temperature; unset leaves it to the server"
    )
    context_window: PositiveInt | None = Field(None, description="tokens of prompt and answer together")
    headers: Mapping[str, SecretStr] = Field(default_factory=dict, description="headers to send with every request")
    ca_cert_path: FilePath | None = Field(None, description="certificate authority to trust, PEM")


def build(section: ProviderSection, settings: Settings) -> "OpenAIBackend":
    """Build the backend of one ``inference.providers`` entry."""
    return OpenAIBackend(section.url or DEFAULT_URL, section.secret(), settings)


class OpenAIBackend:
    """One server, one pool of connections; an async context manager that opens and closes the pool."""

    def __init__(
        self,
        url: str,
        api_key: SecretStr | None = None,
        settings: Settings | None = None,
        *,
        provider_type: str = "remote::openai",
        keep_alive: bool = True,
    ) -> None:
        base = url.rstrip("/")
        self._chat, self._list = URL(f"{base}/chat/completions"), URL(f"{base}/models")
        self._api_key = api_key
        self._settings = settings or Settings()
        self._provider_type = provider_type
        self._keep_alive = keep_alive
        self._session: aiohttp.ClientSession | None = None

    @property
    def provider_type(self) -> str:
        return self._provider_type

    @property
    def parallel(self) -> int | None:
        return None

    async def __aenter__(self) -> Self:
        settings = self._settings
        headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
        headers["Content-Type"] = "application/json"
        if self._api_key is not None:
            headers["Authorization"] = f"Bearer {self._api_key.get_secret_value()}"
        connector = aiohttp.TCPConnector(
            limit=settings.max_connections, force_close=not self._keep_alive, ssl=_tls(settings.ca_cert_path)
        )
        timeout = aiohttp.ClientTimeout(
            total=settings.max_duration, sock_connect=settings.connect_timeout, sock_read=settings.timeout
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=headers,
            timeout=timeout,
            trust_env=_may_be_proxied(self._chat),
            read_bufsize=2**18,
            cookie_jar=aiohttp.DummyCookieJar(),  # a server's cookies must not tie one caller's question to another's
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    @asynccontextmanager
    async def stream(self, generation: Generation) -> AsyncIterator[AsyncIterator[Delta]]:
        """See ChatBackend. Leaving early closes the connection, which stops the server's work."""
        response = await self._open(request_body(self._with_defaults(generation)))
        try:
            if response.status != 200:
                raise await self._refusal(response, generation.model)
            yield _deltas(response, live=generation.live)
        finally:
            # An unread rest is closed: a server that still writes shall notice, and no later request shall get it.
            if not response.content.is_eof() or not self._keep_alive:
                response.close()
            else:
                response.release()

    async def models(self) -> list[Model]:
        """See ChatBackend."""
        session = self._opened()
        try:
            async with session.get(self._list, timeout=aiohttp.ClientTimeout(total=LIST_TIMEOUT)) as response:
                if response.status in LISTS_NOTHING:
                    return []
                if response.status != 200:
                    raise await self._refusal(response, "")
                body = await _read_bounded(response, MAX_LIST_BODY)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _unreachable(error) from error
        window = self._settings.context_window
        return [Model(name, context_window=window or told) for name, told in model_list(body)]

    async def probe(self) -> Health:
        """See ChatBackend."""
        try:
            await self.models()
        except BackendError as error:
            return Health.error(f"{error.response}: {error.cause}")
        return Health.ok()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise BackendUnavailable("The model provider is not open.")
        return self._session

    def _with_defaults(self, generation: Generation) -> Generation:
        settings = self._settings
        if settings.max_tokens is None and settings.temperature is None:
            return generation
        return Generation(
            generation.model,
            generation.messages,
            generation.tools,
            generation.max_tokens or settings.max_tokens,
            settings.temperature if generation.temperature is None else generation.temperature,
            generation.live,
        )

    async def _open(self, body: bytes) -> aiohttp.ClientResponse:
        """Send a request; once more when a pooled connection turns out to have been closed by the server."""
        session = self._opened()
        try:
            try:
                return await session.post(self._chat, data=body)
            except aiohttp.ServerDisconnectedError:
                return await session.post(self._chat, data=body)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _unreachable(error) from error

    async def _refusal(self, response: aiohttp.ClientResponse, model: str) -> Exception:
        if response.status == 404 and model:
            return ModelNotFound(f"Model {model} is not known to the provider.")
        try:
            body = await _read_bounded(response, MAX_ERROR_BODY)
        except (aiohttp.ClientError, TimeoutError, BackendError):
            body = b""  # the status alone says enough
        log.warning("provider refused: status %d", response.status)
        return failure(body, status=response.status, retry_after=response.headers.get("Retry-After"))


async def _deltas(response: aiohttp.ClientResponse, *, live: bool) -> AsyncIterator[Delta]:
    parser, reader = SseParser(), ChunkReader()
    try:
        async for chunk in response.content.iter_any():
            together: list[Delta] = []
            try:
                together.extend(reader.read(parser.feed(chunk)))
            finally:  # what came before a fault was said
                for delta in together if live else joined(together):
                    yield delta
    except (aiohttp.ClientError, TimeoutError) as error:
        if not reader.done:
            raise _unreachable(error) from error
    yield reader.finish()


async def _read_bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise BackendUnavailable("The model provider's answer is too long.")
    return bytes(body)


def _unreachable(error: Exception) -> BackendUnavailable:
    """The two texts are the contract's (rest-api.md 0.3)."""
    log.warning("provider unreachable: %s", type(error).__name__)
    return BackendUnavailable("Request timed out." if isinstance(error, TimeoutError) else "Connection error.")


def _tls(ca_cert_path: Path | None) -> ssl.SSLContext | bool:
    if ca_cert_path is None:
        return True
    try:
        return ssl.create_default_context(cafile=ca_cert_path)
    except ssl.SSLError as error:
        raise ConfigurationError(
            f"inference.providers: extra.ca_cert_path: {ca_cert_path} is not a PEM file"
        ) from error


def _may_be_proxied(url: URL) -> bool:
    """Whether to look for a proxy, which costs every request. Never on the way to this machine itself."""
    local = url.host in {"localhost", "127.0.0.1", "::1"}
    return not local and any(name.lower() in {"http_proxy", "https_proxy", "all_proxy"} for name in os.environ)

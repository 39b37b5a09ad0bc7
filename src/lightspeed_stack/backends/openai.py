"""Any server that speaks OpenAI's chat-completions protocol: OpenAI, vLLM, Gemini's compatible endpoint, llama.cpp …

Above: ``services`` builds it, ``assistant`` streams from it. Below: ``completions`` reads the answers, and
``transport.http`` keeps the connections.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Self

from pydantic import Field, FilePath, PositiveFloat, PositiveInt, SecretStr

from lightspeed_stack.backends.base import Delta, Generation, Model
from lightspeed_stack.backends.completions import Completion, refusal
from lightspeed_stack.backends.openai_wire import model_list, request_body
from lightspeed_stack.config.providers import ProviderSection
from lightspeed_stack.config.section import Section
from lightspeed_stack.domain.health import Health
from lightspeed_stack.errors import BackendError, ConfigurationError
from lightspeed_stack.transport.base import whole
from lightspeed_stack.transport.http import HttpLimits, HttpTransport

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
        self._settings = settings or Settings()
        self._provider_type = provider_type
        self._transport = _transport(url, api_key, self._settings, keep_alive=keep_alive)

    @property
    def provider_type(self) -> str:
        return self._provider_type

    @property
    def fronts(self) -> bool:
        return False

    @property
    def parallel(self) -> int | None:
        return None

    async def __aenter__(self) -> Self:
        try:
            await self._transport.__aenter__()
        except ConfigurationError as error:
            raise ConfigurationError(f"inference.providers: extra.ca_cert_path: {error.cause}") from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.__aexit__()

    @asynccontextmanager
    async def stream(self, generation: Generation) -> AsyncIterator[AsyncIterator[Delta]]:
        """See ChatBackend. Leaving early closes the connection, which stops the server's work."""
        body = request_body(self._with_defaults(generation))
        async with self._transport.request("POST", "/chat/completions", body) as response:
            if response.status != 200:
                raise await refusal(response, generation.model)
            yield Completion(response, live=generation.live).deltas()

    async def models(self) -> list[Model]:
        """See ChatBackend."""
        async with self._transport.request("GET", "/models", timeout=LIST_TIMEOUT) as response:
            if response.status in LISTS_NOTHING:
                return []
            if response.status != 200:
                raise await refusal(response)
            body = await whole(response, limit=MAX_LIST_BODY)
        window = self._settings.context_window
        return [Model(name, context_window=window or told) for name, told in model_list(body)]

    async def probe(self) -> Health:
        """See ChatBackend."""
        try:
            await self.models()
        except BackendError as error:
            return Health.error(f"{error.response}: {error.cause}")
        return Health.ok()

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


def _transport(url: str, api_key: SecretStr | None, settings: Settings, *, keep_alive: bool) -> HttpTransport:
    headers = dict(settings.headers)
    if api_key is not None:
        headers["Authorization"] = SecretStr(f"Bearer {api_key.get_secret_value()}")
    limits = HttpLimits(
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.timeout,
        max_duration=settings.max_duration,
        max_connections=settings.max_connections,
    )
    return HttpTransport(url, headers=headers, limits=limits, ca_cert_path=settings.ca_cert_path, keep_alive=keep_alive)

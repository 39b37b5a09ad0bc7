"""A small language model on this machine's processor, in a watched child process: no key, no network, no server.

Above: ``services`` builds it, ``assistant`` streams from it. Below: ``embedded_process`` keeps the child alive,
``embedded_fetch`` brings the model's file, ``openai`` speaks to the child, which is llama.cpp's own server.
"""

import importlib.metadata
import importlib.util
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

import aiohttp
import anyio
import msgspec
from anyio import to_thread
from pydantic import SecretStr

from lightspeed_stack.backends import openai
from lightspeed_stack.backends.base import Delta, Finished, Generation, Model
from lightspeed_stack.backends.embedded_fetch import ensure_model, find_cached, this_machine
from lightspeed_stack.backends.embedded_machine import usable_cores
from lightspeed_stack.backends.embedded_models import CATALOGUE, WORDS, Settings, cache_dir, candidates, own_file
from lightspeed_stack.backends.embedded_process import ChildFailed, ChildOrders, Ill, Ready, Starting, WatchedChild
from lightspeed_stack.backends.embedded_progress import fetch_for
from lightspeed_stack.config.providers import ProviderSection
from lightspeed_stack.domain.health import Health, HealthStatus
from lightspeed_stack.errors import (
    AssistantError,
    BackendFailed,
    BackendRateLimited,
    BackendUnavailable,
    ConfigurationError,
    ModelNotFound,
    PromptTooLong,
)

__all__ = ["EmbeddedBackend", "Settings", "build", "prepare"]

log = logging.getLogger(__name__)

PROVIDER_TYPE = "inline::embedded"
WAITING = 32
"""Callers that may wait while one is answered: at 20 s an answer the last of more would wait for ten minutes."""

SPARE = 8
"""Connections for health and lists, which must not wait behind callers."""

START_PATIENCE = 30.0
"""Seconds that a caller waits for a child that is starting."""

NOTICE_PATIENCE = 2.0
"""Seconds between a broken connection and the news that the child has ended."""

COUNT_TIMEOUT = 5.0
CONNECT_TIMEOUT = 5.0
ANSWER_TIMEOUT = 900.0
"""Seconds for an answer with the wait for its turn, of which nothing is heard before the first piece."""

TEMPERATURE = 0.2
"""Near greedy, because an answer is to stay with its passages; not quite, because greedy decoding of small models
falls into repetition (Holtzman et al., "The Curious Case of Neural Text Degeneration", ICLR 2020)."""

type Child = WatchedChild[openai.OpenAIBackend]


def build(section: ProviderSection, settings: Settings) -> "EmbeddedBackend":
    """Build the backend of one ``inference.providers`` entry.

    Raises ConfigurationError when the extra is not installed, or the operator's own file cannot be used.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        raise ConfigurationError(
            "inference.providers[].type: embedded needs a package that is not installed\n"
            "    fix: pip install 'lightspeed-stack[embedded]'"
        )
    return EmbeddedBackend(settings)


def prepare(settings: Settings) -> None:
    """Fetch the model before anything is served, with a bar on standard error. Blocks.

    Raises ConfigurationError, or BackendUnavailable when no source has it.
    """
    fetch_for(settings)


class EmbeddedBackend:
    """One model in one child process; an async context manager that starts the child in the background and ends it.

    ``patience`` is how many seconds a caller waits for a child that starts, ``waiting`` how many may wait at once.

    Raises ConfigurationError when made with a model that is none.
    """

    def __init__(self, settings: Settings, *, patience: float = START_PATIENCE, waiting: int = WAITING) -> None:
        self._settings = settings
        self._patience = patience
        self._waiting = waiting
        self._model = _describe(own_file(settings) or _planned(settings), settings)
        self._child: Child = WatchedChild(self._orders, self._connect)
        self._callers = 0
        self._path: Path | None = None
        self._fetching = ""
        self._leaving = threading.Event()
        self._stack = AsyncExitStack()

    @property
    def provider_type(self) -> str:
        return PROVIDER_TYPE

    @property
    def fronts(self) -> bool:
        return False

    @property
    def parallel(self) -> int | None:
        return 1

    async def __aenter__(self) -> Self:
        tasks = await self._stack.enter_async_context(anyio.create_task_group())
        self._stack.callback(tasks.cancel_scope.cancel)
        self._stack.callback(self._leaving.set)
        tasks.start_soon(self._keep_alive)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def process_id(self) -> int | None:
        """Of the child, while it is ready."""
        state = self._child.state
        return state.pid if isinstance(state, Ready) else None

    @asynccontextmanager
    async def stream(self, generation: Generation) -> AsyncIterator[AsyncIterator[Delta]]:
        """See ChatBackend. One generation runs at a time; at most ``waiting`` callers queue in the child."""
        if generation.model != self._model.name:
            raise ModelNotFound(f"Model {generation.model} is not the embedded model, {self._model.name}.")
        if self._callers > self._waiting:
            raise BackendRateLimited("Too many questions wait for the embedded model.", retry_after=30)
        limit = min(generation.max_tokens or self._settings.max_tokens, self._settings.max_tokens)
        self._callers += 1
        try:
            async with AsyncExitStack() as stack:
                deltas = await self._open(replace(generation, max_tokens=limit), stack)
                yield self._relay(deltas)
        finally:
            self._callers -= 1

    async def models(self) -> list[Model]:
        """The one model; never waits for the child."""
        return [self._model]

    async def probe(self) -> Health:
        """See ChatBackend."""
        match self._child.state:
            case Ready(client=client):
                health = await client.probe()
                return (
                    health if health.status is HealthStatus.OK else Health.error("The embedded model does not answer.")
                )
            case Starting():
                return Health.error(f"The embedded model is still starting{self._fetching}.")
            case Ill(reason=reason):
                return Health.error(f"The embedded model is not running: {reason}")
            case restarting:
                return Health.error(f"The embedded model is restarting: {restarting.reason}")

    async def _open(self, generation: Generation, stack: AsyncExitStack) -> AsyncIterator[Delta]:
        """Enter a stream of the child; once more where it ended before it said anything."""
        ready = await self._ready()
        try:
            return await self._enter(ready, generation, stack)
        except BackendUnavailable:
            if await self._child.changed_from(ready, seconds=NOTICE_PATIENCE) is ready:
                raise
        return await self._enter(await self._ready(), generation, stack)

    async def _enter(
        self, ready: Ready[openai.OpenAIBackend], generation: Generation, stack: AsyncExitStack
    ) -> AsyncIterator[Delta]:
        try:
            return await stack.enter_async_context(ready.client.stream(generation))
        except PromptTooLong as error:
            count = await _count_tokens(ready, generation)
            size = f"is {count} tokens long" if count else "is too long"
            raise PromptTooLong(
                f"The question with what goes with it {size}; the embedded model's context window holds "
                f"{self._settings.context_window} tokens. Please shorten the question."
            ) from error

    async def _ready(self) -> Ready[openai.OpenAIBackend]:
        match await self._child.settled(seconds=self._patience):
            case Ready() as ready:
                return ready
            case Ill():
                raise BackendUnavailable("The embedded model is not running; the readiness check says why.")
            case _:
                raise BackendUnavailable("The embedded model is still starting. Please try again in a moment.")

    async def _relay(self, deltas: AsyncIterator[Delta]) -> AsyncIterator[Delta]:
        try:
            async for delta in deltas:
                if isinstance(delta, Finished):
                    self._child.succeeded()
                yield delta
        except (BackendUnavailable, BackendFailed) as error:
            raise BackendFailed("The embedded model broke off in the middle of the answer.") from error

    async def _keep_alive(self) -> None:
        try:
            await self._child.run()
        except AssistantError as error:
            log.error("embedded model: %s", error.cause)
            self._child.give_up(error.cause)
        except Exception:
            log.exception("embedded model: the watch over the child failed")
            self._child.give_up("its watch failed; the log says why")

    async def _orders(self) -> ChildOrders:
        """Find the file, fetching it if need be. Raises ConfigurationError, BackendUnavailable."""
        settings = self._settings
        if self._path is None:  # once: auto must not become another model when the child is started again
            self._path = await to_thread.run_sync(
                self._find_file, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1)
            )
            self._model = _describe(self._path, settings)
        path = self._path
        return ChildOrders(
            model=str(path),
            name=self._model.name,
            context_window=settings.context_window,
            threads=settings.threads or usable_cores(),
            max_tokens=settings.max_tokens,
            connections=1 + self._waiting + SPARE,
        )

    def _find_file(self) -> Path:
        return find_cached(self._settings) or ensure_model(self._settings, progress=self._fetched)

    def _fetched(self, done: int, total: int, what: str) -> None:
        """Runs in the fetching thread."""
        if self._leaving.is_set():
            raise BackendUnavailable("The service is stopping.")
        self._fetching = f": {what}, {100 * done // total if total else 0} %"

    @asynccontextmanager
    async def _connect(self, url: str, api_key: str) -> AsyncIterator[openai.OpenAIBackend]:
        settings = openai.Settings(
            temperature=TEMPERATURE,
            max_connections=1 + self._waiting + SPARE,
            connect_timeout=CONNECT_TIMEOUT,
            timeout=ANSWER_TIMEOUT,  # a long prompt is read in silence
            max_duration=ANSWER_TIMEOUT,
        )
        # llama.cpp closes the connection after a stream though it announces that it stays open.
        client = openai.OpenAIBackend(
            f"{url}/v1", SecretStr(api_key), settings, provider_type=PROVIDER_TYPE, keep_alive=False
        )
        async with client:
            health = await client.probe()
            if health.status is not HealthStatus.OK:
                raise ChildFailed("it listens but does not answer")
            yield client


def _planned(settings: Settings) -> Path:
    machine = this_machine()
    return cache_dir(settings, machine.environ) / candidates(settings, machine)[0].file


def _describe(path: Path, settings: Settings) -> Model:
    """What we know about a file: all of it for the catalogue's, its name and size for the operator's own."""
    runtime = f"llama.cpp via xllamacpp {_version()}, CPU"
    entry = next((entry for entry in CATALOGUE if settings.model in WORDS and entry.file == path.name), None)
    if entry is None:
        size = path.stat().st_size
        return Model(
            path.stem,
            metadata={"source": "the operator's own file", "size_bytes": size, "runtime": runtime},
            context_window=settings.context_window,
        )
    return Model(
        entry.name,
        metadata={
            "parameters": entry.parameters,
            "quantisation": entry.quantisation,
            "licence": entry.licence,
            "context_window": settings.context_window,
            "sha256": entry.sha256,
            "source": entry.source,
            "size_bytes": entry.size,
            "runtime": runtime,
        },
        context_window=settings.context_window,
    )


def _version() -> str:
    try:
        return importlib.metadata.version("xllamacpp")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


async def _count_tokens(ready: Ready[openai.OpenAIBackend], generation: Generation) -> int | None:
    """Tokens of a prompt as the model counts them; None where the child does not say.

    Source: llama.cpp, tools/server/README.md, ``/apply-template`` and ``/tokenize``.
    """
    messages = [{"role": message.role, "content": message.content} for message in generation.messages]
    headers = {"Authorization": f"Bearer {ready.api_key}"}
    timeout = aiohttp.ClientTimeout(total=COUNT_TIMEOUT)
    try:
        async with aiohttp.ClientSession(ready.url, headers=headers, timeout=timeout) as session:
            async with session.post("/apply-template", json={"messages": messages}) as response:
                prompt = msgspec.json.decode(await response.read(), type=dict[str, str])["prompt"]
            async with session.post("/tokenize", json={"content": prompt, "parse_special": True}) as response:
                return len(msgspec.json.decode(await response.read(), type=dict[str, list[int]])["tokens"])
    except (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError, KeyError) as error:
        log.warning("embedded model: cannot count tokens: %s", type(error).__name__)
        return None

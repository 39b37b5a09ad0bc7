"""Which model answers a question, and what there is to choose from.

Above: ``assistant`` chooses, ``api`` lists. Below: any ``ChatBackend``. Lists of models are cached and refreshed in the
background: a question never waits for a list, unless none was ever had or the model is not on it.
"""

import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import monotonic
from typing import Self

import anyio
from anyio.abc import TaskGroup

from lightspeed_stack.backends.base import ChatBackend, Model
from lightspeed_stack.domain.chat import ModelChoice
from lightspeed_stack.errors import BackendError, ModelNotFound

log = logging.getLogger(__name__)

FRESH = 60.0
"""Seconds for which a list of models is taken as it is."""

RETRY = 5.0
"""Seconds between two looks at a list for a model that was not on it."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A configured backend. ``allowed`` names the only models to be offered; empty means all of them.

    A Llama Stack stands for the providers inside it: its models say whose they are, and its own ``id`` is no name that
    a caller could use.
    """

    id: str
    backend: ChatBackend
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """A model on offer, and the id of the provider that has it."""

    provider_id: str
    model: Model

    @property
    def identifier(self) -> str:
        return self.model.address or f"{self.provider_id}/{self.model.name}"


class _Listing:
    """One provider's models, as last seen; ``configured`` names stand in for those of a server without a list."""

    def __init__(self, provider: Provider, configured: tuple[str, ...]) -> None:
        self.provider = provider
        self.configured = configured
        self.models: list[Model] | None = None
        self.asked_at = -FRESH
        self.lock = anyio.Lock()

    def find(self, provider_id: str, name: str) -> Model | None:
        """The language model of this name, or address, that ``provider_id`` has here."""
        for model in self.models or ():
            owner = model.provider or self.provider.id
            if owner == provider_id and model.kind == "llm" and name in {model.name, model.address}:
                return model
        return None

    async def refresh(self, *, older_than: float) -> None:
        """Ask again unless the last look is younger than ``older_than`` seconds. Raises BackendError."""
        async with self.lock:
            if monotonic() - self.asked_at < older_than:
                return
            allowed = self.provider.allowed
            models = await self.provider.backend.models() or [Model(name) for name in self.configured]
            self.models = [model for model in models if not allowed or model.name in allowed]
            self.asked_at = monotonic()


class ModelCatalog:
    """The models of all providers. An async context manager: leaving it ends refreshes that are under way."""

    def __init__(
        self, providers: Mapping[str, Provider], *, default_provider: str | None, default_model: str | None
    ) -> None:
        self._listings: dict[str, _Listing] = {}
        for id_, provider in providers.items():
            preferred = (default_model,) if default_model and default_provider == id_ else ()
            self._listings[id_] = _Listing(provider, tuple(dict.fromkeys((*preferred, *provider.allowed))))
        # Where a provider is looked for that is not one of the configured: at most one backend stands for several.
        self._front = next((it for it in self._listings.values() if it.provider.backend.fronts), None)
        self._default = (default_provider, default_model)
        self._stack = AsyncExitStack()
        self._tasks: TaskGroup | None = None
        self._refreshing: set[str] = set()

    async def __aenter__(self) -> Self:
        self._tasks = await self._stack.enter_async_context(anyio.create_task_group())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()
        await self._stack.aclose()

    @property
    def providers(self) -> list[Provider]:
        """In the order of the configuration."""
        return [listing.provider for listing in self._listings.values()]

    @property
    def default(self) -> tuple[str | None, str | None]:
        """Provider id and model that the configuration prefers; both None where it says nothing."""
        return self._default

    def backend(self, choice: ModelChoice) -> ChatBackend:
        return self._listings[choice.source or choice.provider_id].provider.backend

    async def choose(self, provider_id: str | None, model: str | None) -> ModelChoice:
        """The model for a question that hints at ``provider_id`` and ``model``.

        With either hint missing both are replaced by the configured default; without one the first language model of
        the first provider that has any is taken (rest-api.md 1.8). ``model`` may carry its provider as a prefix.

        Raises ModelNotFound; BackendError when no list of models could be had to choose from.
        """
        if not provider_id or not model:
            provider_id, model = self._default
        if not provider_id or not model:
            return await self._first()
        listing = self._listings.get(provider_id, self._front)
        if listing is not None:
            bare = model.removeprefix(f"{provider_id}/")
            for name in dict.fromkeys((model, bare)):
                found = await self._look_up(listing, provider_id, name)
                if found is not None:
                    return _choice(listing.provider, found)
        raise ModelNotFound(f"Model {model} from provider {provider_id} not found in available models")

    async def look(self, provider_id: str) -> None:
        """Ask a configured provider for its list ahead of the first question. Raises BackendError."""
        await self._listings[provider_id].refresh(older_than=FRESH)

    async def models(self) -> list[Offer]:
        """All models on offer, in the order of the configuration and of each server, each identifier once.

        A provider that does not answer is left out as long as another does. Raises BackendError when none does.
        """
        found: dict[str, Offer] = {}
        failures: list[BackendError] = []
        for listing in self._listings.values():
            try:
                await listing.refresh(older_than=FRESH)
            except BackendError as error:
                failures.append(error)
            for model in listing.models or ():
                offer = Offer(model.provider or listing.provider.id, model)
                found.setdefault(offer.identifier, offer)
        if failures and not found:
            raise failures[0]
        return list(found.values())

    async def _first(self) -> ModelChoice:
        await self.models()
        for listing in self._listings.values():
            for model in listing.models or ():
                if model.kind == "llm":
                    return _choice(listing.provider, model)
        raise ModelNotFound("No LLM model found in available models")

    async def _look_up(self, listing: _Listing, provider_id: str, name: str) -> Model | None:
        if listing.models is None:
            await listing.refresh(older_than=FRESH)
        elif monotonic() - listing.asked_at >= FRESH:
            self._refresh_in_background(listing)
        found = listing.find(provider_id, name)
        if found is None:  # perhaps it was loaded since
            await listing.refresh(older_than=RETRY)
            found = listing.find(provider_id, name)
        return found

    def _refresh_in_background(self, listing: _Listing) -> None:
        if self._tasks is None or listing.provider.id in self._refreshing:
            return
        self._refreshing.add(listing.provider.id)
        self._tasks.start_soon(self._refresh, listing)

    async def _refresh(self, listing: _Listing) -> None:
        try:
            await listing.refresh(older_than=FRESH)
        except BackendError as error:
            listing.asked_at = monotonic() - FRESH + RETRY
            log.warning("models of provider %s: %s", listing.provider.id, error.cause)
        finally:
            self._refreshing.discard(listing.provider.id)


def _choice(provider: Provider, model: Model) -> ModelChoice:
    if model.provider is None:
        return ModelChoice(provider.id, model.name, model.context_window, address=model.address)
    return ModelChoice(model.provider, model.name, model.context_window, provider.id, model.address)

"""All providers there are: those that this service talks to, its knowledge stores, and those inside a Llama Stack."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lightspeed_stack.backends.catalog import ModelCatalog
from lightspeed_stack.config.dump import as_json
from lightspeed_stack.config.tree import Config
from lightspeed_stack.domain.health import Health
from lightspeed_stack.errors import BackendError
from lightspeed_stack.services.health import HealthCheck
from lightspeed_stack.stack.base import Stack, StackProvider


@dataclass(frozen=True, slots=True)
class ListedProvider:
    """A provider of one kind of thing (``api``: ``inference``, ``vector_io`` …); ``config`` has its secrets masked."""

    api: str
    provider_id: str
    provider_type: str
    config: Mapping[str, Any] = field(default_factory=dict)
    health: Health = field(default_factory=Health.ok)


class Directory:
    """Lists and finds providers. ``stack`` is None where none is configured."""

    def __init__(self, config: Config, catalog: ModelCatalog, health: HealthCheck, stack: Stack | None) -> None:
        self._config = config
        self._catalog = catalog
        self._health = health
        self._stack = stack

    async def listed(self) -> list[ListedProvider]:
        """In the order of the configuration, then of the stack; without looking at how they are.

        Raises BackendError where there is a stack that does not answer, and nothing else.
        """
        own = self._own()
        if self._stack is None:
            return own
        try:
            inside = await self._stack.listed_providers()
        except BackendError:
            if not own:
                raise
            inside = []
        return [*own, *(_of_stack(provider) for provider in inside)]

    async def find(self, provider_id: str) -> ListedProvider | None:
        """The first provider of that id, with how it is now. Raises BackendError where a stack is asked, and fails."""
        own = next((provider for provider in self._own() if provider.provider_id == provider_id), None)
        if own is not None:
            part = own.provider_id if own.api == "inference" else "knowledge"
            health = (await self._health.ill()).get(part, Health.ok())
            return ListedProvider(own.api, own.provider_id, own.provider_type, own.config, health)
        if self._stack is None:
            return None
        inside = (_of_stack(provider) for provider in await self._stack.providers())
        return next((provider for provider in inside if provider.provider_id == provider_id), None)

    def _own(self) -> list[ListedProvider]:
        tree = as_json(self._config)
        settings = {section["id"]: section for section in tree["inference"]["providers"]}
        inference = [
            ListedProvider("inference", provider.id, provider.backend.provider_type, settings.get(provider.id, {}))
            for provider in self._catalog.providers
            if not provider.backend.fronts
        ]
        stores = [
            ListedProvider("vector_io", store["name"], "inline::sqlite", store) for store in tree["rag"]["stores"]
        ]
        return [*inference, *stores]


def _of_stack(provider: StackProvider) -> ListedProvider:
    return ListedProvider(
        provider.api, provider.provider_id, provider.provider_type, dict(provider.config), provider.health
    )

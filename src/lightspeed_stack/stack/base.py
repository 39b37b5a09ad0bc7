"""The door to a Llama Stack, which OGX is called since its release 1.0: what it generates, embeds, searches and judges.

Above: ``backends.llama_stack``, ``retrieval.llama_stack`` and ``shields.llama_stack`` offer it at the doors of their
rooms. Below: ``client`` speaks with any supported release, over HTTP or inside this process.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

from lightspeed_stack.domain.health import Health
from lightspeed_stack.transport.base import Response


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one release, with one configuration, can do; read from its version, its routes and its providers.

    ``openai`` is the path below which it speaks OpenAI's protocol: ``/v1``, or ``/v1/openai/v1`` up to 0.2. ``stores``
    says how it keeps what can be searched: not at all, as vector databases (up to 0.2), or as vector stores.
    """

    version: str
    openai: str = "/v1"
    embeddings: bool = False
    moderations: bool = False
    shields: bool = False
    stores: Literal["none", "databases", "stores"] = "none"


@dataclass(frozen=True, slots=True)
class StackModel:
    """A model as the stack lists it. ``identifier`` is what the stack is asked for, mostly ``provider/name``."""

    identifier: str
    provider_id: str
    provider_resource_id: str
    kind: str
    metadata: Mapping[str, str | int | float | bool] = field(default=MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class StackProvider:
    """A provider inside the stack. ``config`` is JSON with secrets masked by the stack."""

    api: str
    provider_id: str
    provider_type: str
    config: Mapping[str, object]
    health: Health


@dataclass(frozen=True, slots=True)
class StackShield:
    """A shield as the stack lists it."""

    identifier: str
    provider_id: str
    provider_resource_id: str
    params: Mapping[str, object] = field(default=MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Store:
    """A vector database or vector store: ``id`` to search it, ``name`` to show it."""

    id: str
    name: str
    provider_id: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A chunk that a search found. ``score`` is the provider's own measure, higher is nearer; None where it told none.

    ``attributes`` are what was stored with the chunk: ``docs_url``, ``title``, ``document_id``, ``filename`` …
    """

    content: str
    score: float | None
    attributes: Mapping[str, str | int | float | bool] = field(default=MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Objection:
    """What a shield or a moderation has against a text. ``message`` is fit to be shown to the caller, or empty."""

    message: str
    metadata: Mapping[str, object] = field(default=MappingProxyType({}))


class Stack(Protocol):
    """One Llama Stack. Lists are cached, and refreshed in the background when they are used and old.

    All methods raise StackUnavailable where the stack cannot be reached, and another BackendError where it refuses.
    """

    async def capabilities(self) -> Capabilities:
        """What it can do, as last seen; asks only where it was never reached."""
        ...

    async def version(self) -> str:
        """The release that answers just now; always asks."""
        ...

    async def models(self) -> list[StackModel]:
        """In the stack's order; always asks, for ``ModelCatalog`` caches."""
        ...

    async def providers(self) -> list[StackProvider]:
        """In the stack's order, with how each is; always asks."""
        ...

    async def listed_providers(self) -> list[StackProvider]:
        """The same as last seen: for what they are, not for how they are."""
        ...

    async def shields(self) -> list[StackShield]:
        """As last seen; empty where the release has none."""
        ...

    async def stores(self) -> list[Store]:
        """As last seen; empty where there is nothing to search."""
        ...

    async def search(self, store: Store, text: str, *, limit: int) -> list[Found]:
        """The nearest chunks, best first, at most ``limit``."""
        ...

    async def run_shield(self, identifier: str, text: str, *, role: Literal["user", "assistant"]) -> Objection | None:
        """What the shield has against a text, None where it lets it pass."""
        ...

    async def moderate(self, model: str, text: str) -> Objection | None:
        """What a moderation model has against a text, None where it lets it pass."""
        ...

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        """One vector a text, in their order, as the model makes them."""
        ...

    def complete(self, body: bytes) -> AbstractAsyncContextManager[Response]:
        """Open a chat completion of OpenAI's protocol; ``body`` is its JSON, whose model is a model's identifier."""
        ...

    async def probe(self) -> Mapping[str, Health]:
        """How the stack's providers are, by their id; the stack itself by ``llama_stack`` where it does not answer.

        Never raises.
        """
        ...

"""The least that is a ``Stack``: chat completions and the list of models, over real connections to a server.

It finds no capabilities, and needs a server of OpenAI's protocol only: for tests of what is built on the port.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal

from lightspeed_stack.domain.health import Health
from lightspeed_stack.errors import BackendError
from lightspeed_stack.stack.base import (
    Capabilities,
    Found,
    Objection,
    StackModel,
    StackProvider,
    StackShield,
    Store,
)
from lightspeed_stack.transport.base import Response, Transport


class PlainStack:
    """``transport`` leads to the server's root; ``openai`` as in ``Capabilities``."""

    def __init__(self, transport: Transport, *, openai: str = "/v1") -> None:
        self._transport = transport
        self._openai = openai

    def complete(self, body: bytes) -> AbstractAsyncContextManager[Response]:
        return self._transport.request("POST", f"{self._openai}/chat/completions", body)

    async def models(self) -> list[StackModel]:
        async with self._transport.request("GET", "/v1/models", timeout=5) as response:
            entries = json.loads(b"".join([chunk async for chunk in response.chunks()]))["data"]
        return [described(entry) for entry in entries]

    async def probe(self) -> Mapping[str, Health]:
        try:
            await self.models()
        except BackendError as error:
            return {"llama_stack": Health.error(f"{error.response}: {error.cause}")}
        return {"openai": Health.ok()}

    async def capabilities(self) -> Capabilities:
        return Capabilities("0.0.0", self._openai)

    async def version(self) -> str:
        return "0.0.0"

    async def providers(self) -> list[StackProvider]:
        return []

    async def listed_providers(self) -> list[StackProvider]:
        return []

    async def shields(self) -> list[StackShield]:
        return []

    async def stores(self) -> list[Store]:
        return []

    async def search(self, store: Store, text: str, *, limit: int) -> list[Found]:
        return []

    async def run_shield(self, identifier: str, text: str, *, role: Literal["user", "assistant"]) -> Objection | None:
        return None

    async def moderate(self, model: str, text: str) -> Objection | None:
        return None

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        return [[] for _ in texts]


def described(entry: dict[str, object]) -> StackModel:
    """An entry of ``/v1/models``: ``identifier`` and its neighbours up to 0.2, ``custom_metadata`` later."""
    identifier = str(entry.get("identifier") or entry["id"])
    custom = entry.get("custom_metadata") or entry
    assert isinstance(custom, dict)
    return StackModel(
        identifier,
        provider_id=str(custom.get("provider_id", "openai")),
        provider_resource_id=str(custom.get("provider_resource_id", identifier)),
        kind=str(custom.get("model_type", "llm")),
        metadata=dict(custom.get("metadata") or {}),
    )

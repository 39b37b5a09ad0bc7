"""The door to the places where models answer.

Above: ``assistant`` asks, ``catalog`` chooses. Below: one file per wire protocol (``openai``, ``embedded``,
``llama_stack``).
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

from lightspeed_stack.domain.chat import Message, Usage
from lightspeed_stack.domain.health import Health


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as it is offered to a model; ``parameters`` is a JSON Schema object, as JSON text."""

    name: str
    description: str
    parameters: str


@dataclass(frozen=True, slots=True)
class Generation:
    """One request to a model. ``max_tokens`` bounds the answer; None leaves it to the server.

    ``live``: somebody watches the pieces come. Otherwise a backend may join pieces that came together.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    max_tokens: int | None = None
    temperature: float | None = None
    live: bool = True


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of answer text, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a tool call; pieces of one call share ``index``, the first carries ``id`` and ``name``."""

    index: int
    id: str | None
    name: str | None
    arguments: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The last delta. ``length`` means that the answer was cut at a limit; ``usage`` is None where none was sent."""

    reason: Literal["stop", "length", "tool_calls", "content_filter"]
    usage: Usage | None


type Delta = TextDelta | ToolCallDelta | Finished


@dataclass(frozen=True, slots=True)
class Model:
    """A model that a backend offers; ``kind`` is ``llm``, ``embedding`` or another word of the server's.

    ``name`` is how callers know it, without the provider. ``address`` is how the backend is asked for it, and
    ``resource`` how the provider calls it, where that differs. ``provider`` is the provider's id where a backend stands
    for several, as a Llama Stack does.
    """

    name: str
    kind: str = "llm"
    metadata: Mapping[str, str | int | float | bool] = field(default=MappingProxyType({}))
    context_window: int | None = None
    provider: str | None = None
    address: str | None = None
    resource: str | None = None


class ChatBackend(Protocol):
    """A place where a model answers. Entered by ``services`` before use and left at shutdown."""

    @property
    def provider_type(self) -> str:
        """The kind of provider as ``/v1/providers`` shows it, e.g. ``remote::openai``."""
        ...

    @property
    def fronts(self) -> bool:
        """Whether it stands for several providers, whose ids its models carry, as a Llama Stack does."""
        ...

    @property
    def parallel(self) -> int | None:
        """Generations that it runs at once, so that work nobody waits for can keep out of the way; None for many."""
        ...

    def stream(self, generation: Generation) -> AbstractAsyncContextManager[AsyncIterator[Delta]]:
        """Open one generation; the context is entered when the server has accepted it, leaving it stops it there.

        The last delta is ``Finished``; a stream that ends without it raises.

        Raises BackendUnavailable, BackendRateLimited, PromptTooLong, ModelNotFound or BackendFailed on entering;
        BackendUnavailable, BackendFailed, BackendRateLimited or PromptTooLong from the iterator.
        """
        ...

    async def models(self) -> list[Model]:
        """Ask the server what it offers, in its order; empty where it keeps no list. Raises BackendError."""
        ...

    async def probe(self) -> Health:
        """Ask the server how it is; never raises, answers within a few seconds."""
        ...

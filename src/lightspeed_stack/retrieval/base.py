"""The door to what the model may read.

Above: ``assistant`` asks a ``Retriever``. Below: ``search`` over an ``Embedder`` and one index per store.
"""

from collections.abc import Sequence
from typing import Protocol

from lightspeed_stack.domain.health import Health
from lightspeed_stack.domain.knowledge import Passage


class Embedder(Protocol):
    """Turns text into unit vectors. Called off the event loop; thread-safe."""

    @property
    def name(self) -> str:
        """Identifies the vector space: vectors of different names must never be compared."""
        ...

    @property
    def dimension(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        """One vector a text: ``dimension`` little-endian float32, L2 norm 1."""
        ...


class Retriever(Protocol):
    """Finds the passages that may answer a question."""

    async def search(self, question: str, *, limit: int) -> tuple[Passage, ...]:
        """At most ``limit`` passages, best first; empty where nothing is near enough.

        Raises KnowledgeError when a store cannot be read.
        """
        ...

    async def probe(self) -> Health: ...

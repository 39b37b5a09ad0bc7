"""A second embedder, small and quick: words hashed into a vector. It keeps the port's promises, not MiniLM's wisdom."""

import math
import re
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

from lightspeed_stack.retrieval.ingest import Addresses, Ingest, Outcome
from lightspeed_stack.retrieval.sqlite import Space, SqliteIndex, SqliteLibrary


class Hashing:
    """Texts with common words are near; texts without are at right angles, but for collisions."""

    name = "hashing-64"
    dimension = 64
    max_tokens = 254

    def __init__(self) -> None:
        self.embedded = 0

    def check(self) -> None:
        """It needs nothing."""

    def count(self, text: str) -> int:
        return len(re.findall(r"\w+|[^\w\s]", text))

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        self.embedded += len(texts)
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> bytes:
        values = [0.0] * self.dimension
        for word in re.findall(r"\w+", text.lower()) or [""]:
            values[zlib.crc32(word.encode()) % self.dimension] += 1.0
        norm = math.sqrt(sum(value * value for value in values))
        return struct.pack(f"<{self.dimension}f", *(value / norm for value in values))


SPACE = Space(Hashing.name, Hashing.dimension)


def ingest(
    store: Path, *paths: Path, addresses: Addresses | None = None, embedder: Hashing | None = None
) -> list[Outcome]:
    """What became of each document."""
    with SqliteLibrary(store, SPACE) as library:
        return list(Ingest(library, embedder or Hashing(), addresses).add(paths))


def changes(outcomes: Sequence[Outcome]) -> dict[str, str]:
    return {outcome.path: outcome.change.value for outcome in outcomes}


def index(store: Path, name: str = "manual") -> SqliteIndex:
    return SqliteIndex(name, store, SPACE)

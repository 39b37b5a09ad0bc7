"""An ``Embedder``: a model of the Llama Stack, for languages that the built-in one was not trained on.

The door is for threads, and the stack lives on an event loop; ``Cross`` is the way over.
"""

import importlib.util
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

import anyio
import anyio.from_thread

from lightspeed_stack.errors import AssistantError, BackendRateLimited, BackendUnavailable, KnowledgeError

INSTALL = "pip install 'lightspeed-stack[knowledge]'"

MAX_TEXTS = 32
"""Texts in one request; servers of embedding models refuse more, some from 33 on."""

MAX_CHARACTERS = 32_000
"""Characters in one request, unless a single text has more."""

TOKEN = 4
"""Bytes of UTF-8 that are taken for a token."""

PIECE = re.compile(r"\w+|[^\w\s]")

type Vectors = list[list[float]]

type Ask = Callable[[str, Sequence[str]], Awaitable[Vectors]]
"""Model and texts to vectors, one a text in their order: ``Stack.embed``."""

type Cross = Callable[[Callable[[], Coroutine[Any, Any, Vectors]]], Vectors]
"""Runs a coroutine function on the loop of the stack and waits for it, in a thread beside that loop."""


class LlamaStackEmbedder:
    """``timeout`` in seconds for one request. Vectors are asked for in batches, one after the other.

    ``max_tokens`` and ``count`` are estimates: the model's own tokens cannot be counted here.
    """

    def __init__(
        self,
        ask: Ask,
        model: str,
        *,
        dimension: int,
        max_tokens: int,
        timeout: float,
        cross: Cross = anyio.from_thread.run,
    ) -> None:
        self._ask = ask
        self._model = model
        self._dimension = dimension
        self._max_tokens = max_tokens
        self._timeout = timeout
        self._cross = cross

    @property
    def name(self) -> str:
        """With the dimension: some models make vectors of several lengths. Quoted, for it is stored and shown."""
        return f"{quote(self._model, safe='/:@+')} ({self._dimension})"

    @property
    def dimension(self) -> int:
        return self._dimension

    @property
    def max_tokens(self) -> int:
        return self._max_tokens

    def check(self) -> None:
        """Does not ask the stack, whose health is told beside that of the documents."""
        if importlib.util.find_spec("numpy") is None:
            message = f"searching documents needs numpy, which is not installed; fix: {INSTALL}"
            raise KnowledgeError(message)

    def count(self, text: str) -> int:
        return sum(_tokens(piece) for piece in PIECE.findall(text))

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        self.check()
        read = [beginning(text, self._max_tokens) for text in texts]
        return [vector for batch in batches(read) for vector in self._units(self._answer(batch), batch)]

    def _answer(self, batch: Sequence[str]) -> Vectors:
        """Raises KnowledgeError where none comes."""
        what = f"embedding with '{self._model}'"
        try:
            return self._cross(partial(self._asked, batch))
        except TimeoutError as error:
            message = f"{what} took longer than {self._timeout:g} seconds; fix: look at the log of the Llama Stack"
            raise KnowledgeError(message) from error
        except BackendUnavailable as error:
            message = f"{what} needs the Llama Stack, which does not answer ({_reason(error)}); fix: check that it runs"
            raise KnowledgeError(message) from error
        except BackendRateLimited as error:
            message = f"{what} is refused for now ({_reason(error)}); fix: try again in a moment"
            raise KnowledgeError(message) from error
        except AssistantError as error:
            message = f"{what} failed ({_reason(error)}); fix: check rag.embedding, and the log of the Llama Stack"
            raise KnowledgeError(message) from error

    async def _asked(self, batch: Sequence[str]) -> Vectors:
        with anyio.fail_after(self._timeout):
            return await self._ask(self._model, batch)

    def _units(self, vectors: Vectors, batch: Sequence[str]) -> list[bytes]:
        """The vectors as the door wants them. Raises KnowledgeError where they are not what was configured."""
        import numpy as np

        what = f"the embedding model '{self._model}'"
        if len(vectors) != len(batch):
            message = f"{what} made {len(vectors)} vectors of {len(batch)} texts; fix: use another model"
            raise KnowledgeError(message)
        other = next((len(vector) for vector in vectors if len(vector) != self._dimension), None)
        if other is not None:
            message = (
                f"{what} makes vectors of {other} numbers, not {self._dimension};"
                f" fix: write  rag: {{embedding: {{dimension: {other}}}}}"
            )
            raise KnowledgeError(message)
        matrix = np.array(vectors, dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is looked at
            lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
        if not (np.isfinite(lengths) & (lengths > 0)).all():
            message = f"{what} made a vector without a direction; fix: use another model"
            raise KnowledgeError(message)
        return [row.tobytes() for row in (matrix / lengths).astype("<f4")]


def beginning(text: str, tokens: int) -> str:
    """As much of a text as has at most so many tokens by estimate; a dot for nothing, which servers refuse."""
    left = tokens
    for piece in PIECE.finditer(text):
        size = _tokens(piece[0])
        if size > left:
            text = text[: piece.start() + left]  # no character is more than one token
            break
        left -= size
    return text if text.strip() else "."


def batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in order, in requests of bounded size, none of them empty."""
    batch: list[str] = []
    characters = 0
    for text in texts:
        if batch and (len(batch) == MAX_TEXTS or characters + len(text) > MAX_CHARACTERS):
            yield batch
            batch, characters = [], 0
        batch.append(text)
        characters += len(text)
    if batch:
        yield batch


def _tokens(piece: str) -> int:
    """A sign, or a word at ``TOKEN`` bytes a token: four letters of English, two of Greek, one of Chinese.

    Compared with ``cl100k_base`` for prose in 14 languages, code and numbers: a quarter too high for English, up to two
    and a half times too low for what that vocabulary knows least, such as Hebrew and long hexadecimal numbers.
    """
    return -(-len(piece.encode("utf-8", "surrogatepass")) // TOKEN)


def _reason(error: AssistantError) -> str:
    return error.cause.rstrip(".")

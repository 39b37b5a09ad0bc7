"""A chat completion of OpenAI's protocol, read from a response: what it says, or why there is none.

Above: ``openai`` and ``llama_stack`` open one over their own ways to a server. Below: ``openai_wire`` and ``sse`` know
the protocol; any ``transport.base.Response`` brings the bytes.
"""

import logging
from collections.abc import AsyncIterator, Iterator

from lightspeed_stack.backends.base import Delta
from lightspeed_stack.backends.openai_wire import ChunkReader, Refused, failure, instead_of_answer, joined, not_found
from lightspeed_stack.backends.sse import SseParser
from lightspeed_stack.errors import BackendError, BackendUnavailable
from lightspeed_stack.transport.base import Response, whole

log = logging.getLogger(__name__)

MAX_ERROR_BODY = 64 * 1024


class Completion:
    """The answer in a response, to be read once. ``live`` as in ``Generation``."""

    __slots__ = ("_chunks", "_first", "_live", "_parser", "_reader")

    def __init__(self, response: Response, *, live: bool) -> None:
        self._chunks = response.chunks()
        self._live = live
        self._parser, self._reader = SseParser(), ChunkReader()
        self._first: list[bytes] = []

    async def begun(self, model: str) -> None:
        """Wait for the first event, from servers that send a status before they know whether they will answer.

        Raises what the server says instead of an answer, as ``ChatBackend.stream`` does on entering.
        """
        async for chunk in self._chunks:
            self._first = self._parser.feed(chunk)
            if self._first:
                refused = instead_of_answer(self._first[0], model)
                if refused is not None:
                    log.warning("provider refused: %s", type(refused).__name__)
                    raise refused
                return
        self._reader.finish()

    async def deltas(self) -> AsyncIterator[Delta]:
        """The answer as it comes, ``Finished`` last. Raises as the iterator of ``ChatBackend.stream`` does."""
        if self._first:
            for delta in self._read(self._first):
                yield delta
        try:
            async for chunk in self._chunks:
                for delta in self._read(self._parser.feed(chunk)):
                    yield delta
        except BackendUnavailable:
            if not self._reader.done:
                raise
        yield self._reader.finish()

    def _read(self, payloads: list[bytes]) -> Iterator[Delta]:
        """Deltas of payloads that came together. What came before a fault was said, and is given before the fault."""
        if self._live:
            yield from self._reader.read(payloads)
            return
        together: list[Delta] = []
        try:
            together.extend(self._reader.read(payloads))
        finally:
            yield from joined(together)


async def refusal(response: Response, model: str | None = None) -> Refused:
    """Our error for a status other than 200; ``model`` where it may be the one that is not found."""
    log.warning("provider refused: status %d", response.status)
    if response.status == 404 and model:
        return not_found(model)
    try:
        body = await whole(response, limit=MAX_ERROR_BODY)
    except BackendError:
        body = b""  # the status alone says enough
    return failure(body, status=response.status, retry_after=response.retry_after)

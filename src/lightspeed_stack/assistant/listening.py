"""One generation, as far as it was heard: its text goes on at once, its calls are gathered.

Above: the loop, which also counts a generation that was cut. Below: a backend's deltas, and ``text_calls``, which knows
the calls that small models write as text.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from lightspeed_stack.assistant.context import estimate_tokens
from lightspeed_stack.assistant.text_calls import TextCalls
from lightspeed_stack.backends.base import Delta, Finished, TextDelta, ToolCallDelta
from lightspeed_stack.domain.chat import Message, ToolCall, Usage
from lightspeed_stack.errors import BackendFailed

MAX_CALLS_IN_ROUND = 64
"""Tool calls that one message of a model may hold; more is a broken model."""


@dataclass(slots=True)
class _Call:
    """A call that is still coming."""

    id: str
    name: str
    arguments: list[str]


class Heard:
    """``say`` gets what is said, piece by piece; ``text_calls`` is None where no calls are looked for in it."""

    def __init__(self, say: Callable[[str], Awaitable[None]], text_calls: TextCalls | None = None) -> None:
        self._say = say
        self._text_calls = text_calls
        self._pieces: list[str] = []
        self._said: list[str] = []
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._calls_in_text: tuple[ToolCall, ...] = ()
        self._finished: Finished | None = None

    async def listen(self, deltas: AsyncIterator[Delta]) -> None:
        """Hear a generation to its end.

        Raises BackendFailed for too many calls, and whatever the iterator and ``say`` raise.
        """
        async for delta in deltas:
            match delta:
                case TextDelta(text):
                    self._pieces.append(text)
                    await self._pass_on(text if self._text_calls is None else self._text_calls.feed(text))
                case ToolCallDelta():
                    self._gather(delta)
                case Finished():
                    self._finished = delta
        if self._text_calls is not None:
            rest, self._calls_in_text = self._text_calls.close()
            await self._pass_on(rest)
            _check_number(len(self._calls_in_text))

    @property
    def text(self) -> str:
        """What was said, without calls."""
        return "".join(self._said)

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The calls as the model made them, in their order; those in the text only where there are no others."""
        if not self._calls:
            return self._calls_in_text
        return tuple(ToolCall(call.id, call.name, "".join(call.arguments)) for call in self._calls)

    @property
    def truncated(self) -> bool:
        return self._finished is not None and self._finished.reason == "length"

    def usage(self, conversation: Sequence[Message]) -> Usage:
        """The provider's count, or an estimate where none came. A generation that was cut has been paid for as well."""
        if self._finished is not None and self._finished.usage is not None:
            return self._finished.usage
        made = "".join(chain(self._pieces, *(call.arguments for call in self._calls)))
        sent = sum(estimate_tokens(message.content) for message in conversation)
        return Usage(sent, estimate_tokens(made), estimated=True)

    async def _pass_on(self, text: str) -> None:
        if text:
            self._said.append(text)
            await self._say(text)

    def _gather(self, piece: ToolCallDelta) -> None:
        call = self._by_index.get(piece.index)
        # Some servers give every call the same index. Others give every piece a new id, but a name only to the first.
        if call is None or (piece.name and call.name and (piece.id or "") != call.id):
            _check_number(len(self._calls) + 1)
            call = _Call("", "", [])
            self._calls.append(call)
            self._by_index[piece.index] = call
        call.id = call.id or piece.id or ""
        call.name = call.name or piece.name or ""
        call.arguments.append(piece.arguments)


def _check_number(calls: int) -> None:
    if calls > MAX_CALLS_IN_ROUND:
        raise BackendFailed("The model called too many tools at once.")

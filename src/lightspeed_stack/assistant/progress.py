"""How far a turn has come between model and tools, as plain values.

The loop makes a new ``Progress`` at each step. Written as JSON it is all that another process needs to go on, so that a
turn can wait for a human without holding anything.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import msgspec

from lightspeed_stack.assistant.tool_calls import echoed, fingerprint
from lightspeed_stack.domain.chat import Message, ToolCall, ToolResult, Usage
from lightspeed_stack.errors import StorageError

VERSION = 1
"""Of the JSON. A later version reads the earlier ones, or refuses them."""

SAME_CALLS = 2
"""Times that the same call may be made in one turn."""


@dataclass(frozen=True, slots=True)
class Progress:
    """``messages`` are the conversation as the model knows it, oldest first, without the round that is open.

    ``rounds`` of the model are over, ``calls`` of tools were run, ``usage`` was counted and ``seconds`` of work were
    used. ``truncated``: some round was cut at a limit. ``spoken``: some round said something. ``told`` are the budgets
    whose end was told.

    ``seen``: fingerprint of a call → times it was made. ``repeats`` counts the last rounds that all repeated a call.

    ``results`` are those of all rounds that are over. A round is open while ``said`` is not None: it is what the model
    said with its calls, and ``done`` the results so far, in the order of the calls.
    """

    messages: tuple[Message, ...]
    rounds: int = 0
    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    truncated: bool = False
    spoken: bool = False
    told: frozenset[str] = frozenset()
    seen: Mapping[str, int] = field(default_factory=dict)
    repeats: int = 0
    results: tuple[ToolResult, ...] = ()
    said: Message | None = None
    done: tuple[ToolResult, ...] = ()

    @classmethod
    def begin(cls, prompt: Iterable[Message]) -> "Progress":
        """Of a turn whose model was not asked yet."""
        return cls(tuple(prompt))

    @property
    def pending(self) -> tuple[ToolCall, ...]:
        """The calls of the open round that have no result yet."""
        done = {result.call.id for result in self.done}
        return () if self.said is None else tuple(call for call in self.said.tool_calls if call.id not in done)

    @property
    def call_ids(self) -> frozenset[str]:
        """The ids of all calls so far."""
        return frozenset(call.id for message in self.messages for call in message.tool_calls)

    def open_round(self, said: Message) -> tuple[Self, frozenset[str]]:
        """Begin to answer the calls of ``said``; the ids beside are of those that were made often enough before."""
        seen, repeated = Counter(self.seen), set[str]()
        for call in said.tool_calls:
            mark = fingerprint(call)
            if seen[mark] >= SAME_CALLS:
                repeated.add(call.id)
            seen[mark] += 1
        repeats = self.repeats + 1 if repeated else 0
        return replace(self, said=said, seen=dict(seen), repeats=repeats), frozenset(repeated)

    def with_results(self, results: Iterable[ToolResult]) -> Self:
        """Add results to the open round."""
        calls = () if self.said is None else self.said.tool_calls
        found = {result.call.id: result for result in (*self.done, *results)}
        return replace(self, done=tuple(found[call.id] for call in calls if call.id in found))

    def close_round(self) -> Self:
        """Put the open round, which has all its results, behind the conversation."""
        if self.said is None:
            return self
        said = replace(self.said, tool_calls=tuple(map(echoed, self.said.tool_calls)))
        told = (Message("tool", result.content, tool_call_id=result.call.id) for result in self.done)
        return replace(
            self, messages=(*self.messages, said, *told), results=(*self.results, *self.done), said=None, done=()
        )

    def encode(self) -> bytes:
        """As JSON."""
        return msgspec.json.encode({"version": VERSION, "progress": self})

    @classmethod
    def decode(cls, data: bytes) -> "Progress":
        """What ``encode`` wrote, here or elsewhere. Raises StorageError where that cannot be read."""
        try:
            saved = msgspec.json.decode(data, type=_Saved)
            if saved.version == VERSION:
                return msgspec.json.decode(saved.progress, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise StorageError("A turn that waits cannot be read.") from error
        raise StorageError("A turn that waits was stored by another version of this service.")


class _Saved(msgspec.Struct):
    version: int
    progress: msgspec.Raw

"""Results of any length, shown to a model in pieces.

Above: the loop, which offers ``read_tool_result`` as soon as there is something to read. Below: any toolset, whose
results are as long as its tools made them.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256

import anyio.to_thread
import msgspec

from lightspeed_stack.assistant.answer import Tell
from lightspeed_stack.assistant.context import BYTES_PER_TOKEN
from lightspeed_stack.backends.base import ToolSpec
from lightspeed_stack.domain.chat import ToolCall, ToolResult
from lightspeed_stack.domain.notices import Notice, NoticeKind
from lightspeed_stack.tools.base import SkippedServer, Tool, Toolset

READ = "read_tool_result"
"""The tool that reads on; with an underscore behind it where another tool has this name."""

DESCRIPTION = "Read on in the result of a tool that was too long to be shown whole. The end of each piece says how."
PARAMETERS = (
    '{"type":"object","properties":{"id":{"type":"string","description":"The id that the piece before names."},'
    '"offset":{"type":"integer","minimum":0,"description":"The character to begin with, counted from 0."}},'
    '"required":["id","offset"]}'
)

MAX_KEPT = 32 * 1024 * 1024
"""Bytes of memory for the texts of one turn."""

OVERLAP = 500
"""Characters that a piece has in common with the one before, so that a shield sees orders that were cut in two; less
where the piece itself is short."""

NEAR = 500
"""Characters by which a piece may be shorter in order to end with a line."""

NOTE_TOKENS = 80
"""Tokens that the note behind a piece takes at most."""

SHORTEST = 1200
"""Bytes of a piece, however small the budget is: it must be longer than what it has in common with another."""


class _Place(msgspec.Struct):
    id: str
    offset: int


@dataclass(frozen=True, slots=True)
class _Kept:
    """A text, or the beginning of it; ``length`` is that of the whole, in characters."""

    text: str
    length: int

    @property
    def size(self) -> int:
        return sys.getsizeof(self.text)


class LongResults:
    """Cuts results that take more than ``max_tokens``, as estimated, and keeps them for this turn.

    ``clean`` takes out of a text what must not be said. It sees the whole before it is cut, for nobody sees a secret in
    its second half; it runs in a thread.
    """

    def __init__(
        self, toolset: Toolset, max_tokens: int, tell: Tell, clean: Callable[[str], str] | None = None
    ) -> None:
        self._toolset = toolset
        self._max_bytes = max((max_tokens - NOTE_TOKENS) * BYTES_PER_TOKEN, SHORTEST)
        self._tell = tell
        self._clean = clean
        self._texts: dict[str, _Kept] = {}
        self._cut = False
        name, names = READ, {tool.spec.name for tool in toolset.tools}
        while name in names:
            name += "_"
        self._read = Tool(ToolSpec(name, DESCRIPTION, PARAMETERS), "results", "inline::results")

    @property
    def tools(self) -> tuple[Tool, ...]:
        """Those of the toolset, and one more as soon as there is something to read."""
        return (*self._toolset.tools, self._read) if self._cut else self._toolset.tools

    @property
    def skipped(self) -> tuple[SkippedServer, ...]:
        return self._toolset.skipped

    async def call(self, call: ToolCall) -> ToolResult:
        """See Toolset; the result is cut."""
        if call.name == self._read.spec.name:
            return self._read_on(call)
        result = await self._toolset.call(call)
        if piece_end(result.content, 0, self._max_bytes) == len(result.content):
            return result
        if self._clean is not None:
            result = replace(result, content=await anyio.to_thread.run_sync(self._clean, result.content))
        # Short, for models have to copy it; and known in no other process, should this turn go on there.
        id_ = sha256(call.id.encode()).hexdigest()[:8]
        kept = self._keep(id_, result.content)
        await self._tell(
            Notice(NoticeKind.RESULT_CUT, call.name, "A result was too long to be shown to the model in one piece.")
        )
        return ToolResult(call, self._piece(id_, kept, 0), failed=result.failed)

    def _keep(self, id_: str, text: str) -> _Kept:
        """Keep a text, or as much of it as may be kept; the oldest have to go for it."""
        kept = _Kept(text, len(text))
        if kept.size > MAX_KEPT:
            kept = _Kept(text[: len(text) * MAX_KEPT // kept.size - OVERLAP], len(text))
        self._cut = True
        self._texts.pop(id_, None)
        while self._texts and kept.size + sum(it.size for it in self._texts.values()) > MAX_KEPT:
            del self._texts[next(iter(self._texts))]
        self._texts[id_] = kept
        return kept

    def _piece(self, id_: str, kept: _Kept, offset: int) -> str:
        """The text from ``offset`` on, as far as it may be shown, with a note on how to read on."""
        end = piece_end(kept.text, offset, self._max_bytes)
        overlap = min(OVERLAP, (end - offset) // 3)
        shown = f"characters {offset} to {end} of {kept.length}"
        if end < len(kept.text):
            place = f'{{"id": "{id_}", "offset": {end - overlap}}}'
            note = f"This was cut: {shown}. To read on, call {self._read.spec.name} with {place}."
        elif end < kept.length:
            note = f"This is all that was kept: {shown}."
        else:
            note = f"This is the end: {shown}."
        return f"{kept.text[offset:end]}\n[{note}]"

    def _read_on(self, call: ToolCall) -> ToolResult:
        try:
            place = msgspec.json.decode(call.arguments, type=_Place, strict=False)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return _failed(call, "Give the id and the offset that the piece before names.")
        kept = self._texts.get(place.id)
        if kept is None:
            return _failed(call, "This result is not kept any more. Call its tool again if you need it.")
        if not 0 <= place.offset < len(kept.text):
            return _failed(call, f"There is nothing there: offsets go from 0 to {len(kept.text) - 1}.")
        return ToolResult(call, self._piece(place.id, kept, place.offset))


def _failed(call: ToolCall, told: str) -> ToolResult:
    return ToolResult(call, told, failed=True)


def piece_end(text: str, offset: int, max_bytes: int) -> int:
    """Where the piece ends that begins at ``offset`` and takes ``max_bytes`` of UTF-8: with a line, if one ends near.

    It looks at no more of the text than the piece, so that the length of the text does not matter.
    """
    piece = text[offset : offset + max_bytes]
    encoded = piece.encode("utf-8", "surrogatepass")
    if len(encoded) > max_bytes:
        cut = max_bytes
        while encoded[cut] & 0xC0 == 0x80:  # in the middle of a character
            cut -= 1
        piece = encoded[:cut].decode("utf-8", "surrogatepass")
    end = offset + len(piece)
    if end < len(text):
        line_end = piece.rfind("\n", max(len(piece) - NEAR, OVERLAP))
        end = end if line_end < 0 else offset + line_end + 1
    return end

"""A watch for shields that judge a text and change nothing in it: what was not judged is held back."""

import re
from collections.abc import Awaitable, Callable

from lightspeed_stack.shields.base import Objection, Violation

type Judge = Callable[[str], Awaitable[Violation | None]]
"""What is wrong with a text; None where it may pass. Raises AssistantError where that cannot be told."""

_SENTENCE_END = re.compile(r"[.!?…][\"')\]»”]*\s+|[。！？]|\n")
_BLANK = re.compile(r"\s+")


class Judged:
    """See Watch. Nothing is given that was not judged before, together with what stood before it.

    Without ``window`` the whole text is held until it is over, and judged once. With one, a piece is judged when so
    many characters are held: all of them up to the last end of a sentence in the second half of a window, else to the
    last blank there, else all. So at least half a window of new text lies between two judgements, however it comes,
    and no more is held than a window and the piece that came last. ``context`` characters before a piece are judged
    with it again, for a sentence that a cut went through.
    """

    def __init__(self, judge: Judge, *, window: int | None = None, context: int = 0) -> None:
        self._judge = judge
        self._window = window
        self._context = context
        self._before = ""
        self._held: list[str] = []
        self._length = 0

    @property
    def changed(self) -> int:
        """Always 0: a judge takes nothing out."""
        return 0

    async def feed(self, text: str) -> str:
        """See Watch."""
        self._held.append(text)
        self._length += len(text)
        if self._window is None or self._length < self._window:
            return ""
        held = "".join(self._held)
        end = _cut(held, self._window // 2)
        piece, rest = held[:end], held[end:]
        self._held, self._length = [rest], len(rest)
        return await self._passed(piece)

    async def close(self) -> str:
        """See Watch."""
        piece = "".join(self._held)
        self._held, self._length = [], 0
        return await self._passed(piece)

    async def _passed(self, piece: str) -> str:
        # What only parts words is not worth a question; it is judged with what comes after it.
        violation = await self._judge(self._before + piece) if piece.strip() else None
        if violation is not None:
            raise Objection(violation)
        self._before = (self._before + piece)[-self._context :] if self._context else ""
        return piece


def _cut(text: str, keep: int) -> int:
    """Where to cut ``text`` so that at most ``keep`` characters stay behind: behind a sentence, a word, or all."""
    start = len(text) - keep
    for border in (_SENTENCE_END, _BLANK):
        ends = [found.end() for found in border.finditer(text, start)]
        if ends:
            return ends[-1]
    return len(text)

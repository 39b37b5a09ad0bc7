"""Where a text gives orders to the model that reads it. Pure.

Signs count together where they stand near each other, each kind once and as much as its strongest: a long page on
prompts has many signs far apart, an attack has them in a sentence or two.
"""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import monotonic

import regex

from lightspeed_stack.shields.injection_signs import Sign
from lightspeed_stack.shields.injection_text import folded

REACH = 400
"""Characters from the beginning of one sign to that of the last that counts together with it."""

BLOCK, OVERLAP = 4000, 1000
"""Characters that are searched at a time, and how far into the next: no sign is longer. In a small part most signs can
be left out at a glance."""

BLOBS = 50
"""Pieces of Base64 that are looked into, at most."""

_QUOTE_BEGINS = regex.compile(
    r"\b(?:such as|like|for example|for instance|e\.g\.|phrases?|words|sentences?|attempts)[,:]? ?[\"'`“”‘’„«]$"
)
_QUOTE_ENDS = regex.compile(r"[.!]?[\"'`“”’»]")

_BLOB = regex.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{32,4000}={0,2}")


@dataclass(frozen=True, slots=True)
class Orders:
    """A place where a text gives orders: the lines that have signs of it, counted from 0, and the names of these."""

    lines: frozenset[int]
    signs: frozenset[str]


@dataclass(frozen=True, slots=True, order=True)
class _Found:
    start: int
    end: int
    name: str
    weight: float


def orders(text: str, signs: Sequence[Sign], *, threshold: float, seconds: float) -> list[Orders]:
    """All places where the weights of signs reach ``threshold``. Raises TimeoutError after ``seconds``."""
    deadline = monotonic() + seconds
    places = list(_in(folded(text), signs, threshold, deadline))
    for line, hidden in _decoded(text):
        if any(_in(folded(hidden), signs, threshold, deadline)):
            places.append(Orders(frozenset({line}), frozenset({"encoded"})))
    return places


def _in(text: str, signs: Sequence[Sign], threshold: float, deadline: float) -> Iterator[Orders]:
    found = sorted(
        {
            _Found(*span, sign.name, sign.weight)
            for start in range(0, max(len(text) - OVERLAP, 1), BLOCK)
            for sign in signs
            for span in sign.spans(text, start, start + BLOCK + OVERLAP, timeout=max(deadline - monotonic(), 0.001))
            if not _mentioned(text, *span)
        }
    )
    if not found:
        return
    line_starts = [0, *(position + 1 for position, character in enumerate(text) if character == "\n")]

    def lines(one: _Found) -> range:
        return range(bisect_right(line_starts, one.start) - 1, bisect_right(line_starts, one.end - 1))

    for number in range(len(found)):
        near = _near(found, number, threshold)
        if near:
            names = frozenset(one.name for one in near)
            yield Orders(frozenset(line for one in near for line in lines(one)), names)


def _mentioned(text: str, start: int, end: int) -> bool:
    """Whether a text only speaks of these words: they alone are quoted, and called an example."""
    return bool(_QUOTE_ENDS.match(text, end) and _QUOTE_BEGINS.search(text, max(start - 40, 0), start))


def _near(found: Sequence[_Found], number: int, threshold: float) -> list[_Found]:
    """What is in reach of the sign of this number, itself included, if the weights reach the threshold; else none."""
    near: list[_Found] = []
    weights: dict[str, float] = {}
    for one in found[number:]:
        if one.start > found[number].start + REACH:
            break
        near.append(one)
        weights[one.name] = max(weights.get(one.name, 0.0), one.weight)
    # Weights are tenths, and sums of them not quite.
    return near if sum(weights.values()) > threshold - 0.001 else []


def _decoded(text: str) -> Iterator[tuple[int, str]]:
    """What pieces of Base64 say, where it is text, each with its line."""
    for number, found in enumerate(_BLOB.finditer(text)):
        if number == BLOBS:
            return
        said = _as_text(found[0])
        if said is not None:
            yield text.count("\n", 0, found.start()), said


def _as_text(blob: str) -> str | None:
    plain = blob.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        said = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    return said if " " in said else None

"""Text to chunks, purely: where to cut a document so that each piece can be found and read on its own.

A chunk never crosses a heading, except that a heading with nothing below it goes with the section that follows. Inside
a section the text is cut at the coarsest border that makes the pieces small enough: paragraphs, then lines, then
sentences, then words, and only then anywhere.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lightspeed_stack.retrieval.base import Chunk, Heading

TARGET_TOKENS = 120
MAX_TOKENS = 200
MAX_CHARACTERS = 2_000
"""A bound beside the tokens: a tokenizer may count a long unbroken word as one."""

VERSION = 1
"""Raised when the same text is cut otherwise."""

LEAST = 6
"""A chunk below a sixth of the target is still too small to stand alone."""

BORDERS = (
    re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+"),  # blank lines
    re.compile(r"\n"),
    re.compile(r"(?<=[.!?:;])\s+"),
    re.compile(r"\s+"),
)
"""Where a text may be cut, coarsest first; the white space goes with the piece before it."""

type Measure = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Limits:
    """``target`` is where a chunk is closed, ``maximum`` what none may exceed, both in tokens by ``measure``."""

    measure: Measure
    target: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of text between two headings; the first may have none."""

    start: int
    end: int
    path: tuple[str, ...] = ()
    anchor: str | None = None


def estimate(text: str) -> int:
    """A guess at the tokens of a text, where no tokenizer is at hand: a sign each, four letters each, rounded up."""
    return sum(-(-len(match) // 4) for match in re.findall(r"\w+|[^\w\s]", text))


def split(
    text: str,
    headings: Sequence[Heading],
    *,
    target_tokens: int = TARGET_TOKENS,
    max_tokens: int = MAX_TOKENS,
    measure: Measure = estimate,
) -> list[Chunk]:
    """Cut a text into chunks, in order, without overlap, which together hold everything but white space.

    ``headings`` are in order of ``start`` and do not overlap. ``measure`` counts the tokens of a text; joining two
    texts at white space must not make more tokens than they have apart. A chunk begins and ends with a visible
    character and has at most ``max_tokens`` tokens and ``MAX_CHARACTERS`` characters.
    """
    limits = Limits(measure, target_tokens, max_tokens)
    chunks = []
    for section in sections(text, headings):
        for start, end in _pack(text, section, limits):
            chunks.append(Chunk(text[start:end], start, end, section.path, section.anchor))
    return chunks


def sections(text: str, headings: Sequence[Heading]) -> Iterator[Section]:
    """The stretches between headings, without gaps; a heading with nothing below it joins the next stretch."""
    path: list[Heading] = []
    start = 0
    current: Heading | None = None
    for heading in headings:
        body = current.end if current else start
        if text[body : heading.start].strip():
            yield _section(start, heading.start, path)
            start = heading.start
        path = [*(above for above in path if above.level < heading.level), heading]
        current = heading
    yield _section(start, len(text), path)


def _section(start: int, end: int, path: Sequence[Heading]) -> Section:
    return Section(start, end, tuple(heading.title for heading in path), path[-1].anchor if path else None)


def _pack(text: str, section: Section, limits: Limits) -> Iterator[tuple[int, int]]:
    """Join pieces until the next one would go over the target; yields trimmed offsets.

    While there is only a little, such as a heading, the next one may go over the target: it would say nothing alone.
    """
    start = end = section.start
    tokens = 0
    for piece_start, piece_end in _pieces(text, section.start, section.end, limits, 0):
        size = limits.measure(text[piece_start:piece_end])
        over = limits.maximum if tokens < limits.target // LEAST else limits.target
        if end > start and (tokens + size > over or piece_end - start > MAX_CHARACTERS):
            yield from _trimmed(text, start, end)
            start, tokens = piece_start, 0
        tokens += size
        end = piece_end
    yield from _trimmed(text, start, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    content = text[start:end]
    if content.strip():
        yield start + len(content) - len(content.lstrip()), start + len(content.rstrip())


def _pieces(text: str, start: int, end: int, limits: Limits, border: int) -> Iterator[tuple[int, int]]:
    """Cut at a border, and at finer ones what is still too large; the pieces follow each other without gaps.

    At paragraphs and lines the target is the measure, so that chunks fill evenly; sentences and words are only
    separated to keep a piece under the maximum.
    """
    if start == end:
        return
    bound = limits.target if border < 2 else limits.maximum
    if end - start <= MAX_CHARACTERS and limits.measure(text[start:end]) <= bound:
        yield start, end
        return
    if border == len(BORDERS):
        yield from _cut_anywhere(text, start, end, limits)
        return
    at = start
    for match in BORDERS[border].finditer(text, start, end):
        if at < match.end() < end:
            yield from _pieces(text, at, match.end(), limits, border + 1)
            at = match.end()
    yield from _pieces(text, at, end, limits, border + 1)


def _cut_anywhere(text: str, start: int, end: int, limits: Limits) -> Iterator[tuple[int, int]]:
    """Halve what has no white space until it fits; one character is a piece whatever it measures."""
    if end - start == 1 or (end - start <= MAX_CHARACTERS and limits.measure(text[start:end]) <= limits.maximum):
        yield start, end
        return
    middle = (start + end) // 2
    yield from _cut_anywhere(text, start, middle, limits)
    yield from _cut_anywhere(text, middle, end, limits)

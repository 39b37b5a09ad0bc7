"""Feeds a text to a watch, cut as a test likes."""

from collections.abc import Iterable, Iterator

from lightspeed_stack.shields.base import Objection, Violation, Watch


async def passed(watch: Watch, pieces: Iterable[str]) -> str:
    """What comes out in all. Raises Objection."""
    out = [await watch.feed(piece) for piece in pieces]
    return "".join([*out, await watch.close()])


async def until_objection(watch: Watch, pieces: Iterable[str]) -> tuple[str, Violation | None]:
    """What came out before the watch objected, and its objection, if it had one."""
    out = ""
    try:
        for piece in pieces:
            out += await watch.feed(piece)
        out += await watch.close()
    except Objection as objection:
        return out, objection.violation
    return out, None


def cut(text: str, sizes: Iterable[int]) -> Iterator[str]:
    """Pieces of these sizes, and what is left as the last."""
    start = 0
    for size in sizes:
        yield text[start : start + size]
        start += size
    yield text[start:]

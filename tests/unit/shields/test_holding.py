"""A text is held back until it was judged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.errors import BackendFailed
from lightspeed_stack.shields.base import Objection, Violation
from lightspeed_stack.shields.holding import Judged
from tests.spec.registry import requirement
from tests.unit.shields.watching import cut, passed, until_objection

TEXTS = st.text(alphabet="ab .\n", max_size=200)
SIZES = st.lists(st.integers(0, 30), max_size=40)
WINDOWS = st.none() | st.integers(2, 40)
CONTEXTS = st.integers(0, 40)


class Judge:
    """Remembers what it was asked, and objects to texts with a ``#``."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, text: str) -> Violation | None:
        self.asked.append(text)
        return Violation("guard") if "#" in text else None


@requirement("shield:holding:passes")
@given(text=TEXTS, sizes=SIZES, window=WINDOWS, context=CONTEXTS)
async def test_what_may_pass_comes_out_whole(text: str, sizes: list[int], window: int | None, context: int) -> None:
    judge = Judge()
    watch = Judged(judge, window=window, context=context)
    assert await passed(watch, cut(text, sizes)) == text
    assert watch.changed == 0
    assert bool(judge.asked) is bool(text.strip())


@requirement("shield:holding:judged-first")
@given(before=TEXTS, after=TEXTS, sizes=SIZES, window=WINDOWS, context=CONTEXTS)
async def test_nothing_of_a_piece_that_was_objected_to_comes_out(
    before: str, after: str, sizes: list[int], window: int | None, context: int
) -> None:
    watch = Judged(Judge(), window=window, context=context)
    out, violation = await until_objection(watch, cut(f"{before}#{after}", sizes))
    assert violation == Violation("guard")
    assert before.startswith(out)


@requirement("shield:holding:judged-first")
@given(text=TEXTS, sizes=SIZES, window=st.integers(2, 40), context=CONTEXTS)
async def test_a_piece_is_judged_with_what_stood_before_it(
    text: str, sizes: list[int], window: int, context: int
) -> None:
    judge = Judge()
    watch = Judged(judge, window=window, context=context)
    fed = out = ""
    for piece in cut(text, sizes):
        fed += piece
        asked = len(judge.asked)
        new = await watch.feed(piece)
        if new.strip():
            [judged] = judge.asked[asked:]
            assert judged == (out[-context:] if context else "") + new
        out += new


@requirement("shield:holding:bounded")
@given(text=TEXTS, sizes=SIZES, window=st.integers(2, 40))
async def test_a_window_bounds_what_is_held_and_how_often_is_judged(text: str, sizes: list[int], window: int) -> None:
    judge = Judge()
    watch = Judged(judge, window=window)
    fed = out = ""
    for piece in cut(text, sizes):
        fed += piece
        out += await watch.feed(piece)
        assert len(fed) - len(out) < window
    await watch.close()
    assert len(judge.asked) <= len(text) // (window - window // 2) + 1


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("It all works. Then it", "It all works. "),
        ("It works, then it sto", "It works, then it "),
        ("It works? 'Yes!' Then", "It works? 'Yes!' "),
        ("First line here\nand t", "First line here\n"),
        ("Version 1.2.3.4.5.6.7", "Version 1.2.3.4.5.6.7"),
        ("One. Two words, three", "One. Two words, "),
        ("然后它停止了没有空格。Das läuft.", "然后它停止了没有空格。Das "),
    ],
)
@requirement("shield:holding:cut")
async def test_a_piece_ends_with_a_sentence_else_with_a_word(text: str, first: str) -> None:
    watch = Judged(Judge(), window=len(text))
    assert await watch.feed(text) == first
    assert await watch.close() == text[len(first) :]


@requirement("shield:holding:judged-first")
async def test_without_a_judgement_nothing_comes_out() -> None:
    async def fails(_: str) -> Violation | None:
        raise BackendFailed("away")

    watch = Judged(fails, window=4)
    with pytest.raises(BackendFailed):
        await watch.feed("some words")
    assert await watch.close() == ""


@requirement("shield:holding:judged-first")
async def test_without_a_window_the_whole_text_is_judged_at_its_end() -> None:
    judge = Judge()
    watch = Judged(judge)
    assert [await watch.feed(piece) for piece in ("a " * 500, "b", "#")] == ["", "", ""]
    assert judge.asked == []
    with pytest.raises(Objection):
        await watch.close()
    assert judge.asked == ["a " * 500 + "b#"]

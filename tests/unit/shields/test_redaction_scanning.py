"""However a text is cut into pieces, the same is taken out of it, and nothing of that is ever given out."""

import re
from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lightspeed_stack.shields.scanning import LONG, Bank
from lightspeed_stack.shields.widths import Unsuitable, expression
from tests.spec.registry import requirement
from tests.unit.shields.definition import Definition, check_watch, without

SIGNS = "ab1_ \n"
LITERAL = st.sampled_from(["a", "b", "1", "_", " ", r"\n", r"\w", r"\d", r"\s", r"\W", ".", "[ab]", "[^a]", "[^\\n]"])
AROUND = st.sampled_from([r"\b", r"\B", "(?<=a)", "(?<!a)", "(?<![ab1])", "(?<=[ab][1 ])", "(?<!a[ab])", "^"])
REPEATS = ["?", "{2}", "{1,3}", "{0,2}", "??", "{1,3}?", "{0,2}?", "{1,2}+", "?+"]


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(inner, st.sampled_from(REPEATS)).map(lambda two: f"(?:{two[0]}){two[1]}"),
        inner.map(lambda one: f"(?>{one})"),
        inner.map(lambda one: f"(?i:{one})"),
        inner.map(lambda one: f"(?={one})"),
        inner.map(lambda one: f"(?!{one})"),
        inner.map(lambda one: f"({one})"),
    )


PARTS = st.recursive(LITERAL | LITERAL | AROUND, _larger, max_leaves=6)
PATTERNS = st.one_of(
    PARTS,
    st.tuples(PARTS, PARTS).map(lambda two: f"{two[0]}(?P<secret>{two[1]})"),
    st.tuples(LITERAL, PARTS).map(lambda two: rf"({two[0]}){two[1]}\1"),
)


def fits(pattern: str) -> bool:
    try:
        expression(pattern)
        re.compile(pattern)
    except (Unsuitable, re.error):
        return False
    return True


def half(candidate: str) -> int:
    return (len(candidate) + 1) // 2


def no_a(candidate: str) -> int:
    return 0 if "a" in candidate else len(candidate)


DEFINITIONS = st.builds(
    Definition,
    st.sampled_from(["X", "Y", "Z"]),
    PATTERNS.filter(fits),
    st.none() | st.sampled_from(["[ab]", r"\w", "[^ ]", "a{1,3}", "b|1(?=a)", " ?a", r"(?<!1)[ab]{1,2}"]),
    st.sampled_from([len, len, half, no_a]),
)


@st.composite
def cut(draw: st.DrawFn, text: str) -> list[str]:
    """A text in pieces."""
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


@st.composite
def texts(draw: st.DrawFn, definitions: Sequence[Definition]) -> str:
    """What the patterns themselves match, cut, doubled and put between other signs."""
    matches = [st.from_regex(re.compile(one.pattern)).map(lambda found: found[:12]) for one in definitions]
    text = "".join(draw(st.lists(st.one_of(st.text(SIGNS, max_size=6), *matches), max_size=5)))
    return text * draw(st.sampled_from([1, 1, 1, 1 + 2 * LONG // (len(text) + 1)]))


GENERATED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


@requirement("redaction:stream")
@GENERATED
@given(st.data())
def test_every_cut_of_a_text_gives_the_same(data: st.DataObject) -> None:
    definitions = data.draw(st.lists(DEFINITIONS, min_size=1, max_size=3))
    text = data.draw(texts(definitions))
    pieces = data.draw(cut(text))
    check_watch(text, pieces, [Bank("x", [one.rule()]) for one in definitions], without(text, definitions))


PLAIN = DEFINITIONS.filter(lambda one: "(?P" not in one.pattern and not re.search(r"\\1|\((?!\?)", one.pattern))


@requirement("redaction:stream")
@GENERATED
@given(st.data())
def test_rules_that_are_searched_for_together_find_the_same(data: st.DataObject) -> None:
    definitions = data.draw(st.lists(PLAIN, min_size=2, max_size=4))
    text = data.draw(texts(definitions))
    pieces = data.draw(cut(text))
    check_watch(text, pieces, [Bank("x", [one.rule() for one in definitions])], without(text, definitions))

"""What a question's words add to its meaning."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.domain.knowledge import Passage
from lightspeed_stack.retrieval.base import Candidate
from lightspeed_stack.retrieval.ranking import MAX_TERMS, distinct, rank, terms, words
from tests.spec.registry import requirement


def passage(content: str) -> Passage:
    return Passage(content, "manual", "Title", None)


@requirement("retrieval:ranking:terms")
@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What does ERR-1042 mean?", ("ERR-1042",)),
        ("What is max_passages, and where is /etc/hosts?", ("max_passages", "/etc/hosts")),
        ("What does --force do?", ("--force",)),
        ('It says "disk is full" and `No space`', ("disk is full", "No space")),
        ("It says 'not now', but it's not so", ("not now",)),
        ("Why is the node NotReady with ENOSPC?", ("NotReady", "ENOSPC")),
        ("I get a 502. And v2, and V2?", ("502", "v2")),
        ("How do I bake bread?", ()),
        ("Is the TLS key there - or not?", ()),
        ("", ()),
    ],
)
def test_identifiers_codes_and_quotations_are_terms(question: str, expected: tuple[str, ...]) -> None:
    assert terms(question) == expected


@requirement("retrieval:ranking:terms")
@given(st.text(max_size=400))
def test_terms_are_few_and_stand_in_the_question(question: str) -> None:
    found = terms(question)
    assert len(found) <= MAX_TERMS
    assert all(term in question for term in found)


def test_words_leave_out_what_says_nothing() -> None:
    assert words("How do I restore the Restore of a_file?") == ("restore", "a_file")


CANDIDATES = st.lists(
    st.builds(
        Candidate,
        st.text("abcdef ", max_size=30).map(passage),
        st.floats(-1, 1),
        st.sets(st.sampled_from(["x", "y"])).map(tuple),
        st.sampled_from([0.0, 0.5, 1.0]),
    ),
    max_size=20,
)


@requirement("retrieval:ranking:order")
@given(CANDIDATES, st.integers(0, 10), st.floats(-1, 1))
def test_scores_fall_and_none_is_below_the_minimum(candidates: list[Candidate], limit: int, least: float) -> None:
    found = rank(candidates, limit=limit, min_score=least)
    scores = [it.score for it in found]
    assert len(found) <= limit
    assert scores == sorted(scores, reverse=True)
    assert all(score >= least for score in scores)


@requirement("retrieval:ranking:order")
@given(CANDIDATES)
def test_without_terms_and_words_the_order_is_that_of_meaning(candidates: list[Candidate]) -> None:
    plain = [Candidate(it.passage, it.similarity) for it in candidates]
    ranked = rank(plain, limit=len(plain), min_score=-1)
    expected = distinct([it.passage for it in sorted(plain, key=lambda it: -it.similarity)], limit=len(plain))
    assert [it.content for it in ranked] == [it.content for it in expected]


@requirement("retrieval:ranking:terms")
def test_a_passage_with_the_error_code_wins_and_passes_the_minimum() -> None:
    near = Candidate(passage("all about errors"), 0.30)
    exact = Candidate(passage("ERR-1042: the disk is full"), 0.12, ("ERR-1042",))
    assert [it.content[:3] for it in rank([near, exact], limit=2, min_score=0.25)] == ["ERR", "all"]


@requirement("retrieval:ranking:words")
def test_common_words_decide_between_equals_but_make_no_answer() -> None:
    one = Candidate(passage("first"), 0.40)
    other = Candidate(passage("second"), 0.38, words=1.0)
    off = Candidate(passage("bread and butter"), 0.22, words=0.5)
    assert [it.content for it in rank([one, other, off], limit=3, min_score=0.25)] == ["second", "first"]


@requirement("retrieval:ranking:duplicates")
@given(st.lists(st.text("ab c", max_size=20), max_size=10))
def test_the_same_text_is_not_shown_twice(texts: list[str]) -> None:
    found = distinct([passage(text) for text in texts * 2], limit=100)
    contents = [" ".join(it.content.split()) for it in found]
    assert len(contents) == len(set(contents))
    assert distinct(found, limit=100) == found


@requirement("retrieval:ranking:duplicates")
def test_a_passage_that_differs_in_a_word_is_a_duplicate_and_another_is_not() -> None:
    text = " ".join(f"word{number}" for number in range(60))
    almost = text.replace("word30", "other")
    shown = distinct([passage(text), passage(almost), passage("something else")], limit=5)
    assert [it.content for it in shown] == [text, "something else"]

"""Rankings whose scores do not compare, and several sources of passages as one."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.domain.health import Health
from lightspeed_stack.domain.knowledge import Passage
from lightspeed_stack.errors import KnowledgeError
from lightspeed_stack.retrieval.combined import CombinedRetriever
from lightspeed_stack.retrieval.ranking import fuse, reciprocal_rank_fusion
from tests.spec.registry import requirement

RANKING = st.lists(st.sampled_from("abcdefgh"), unique=True)


@requirement("retrieval:fusion")
@given(RANKING, st.integers(1, 5))
def test_agreeing_rankings_keep_their_order(ranking: list[str], times: int) -> None:
    assert [key for key, _ in reciprocal_rank_fusion([ranking] * times)] == ranking


@requirement("retrieval:fusion")
@given(st.lists(RANKING, max_size=5), st.integers(1, 100))
def test_scores_are_sums_of_reciprocal_ranks_and_fall(rankings: list[list[str]], k: int) -> None:
    fused = reciprocal_rank_fusion(rankings, k=k)
    sums = {
        key: sum(1 / (k + ranking.index(key) + 1) for ranking in rankings if key in ranking)
        for key in {key for ranking in rankings for key in ranking}
    }
    assert dict(fused) == pytest.approx(sums)
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)


@requirement("retrieval:fusion")
@given(st.permutations([list("abc"), list("bca"), list("cab")]))
def test_equals_tie_in_the_order_of_their_appearance(rankings: list[list[str]]) -> None:
    assert [key for key, _ in reciprocal_rank_fusion(rankings)] == rankings[0]


@requirement("retrieval:fusion")
def test_what_stands_in_a_ranking_twice_counts_at_its_first_place() -> None:
    assert reciprocal_rank_fusion([["a", "a", "b"]], k=1) == [("a", 1 / 2), ("b", 1 / 3)]


@dataclass
class Part:
    """A retriever that knows what it will say; each letter is a passage."""

    says: str | KnowledgeError | None
    health: Health = field(default_factory=Health.ok)
    warmed: bool = False

    async def search(self, question: str, *, limit: int) -> tuple[Passage, ...] | None:
        if isinstance(self.says, KnowledgeError):
            raise self.says
        return None if self.says is None else passages(self.says)[:limit]

    async def warm(self) -> None:
        self.warmed = True
        if isinstance(self.says, KnowledgeError):
            raise self.says

    async def probe(self) -> Health:
        return self.health


def passages(letters: str) -> tuple[Passage, ...]:
    return tuple(Passage(letter, "source", "Title", None) for letter in letters)


BROKEN = KnowledgeError("the file is gone")


@requirement("retrieval:combined")
@pytest.mark.parametrize(
    ("parts", "limit", "found"),
    [
        (("abc", "xyz"), 4, "axby"),
        (("abc", "cde"), 9, "cabde"),
        (("abc", None), 2, "ab"),
        ((None, "abc"), 2, "ab"),
        (("", "abc"), 2, "ab"),
        (("", None), 2, ""),
        ((None, None), 2, None),
        ((BROKEN, "abc"), 2, "ab"),
        (("abc", BROKEN), 2, "ab"),
        (("", BROKEN), 2, ""),
        ((), 2, None),
    ],
)
async def test_parts_are_one(parts: tuple[str | KnowledgeError | None, ...], limit: int, found: str | None) -> None:
    combined = CombinedRetriever([Part(says) for says in parts])
    assert await combined.search("anything", limit=limit) == (None if found is None else passages(found))


@requirement("retrieval:combined")
@pytest.mark.parametrize("parts", [(BROKEN, BROKEN), (BROKEN, None), (None, BROKEN)])
async def test_nothing_but_failures_is_a_failure(parts: tuple[KnowledgeError | None, ...]) -> None:
    with pytest.raises(KnowledgeError, match="the file is gone"):
        await CombinedRetriever([Part(says) for says in parts]).search("anything", limit=3)


@requirement("retrieval:combined")
async def test_a_failing_part_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    await CombinedRetriever([Part(BROKEN), Part("a")]).search("anything", limit=3)
    assert [record.getMessage() for record in caplog.records] == [
        "a part of the documentation was not searched: the file is gone"
    ]


@requirement("retrieval:combined")
async def test_all_parts_are_warmed_and_all_illnesses_told() -> None:
    parts = [Part(BROKEN, Health.error("one")), Part("a"), Part("b", Health.error("three"))]
    combined = CombinedRetriever(parts)
    with pytest.raises(KnowledgeError, match="the file is gone"):
        await combined.warm()
    assert all(part.warmed for part in parts)
    assert await combined.probe() == Health.error("one; three")
    assert await CombinedRetriever(parts[1:2]).probe() == Health.ok()


@requirement("retrieval:fusion")
def test_fused_passages_keep_the_first_of_equal_texts_with_its_score() -> None:
    one, other = Passage("a", "one", "One", None, score=0.3), Passage("a", "other", "Other", None, score=70.0)
    assert fuse([[one], [other]]) == [one]

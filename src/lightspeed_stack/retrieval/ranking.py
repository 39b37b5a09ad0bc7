"""Candidates to passages, purely: what a question's words add to what its meaning found, and what is left out.

Meaning ranks. Words help where meaning is weak: with identifiers, error codes and quoted strings, which an embedding
model has hardly seen, and a little with all words, between passages of nearly the same meaning. An equal fusion of
both rankings was measured and lost (``bench/retrieval.py``).
"""

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from math import fsum

from lightspeed_stack.domain.knowledge import Passage
from lightspeed_stack.retrieval.base import Candidate

BOOST = 0.25
"""Added to the cosine of a passage that holds all terms of the question; a share of it where it holds some."""

NUDGE = 0.05
"""Added for the first passage in the ranking by words; half of it for the second, a third for the third."""

NEAR_DUPLICATE = 0.8
"""Passages with at least this share of common word triples say the same."""

MAX_TERMS = 8
MAX_WORDS = 32
STOPWORDS = frozenset(
    re.findall(
        r"\w+",
        "a about am an and any are as at be been but by can could did do does for from get had has have how i if in "
        "into is it its me my no not of on or our out should so than that the their them then there these they this to "
        "us was we were what when where which who whom why will with would you your",
    )
)
MAX_TERM = 200
QUOTED = re.compile(r"""`([^`]+)`|"([^"]+)"|“([^”]+)”|«([^»]+)»|(?<!\w)'([^']+)'(?!\w)""")
TOKEN = re.compile(r"[^\s`\"“”«»'()\[\]{}<>,;?!]+")
SHAPES = re.compile(
    r"""  --?[A-Za-z][\w-]+              # an option: --force
        | .*[A-Za-z].*\d.*|.*\d.*[A-Za-z].*   # letters and digits: ERR-1042, v2
        | .*\w[_/\\=@:.]\w.*|[/$~]\w.*        # signs inside: max_passages, a.b.c, /etc/hosts, $HOME
        | .*[a-z][A-Z].*                 # capitals inside: NotReady
        | [A-Z]{4,}                      # a name in capitals: ENOSPC
        | \d{3,}                         # a number: 502
    """,
    re.VERBOSE,
)


def terms(question: str) -> tuple[str, ...]:
    """The identifiers, error codes and quoted strings of a question, each once, at most ``MAX_TERMS``."""
    found = [next(group for group in match.groups() if group).strip() for match in QUOTED.finditer(question)]
    rest = QUOTED.sub(" ", question)
    tokens = [token.rstrip(".:") for token in TOKEN.findall(rest) if len(token) <= MAX_TERM]
    found += [token for token in tokens if SHAPES.fullmatch(token)]
    once: dict[str, str] = {}
    for term in found:
        if 1 < len(term) <= MAX_TERM:
            once.setdefault(term.casefold(), term)
    return tuple(once.values())[:MAX_TERMS]


def words(question: str) -> tuple[str, ...]:
    """The words of a question that say something, in lower case, each once, at most ``MAX_WORDS``."""
    found = (word for word in re.findall(r"\w+", question.lower()) if word not in STOPWORDS)
    return tuple(dict.fromkeys(found))[:MAX_WORDS]


def rank(
    candidates: Sequence[Candidate],
    *,
    limit: int,
    min_score: float,
    boost: float = BOOST,
    nudge: float = NUDGE,
) -> tuple[Passage, ...]:
    """The best passages, best first, with their scores; equal scores keep the order of ``candidates``.

    ``near = cosine + boost * (terms in the passage / terms in any candidate)``, ``score = near + nudge / (place by
    words)``. Where ``near`` is below ``min_score`` the passage is left out: common words in common do not make a
    passage an answer. Left out as well is what says the same as a better passage.
    """
    present = {term for candidate in candidates for term in candidate.terms}
    scored = []
    for candidate in candidates:
        near = candidate.similarity + boost * len(set(candidate.terms)) / max(len(present), 1)
        if near >= min_score:
            scored.append(replace(candidate.passage, score=near + nudge * candidate.words))
    return distinct(sorted(scored, key=lambda it: -it.score), limit=limit)


def reciprocal_rank_fusion[K: Hashable](rankings: Sequence[Sequence[K]], *, k: int = 60) -> list[tuple[K, float]]:
    """Merge best-first rankings into one, best first.

    ``score(c) = sum(1 / (k + rank(c)))`` with ranks counted from 1; what is missing from a ranking adds nothing, and
    what stands in it twice counts at its first place. Ties keep the order of first appearance.

    Source: Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion", SIGIR 2009, section 2.
    """
    shares: dict[K, list[float]] = {}
    for ranking in rankings:
        for rank, key in enumerate(dict.fromkeys(ranking), 1):
            shares.setdefault(key, []).append(1 / (k + rank))
    # Exactly rounded: equal shares in another order must tie.
    return sorted(((key, fsum(parts)) for key, parts in shares.items()), key=lambda it: -it[1])


def fuse(rankings: Sequence[Sequence[Passage]]) -> list[Passage]:
    """Merge best-first rankings whose scores do not compare, by their places. The same text is one passage.

    A passage keeps the score of where it first appears, so that scores need not fall along the result.
    """
    first: dict[str, Passage] = {}
    for ranking in rankings:
        for passage in ranking:
            first.setdefault(passage.content, passage)
    fused = reciprocal_rank_fusion([[passage.content for passage in ranking] for ranking in rankings])
    return [first[content] for content, _ in fused]


def distinct(passages: Iterable[Passage], *, limit: int, threshold: float = NEAR_DUPLICATE) -> tuple[Passage, ...]:
    """The first ``limit`` passages that are not near-duplicates of one before them, in order.

    Two passages are near-duplicates when the Jaccard index of their sets of word triples reaches ``threshold``.
    Source: Broder, "On the resemblance and containment of documents", SEQUENCES 1997.
    """
    kept: list[tuple[Passage, frozenset[tuple[str, ...]]]] = []
    for passage in passages:
        if len(kept) >= limit:
            break
        shingles = _triples(passage.content)
        if all(_jaccard(shingles, other) < threshold for _, other in kept):
            kept.append((passage, shingles))
    return tuple(passage for passage, _ in kept)


def _triples(text: str) -> frozenset[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    if len(words) < 3:
        return frozenset([tuple(words)])
    return frozenset(zip(words, words[1:], words[2:], strict=False))


def _jaccard(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> float:
    return len(one & other) / len(one | other)

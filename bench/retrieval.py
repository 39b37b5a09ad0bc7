"""How well passages are found: recall@1 and @3 of meaning, of words, of both fused alike, and of what we use.

    python -m bench.retrieval [--corpus FOLDER --questions FILE.yaml] [--misses]

The questions file has the shape of ``tests/unit/retrieval/questions.yaml``, which is the default with its corpus. The
scores of right first passages and of off-topic questions are printed as well: ``rag.min_score`` belongs between them.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.unit.retrieval import evaluation

from lightspeed_stack.domain.knowledge import Passage
from lightspeed_stack.retrieval import ranking
from lightspeed_stack.retrieval.base import Candidate
from lightspeed_stack.retrieval.minilm import MiniLM
from lightspeed_stack.retrieval.sqlite import SqliteIndex

DEPTH = 30
ANY = -1.0

type Search = Callable[[str], Sequence[Passage]]


def ways(index: SqliteIndex, embedder: MiniLM) -> dict[str, Search]:
    def ranked(question: str, boost: float, nudge: float = 0) -> tuple[Passage, ...]:
        return ranking.rank(found(question), limit=DEPTH, min_score=ANY, boost=boost, nudge=nudge)

    def found(question: str) -> list[Candidate]:
        [vector] = embedder.embed([question])
        return index.candidates(vector, ranking.terms(question), ranking.words(question), limit=DEPTH)

    def words(question: str) -> list[Passage]:
        ranked = sorted(found(question), key=lambda it: -it.words)
        return [it.passage for it in ranked if it.words]

    def fused(question: str) -> list[Passage]:
        score: dict[str, float] = {}
        passages = {}
        for way in (ranked(question, 0), words(question)):
            for place, passage in enumerate(way, 1):
                key = f"{passage.attributes['path']}:{passage.start}"
                passages[key] = passage
                score[key] = score.get(key, 0) + 1 / (60 + place)
        return [passages[key] for key in sorted(score, key=lambda it: -score[it])]

    def way(boost: float, nudge: float) -> Search:
        return lambda question: ranked(question, boost, nudge)

    table: dict[str, Search] = {"meaning": way(0, 0), "words (BM25)": words, "fused alike": fused}
    weights = ((0.1, 0), (0.25, 0), (0.4, 0), (0, 0.05), (0.25, 0.02), (0.25, 0.05), (0.25, 0.1), (0.25, 0.2))
    for boost, nudge in weights:
        ours = " (ours)" if (boost, nudge) == (ranking.BOOST, ranking.NUDGE) else ""
        table[f"meaning, terms {boost}, words {nudge}{ours}"] = way(boost, nudge)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description="Recall on an evaluation set.")
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--questions", type=Path, default=evaluation.QUESTIONS)
    parser.add_argument("--misses", action="store_true", help="show the questions whose first passage is wrong")
    asked = parser.parse_args()
    cases, off_topic = evaluation.load(asked.questions)
    embedder = MiniLM()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        index = evaluation.build(folder, asked.corpus or evaluation.lay_out(folder), embedder)
        all_ways = ways(index, embedder)
        print(f"{'way':<38} recall@1  recall@3  of {len(cases)}")
        for name, search in all_ways.items():
            hits = evaluation.recall(cases, search)
            print(f"{name:<38} {hits[1]:>8}  {hits[3]:>8}")
        ours = all_ways[next(name for name in all_ways if "ours" in name)]
        right = sorted((ours(case.ask)[0].score, case.ask) for case in cases if case.answered_by(ours(case.ask)[0]))
        wrong = sorted(((ours(question)[0].score, question) for question in off_topic), reverse=True)
        print("\nlowest scores of right first passages\n" + "\n".join(f"  {s:.3f}  {q}" for s, q in right[:8]))
        print("highest scores of off-topic questions\n" + "\n".join(f"  {s:.3f}  {q}" for s, q in wrong))
        if asked.misses:
            for case in cases:
                best = ours(case.ask)[:3]
                if not case.answered_by(best[0]):
                    print(f"\n{case.ask}  (wanted {case.path})")
                    print("\n".join(f"  {it.score:.3f} {it.attributes['path']} {it.section}" for it in best))


if __name__ == "__main__":
    main()

"""The evaluation set: a small invented documentation, questions, and where each is answered."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from lightspeed_stack.domain.knowledge import Passage
from lightspeed_stack.retrieval.base import Embedder
from lightspeed_stack.retrieval.ingest import Change, Ingest
from lightspeed_stack.retrieval.sqlite import Space, SqliteIndex, SqliteLibrary
from tests.unit.retrieval import paper

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
QUESTIONS = HERE / "questions.yaml"


@dataclass(frozen=True, slots=True)
class Case:
    """``path`` is the document that answers ``ask``, and ``holds`` stands in the passage that does."""

    ask: str
    path: str
    holds: str

    def answered_by(self, passage: Passage) -> bool:
        words = " ".join(self.holds.split())
        return passage.attributes["path"] == self.path and words in " ".join(passage.content.split())


def load(path: Path = QUESTIONS) -> tuple[list[Case], list[str]]:
    """The answerable questions, and those about something else."""
    told = yaml.safe_load(path.read_text("utf-8"))
    return [Case(**case) for case in told["answerable"]], list(told["off_topic"])


def lay_out(folder: Path) -> Path:
    """The corpus with its generated handbook."""
    corpus = shutil.copytree(CORPUS, folder / "corpus")
    paper.write_handbook(corpus)
    return corpus


def build(folder: Path, corpus: Path, embedder: Embedder) -> SqliteIndex:
    """A store of the corpus."""
    space = Space(embedder.name, embedder.dimension)
    with SqliteLibrary(folder / "evaluation.db", space) as library:
        for outcome in Ingest(library, embedder).add([corpus]):
            assert outcome.change is Change.ADDED, outcome
    return SqliteIndex("evaluation", folder / "evaluation.db", space)


def recall(cases: Sequence[Case], search: Callable[[str], Sequence[Passage]]) -> dict[int, int]:
    """How many questions are answered within the first 1 and 3 passages."""
    hits = {1: 0, 3: 0}
    for case in cases:
        passages = search(case.ask)
        for depth in hits:
            hits[depth] += any(case.answered_by(passage) for passage in passages[:depth])
    return hits

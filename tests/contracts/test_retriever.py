"""What every ``Retriever`` promises, on the real parts: files, a store, an embedder."""

from pathlib import Path

import pytest

from lightspeed_stack.domain.health import Health, HealthStatus
from lightspeed_stack.errors import KnowledgeError
from lightspeed_stack.retrieval.base import Embedder, Retriever
from lightspeed_stack.retrieval.ingest import Ingest
from lightspeed_stack.retrieval.minilm import MiniLM
from lightspeed_stack.retrieval.search import KnowledgeRetriever
from lightspeed_stack.retrieval.sqlite import Space, SqliteIndex, SqliteLibrary
from tests.spec.registry import requirement
from tests.unit.retrieval import evaluation
from tests.unit.retrieval.hashing import Hashing

EMBEDDERS: dict[str, Embedder] = {"minilm": MiniLM(), "hashing": Hashing()}


@pytest.fixture(scope="module", params=sorted(EMBEDDERS))
def retriever(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Retriever:
    folder = tmp_path_factory.mktemp("retriever")
    embedder = EMBEDDERS[request.param]
    space = Space(embedder.name, embedder.dimension)
    with SqliteLibrary(folder / "manual.db", space) as library:
        assert all(outcome.change == "added" for outcome in Ingest(library, embedder).add([evaluation.CORPUS]))
    return KnowledgeRetriever([SqliteIndex("manual", folder / "manual.db", space)], embedder, min_score=0.25)


@requirement("retrieval:search:best-first")
@pytest.mark.parametrize("limit", [1, 2, 5, 100])
async def test_at_most_limit_passages_best_first(retriever: Retriever, limit: int) -> None:
    found = await retriever.search("Who can lift a legal hold?", limit=limit) or ()
    scores = [passage.score for passage in found]
    assert 0 < len(found) <= limit
    assert scores == sorted(scores, reverse=True)
    assert "may\nset or lift it" in found[0].content or "legal hold" in found[0].content


@requirement("retrieval:search:best-first")
async def test_the_same_question_finds_the_same(retriever: Retriever) -> None:
    first = await retriever.search("How often are copies made?", limit=5)
    assert await retriever.search("How often are copies made?", limit=5) == first


@requirement("retrieval:search:offsets")
async def test_passages_are_pieces_of_their_documents(retriever: Retriever) -> None:
    for passage in await retriever.search("The queue is full: TM-2031", limit=5) or ():
        assert passage.source == "manual"
        assert passage.title
        assert passage.end - passage.start == len(passage.content)
        assert passage.attributes["section"] == " > ".join(passage.section)
        if str(passage.attributes["path"]).endswith((".txt", ".rst")):
            text = (evaluation.CORPUS / str(passage.attributes["path"])).read_text("utf-8")
            assert text[passage.start : passage.end] == passage.content


@requirement("retrieval:search:terms")
async def test_an_error_code_finds_its_passage(retriever: Retriever) -> None:
    [found] = await retriever.search("TM-3005", limit=1) or ()
    assert (found.section, found.attributes["anchor"]) == (("Error codes", "TM-3005"), "tm-3005")


@requirement("retrieval:search:odd-questions")
@pytest.mark.parametrize(
    "question", ["", "   ", "\0", '"', "'; DROP TABLE chunks; --", "AND OR NOT", "日本語", "x" * 100_000, "\ud800 a1"]
)
async def test_odd_questions_are_searched_for_like_others(retriever: Retriever, question: str) -> None:
    found = await retriever.search(question, limit=3)
    assert found is not None
    assert len(found) <= 3


async def test_nothing_is_found_within_a_limit_of_nothing(retriever: Retriever) -> None:
    assert await retriever.search("Who can lift a legal hold?", limit=0) == ()


@requirement("retrieval:search:probe")
async def test_the_probe_says_that_all_is_well(retriever: Retriever) -> None:
    await retriever.warm()
    assert await retriever.probe() == Health.ok()


@requirement("retrieval:search:probe")
@pytest.mark.parametrize("name", sorted(EMBEDDERS))
async def test_a_missing_store_is_an_error_and_ill_health(name: str, tmp_path: Path) -> None:
    embedder = EMBEDDERS[name]
    space = Space(embedder.name, embedder.dimension)
    missing = KnowledgeRetriever([SqliteIndex("manual", tmp_path / "no.db", space)], embedder, min_score=0)
    with pytest.raises(KnowledgeError, match="fix: lightspeed-stack ingest"):
        await missing.search("anything", limit=3)
    assert (await missing.probe()).status is HealthStatus.ERROR

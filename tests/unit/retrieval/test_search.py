"""A search: bounded in time and number, and honest about what is wrong."""

import threading
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from lightspeed_stack.domain.health import Health
from lightspeed_stack.errors import KnowledgeError
from lightspeed_stack.retrieval import search
from lightspeed_stack.retrieval.search import KnowledgeRetriever
from tests.spec.registry import requirement
from tests.unit.retrieval.hashing import Hashing, index, ingest


@pytest.fixture
def stores(tmp_path: Path) -> tuple[Path, Path]:
    for name, text in (("one", "harbours and piers"), ("two", "ropes and knots")):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_text(text)
        (tmp_path / name / "same.txt").write_text("this page stands in both stores and says the same twice")
        ingest(tmp_path / f"{name}.db", tmp_path / name)
    return tmp_path / "one.db", tmp_path / "two.db"


def retriever(*stores: Path, min_score: float = 0.2) -> KnowledgeRetriever:
    return KnowledgeRetriever([index(store, store.stem) for store in stores], Hashing(), min_score=min_score)


@requirement("retrieval:search:stores")
async def test_several_stores_are_searched_as_one(stores: tuple[Path, Path]) -> None:
    found = await retriever(*stores).search("harbours ropes", limit=5)
    assert {passage.source for passage in found} == {"one", "two"}


@requirement("retrieval:search:stores")
async def test_what_stands_in_two_stores_is_found_once(stores: tuple[Path, Path]) -> None:
    found = await retriever(*stores).search("which page stands in both stores", limit=5)
    assert [passage.attributes["path"] for passage in found].count("same.txt") == 1


async def test_nothing_is_loaded_where_there_is_nothing_to_search() -> None:
    embedder = Hashing()
    empty = KnowledgeRetriever([], embedder, min_score=0)
    await empty.warm()
    assert await empty.search("anything", limit=3) == ()
    assert await empty.probe() == Health.ok()
    assert embedder.embedded == 0


@requirement("retrieval:search:probe")
async def test_the_probe_names_the_store_and_the_fix(stores: tuple[Path, Path], tmp_path: Path) -> None:
    assert await retriever(*stores).probe() == Health.ok()
    ill = await retriever(stores[0], tmp_path / "absent.db").probe()
    assert ill.message == (
        "the knowledge store 'absent' has no file absent.db yet; fix: lightspeed-stack ingest PATH --store absent"
    )


@requirement("retrieval:search:warm")
async def test_warming_up_loads_and_tells_what_is_missing(stores: tuple[Path, Path], tmp_path: Path) -> None:
    await retriever(*stores).warm()
    with pytest.raises(KnowledgeError, match="absent"):
        await retriever(tmp_path / "absent.db").warm()


class Held(Hashing):
    """Embeds when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        self.go.wait(10)
        return super().embed(texts)


@requirement("retrieval:search:timeout")
async def test_a_search_that_takes_too_long_is_given_up(stores: tuple[Path, Path]) -> None:
    embedder = Held()
    slow = KnowledgeRetriever([index(stores[0])], embedder, min_score=0, timeout=0.01)
    try:
        with anyio.fail_after(5), pytest.raises(KnowledgeError, match="took longer than"):
            await slow.search("harbours", limit=1)
    finally:
        embedder.go.set()


@requirement("retrieval:search:bounded")
async def test_more_searches_than_can_wait_are_refused(stores: tuple[Path, Path]) -> None:
    embedder = Held()
    busy = KnowledgeRetriever([index(stores[0])], embedder, min_score=0, timeout=5)
    refused: list[str] = []
    answered: list[int] = []

    async def ask() -> None:
        try:
            answered.append(len(await busy.search("harbours", limit=1)))
        except KnowledgeError as error:
            refused.append(error.cause)
            embedder.go.set()

    try:
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                for _ in range(search.WAITING + 1):
                    tasks.start_soon(ask)
    finally:
        embedder.go.set()
    assert refused == ["too many searches are waiting; fix: ask again in a moment"]
    assert answered == [1] * search.WAITING
    assert await busy.search("harbours", limit=1)  # every place was given back
    # those who leave give theirs back as well
    for _ in range(search.WAITING + 1):
        with anyio.CancelScope() as scope:
            scope.cancel()
            await busy.search("harbours", limit=1)
    assert await busy.search("harbours", limit=1)

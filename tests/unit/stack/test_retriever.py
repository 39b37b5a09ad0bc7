"""What is retrieved from a stack."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.domain.health import Health, HealthStatus
from lightspeed_stack.domain.knowledge import Passage
from lightspeed_stack.errors import KnowledgeError
from lightspeed_stack.retrieval.llama_stack import MAX_CONTENT, MAX_VALUE, StackRetriever, merge, passage
from lightspeed_stack.stack.base import Found, Store
from tests.servers.processes import free_port
from tests.servers.stack_answers import RELEASES, StackAnswers, stack_answers
from tests.spec.registry import requirement
from tests.unit.stack.speaking import client

DOCS = Store("vs_docs", "docs", "faiss")


@requirement("retrieval:stack:passages")
@pytest.mark.parametrize("release", RELEASES)
async def test_passages_of_all_releases(release: str) -> None:
    async with stack_answers(release) as server, client(server.url) as stack:
        found = await StackRetriever(stack).search("how to restart the quartz pump", limit=3)
        assert found is not None
        assert [(it.content[:12], it.source, it.title, it.url) for it in found] == [
            ("The quartz p", "docs", "Pump", "https://x/pump"),
            ("Bananas are ", "docs", "d2", None),
        ]
        assert found[0].attributes["document_id"] == "d1"
        assert await StackRetriever(stack).search("how to restart the quartz pump", limit=1) == found[:1]


@requirement("retrieval:stack:passages")
@pytest.mark.parametrize(
    ("attributes", "title", "url"),
    [
        ({}, "docs", None),
        ({"document_id": "d1"}, "d1", None),
        ({"document_id": "d1", "filename": "a.md"}, "a.md", None),
        ({"filename": "a.md", "title": " A "}, "A", None),
        ({"title": " ", "filename": 7}, "docs", None),
        ({"source": "pump.md"}, "docs", None),
        ({"source": "https://x/s", "url": "http://x/u"}, "docs", "http://x/u"),
        ({"url": "http://x/u", "docs_url": "https://x/d"}, "docs", "https://x/d"),
        ({"docs_url": "javascript:alert(1)", "source_url": "https://x/o"}, "docs", "https://x/o"),
        ({"docs_url": "https://[x", "url": "file:///etc/passwd", "source": "https://"}, "docs", None),
        ({"url": "https://x/a b", "source": "https://x/a\nb"}, "docs", None),
    ],
)
def test_titles_and_addresses(attributes: dict[str, Any], title: str, url: str | None) -> None:
    made = passage(DOCS, Found("text", 0.5, attributes))
    assert (made.title, made.url, made.source, made.score, made.attributes) == (title, url, "docs", 0.5, attributes)


@requirement("retrieval:stack:passages")
def test_what_is_long_is_cut() -> None:
    words, letters = "word " * MAX_CONTENT, "x" * (MAX_CONTENT + 1)
    assert passage(DOCS, Found(words, None)).content == ("word " * (MAX_CONTENT // 5)).strip()
    assert passage(DOCS, Found(letters, None)).content == letters[:-1]
    assert passage(DOCS, Found(letters[:-1], None)).content == letters[:-1]
    assert passage(DOCS, Found("a", None, {"k": "x" * MAX_VALUE, "l": "x" * (MAX_VALUE + 1)})).attributes.keys() == {
        "k"
    }


def store(name: str, provider: str = "faiss") -> Store:
    return Store(f"vs_{name}", name, provider)


def hits(*told: tuple[str, float | None]) -> list[Found]:
    return [Found(content, score) for content, score in told]


@requirement("retrieval:stack:merged")
@pytest.mark.parametrize(
    ("found", "order"),
    [
        ([], ""),
        ([(store("a"), hits(("x", 0.9), ("y", 0.1)))], "xy"),
        # One provider: by score.
        ([(store("a"), hits(("x", 0.9), ("y", 0.1))), (store("b"), hits(("p", 0.8), ("q", 0.7)))], "xpqy"),
        # Two providers: by place, whatever their scores are.
        ([(store("a"), hits(("x", 0.9), ("y", 0.8))), (store("b", "pg"), hits(("p", 70.0), ("q", 60.0)))], "xpyq"),
        # One provider that does not tell all scores (an exact match), or whose scores mean a distance: by place.
        ([(store("a"), hits(("x", None), ("y", 0.1))), (store("b"), hits(("p", 0.8), ("q", 0.7)))], "xpyq"),
        ([(store("a"), hits(("x", 0.1), ("y", 0.9))), (store("b"), hits(("p", 0.8), ("q", 0.9)))], "xpyq"),
        ([(store("a", ""), hits(("x", 0.9), ("y", 0.8))), (store("b", ""), hits(("p", 70.0), ("q", 60.0)))], "xpyq"),
        # What two providers find stands before what one finds.
        ([(store("a"), hits(("x", 0.9), ("z", 0.8))), (store("b", "pg"), hits(("z", 7.0), ("q", 6.0)))], "zxq"),
    ],
)
def test_merging(found: list[tuple[Store, list[Found]]], order: str) -> None:
    assert "".join(it.content for it in merge(found)) == order


FOUND = st.lists(
    st.tuples(
        st.builds(store, st.sampled_from("abc"), st.sampled_from(["faiss", "pg"])),
        st.lists(st.builds(Found, st.text("xyz", min_size=1), st.none() | st.floats(-2, 2)), max_size=6),
    ),
    max_size=5,
)


@requirement("retrieval:stack:merged")
@given(FOUND)
def test_merging_loses_nothing_and_invents_nothing(found: Sequence[tuple[Store, Sequence[Found]]]) -> None:
    assert {it.content for it in merge(found)} == {hit.content for _, told in found for hit in told}


def with_stores(server: StackAnswers, number: int) -> None:
    """Copies of the recorded store, each with a chunk that has its number."""
    page = [
        {"id": f"vs_{index}", "name": f"store {index}", "metadata": {"provider_id": "faiss"}} for index in range(number)
    ]
    server.answers["GET /v1/vector_stores"] = {"data": page, "has_more": False}
    for index in range(number):
        hit = {"content": [{"type": "text", "text": f"Chunk {index} of all"}], "score": number - index}
        server.answers[f"POST /v1/vector_stores/vs_{index}/search"] = {"data": [hit]}


@requirement("retrieval:stack:merged")
async def test_all_stores_are_searched() -> None:
    async with stack_answers("ogx-1.5.0") as server, client(server.url) as stack:
        with_stores(server, 20)
        found = await StackRetriever(stack).search("anything", limit=50)
        assert found is not None
        assert [it.source for it in found] == [f"store {index}" for index in range(20)]
        assert {body["max_num_results"] for body in server.bodies} == {100}


@requirement("retrieval:stack:faults")
async def test_a_store_that_fails_does_not_hide_the_others(caplog: pytest.LogCaptureFixture) -> None:
    refused = frozenset({"POST /v1/vector_stores/vs_1/search"})
    async with stack_answers("ogx-1.5.0") as server, client(server.url) as stack:
        with_stores(server, 3)
        server.status, server.refused = 500, refused
        found = await StackRetriever(stack).search("anything", limit=3)
        assert [it.source for it in found or ()] == ["store 0", "store 2"]
        assert "store 'store 1' of Llama Stack: Llama Stack reported an error." in caplog.text
        server.refused = frozenset(f"POST /v1/vector_stores/vs_{index}/search" for index in range(3))
        with pytest.raises(KnowledgeError, match=r"no store of Llama Stack could be searched: Llama Stack reported"):
            await StackRetriever(stack).search("anything", limit=3)


@requirement("retrieval:stack:faults")
async def test_a_store_that_is_late_is_left_out() -> None:
    async with stack_answers("ogx-1.5.0") as server, client(server.url) as stack:
        await stack.look_around()
        server.hangs = True
        with pytest.raises(KnowledgeError, match=r"1 of 1 did not answer in 0\.1 s"):
            await StackRetriever(stack, timeout=0.1).search("anything", limit=3)


@requirement("retrieval:stack:none")
async def test_without_a_store_nothing_is_asked() -> None:
    async with stack_answers("ogx-1.5.0") as server, client(server.url) as stack:
        server.answers["GET /v1/vector_stores"] = {"data": []}
        await stack.look_around()
        server.asked.clear()
        assert await StackRetriever(stack).search("anything", limit=3) is None
        assert server.asked == []


@requirement("retrieval:stack:none")
@pytest.mark.parametrize(("question", "limit"), [("", 3), (" \n", 3), ("anything", 0)])
async def test_without_a_question_nothing_is_asked(question: str, limit: int) -> None:
    async with stack_answers("ogx-1.5.0") as server, client(server.url) as stack:
        await stack.look_around()
        server.asked.clear()
        assert await StackRetriever(stack).search(question, limit=limit) == ()
        assert server.asked == []


@requirement("retrieval:stack:faults")
async def test_a_stack_that_is_gone_is_no_illness_of_the_documents() -> None:
    async with client(f"http://127.0.0.1:{free_port()}") as stack:
        retriever = StackRetriever(stack)
        with pytest.raises(KnowledgeError, match="the stores of Llama Stack cannot be listed: Connection error"):
            await retriever.search("anything", limit=3)
        await retriever.warm()
        assert await retriever.probe() == Health.ok()


@requirement("retrieval:stack:faults")
async def test_a_list_that_cannot_be_had_is_an_illness_of_the_documents() -> None:
    async with stack_answers("ogx-1.5.0", status=500, refused={"GET /v1/vector_stores"}) as server:
        async with client(server.url) as stack:
            health = await StackRetriever(stack).probe()
            assert (health.status, health.message) == (
                HealthStatus.ERROR,
                "the stores of Llama Stack cannot be listed: Llama Stack reported an error.",
            )


@requirement("retrieval:stack:merged")
def test_the_same_text_of_two_stores_is_one_passage_of_the_first() -> None:
    found = [(store("a"), hits(("x", None))), (store("b", "pg"), hits(("x", 1.0)))]
    assert merge(found) == [Passage("x", "a", "a", None)]

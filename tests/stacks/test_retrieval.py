"""What is in the stack's own vector store."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.servers.openai_embeddings import DIMENSION, embed
from tests.servers.openai_server import OpenAIServer
from tests.servers.stacks import StackServer, stack_server
from tests.spec.registry import requirement
from tests.stacks.conftest import fresh
from tests.stacks.kinds import Kind
from tests.stacks.stand import Json, Serving, StackStand

ADDRESS = "https://docs.example.com/pump"
PUMP = "The quartz pump is restarted with pumpctl restart."
CHUNKS = {
    PUMP: {"document_id": "pump", "docs_url": ADDRESS, "title": "The pump"},
    "Bananas are yellow.": {"document_id": "fruit"},
}


async def put_into_store(stack: StackServer) -> None:
    """Make a store with two chunks, as its operator would."""
    async with aiohttp.ClientSession(stack.url, raise_for_status=True) as http:
        made = {"embedding_model": "openai/embed", "embedding_dimension": DIMENSION, "provider_id": "faiss"}
        async with http.post(f"{stack.release.openai}/vector_stores", json={"name": "manuals", **made}) as response:
            store = (await response.json())["id"]
        chunks = [
            {
                "content": text,
                "chunk_id": attributes["document_id"],
                "embedding": embed(text),
                "embedding_model": "openai/embed",
                "embedding_dimension": DIMENSION,
                "metadata": attributes,
                "chunk_metadata": {"document_id": attributes["document_id"], "chunk_id": attributes["document_id"]},
            }
            for text, attributes in CHUNKS.items()
        ]
        # Named after vector databases up to 0.2, although it is a vector store that was made.
        name = "vector_db_id" if stack.release.version.startswith("0.2") else "vector_store_id"
        async with http.post("/v1/vector-io/insert", json={name: store, "chunks": chunks}):
            pass


@pytest.fixture(scope="module")
async def knowing(
    kind: Kind, model: OpenAIServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[StackStand]:
    """A service before a stack that has something to search; in library mode, on what its server has stored."""
    folder = tmp_path_factory.mktemp("store")
    async with stack_server(kind.release, folder, model.url) as stack:
        await put_into_store(stack)
        if kind.library:
            await stack.kill()
        serving = Serving(kind, folder, model, None if kind.library else stack)
        async with serving(tmp_path_factory.mktemp("knowing")) as service:
            yield service


def with_address(documents: list[Json]) -> list[Json]:
    return [it for it in documents if it["doc_url"]]


@requirement("stacks:retrieval")
async def test_passages_are_shown_to_the_model_and_cited(knowing: StackStand) -> None:
    stand = fresh(knowing)
    answer = await stand.ask("How is the quartz pump restarted?")
    assert any(PUMP in str(message["content"]) for message in stand.asked)
    first = answer["rag_chunks"][0]
    assert first["content"] == PUMP
    assert with_address(answer["referenced_documents"]) == [{"doc_url": ADDRESS, "doc_title": "The pump"}]


@requirement("stacks:retrieval")
async def test_a_stream_ends_with_its_documents(knowing: StackStand) -> None:
    stand = fresh(knowing)
    end = (await stand.stream("How is the quartz pump restarted?"))[-1]
    assert with_address(end["data"]["referenced_documents"]) == [{"doc_url": ADDRESS, "doc_title": "The pump"}]


@requirement("stacks:retrieval")
async def test_nothing_is_searched_without_tools(knowing: StackStand) -> None:
    stand = fresh(knowing)
    answer = await stand.ask("How is the quartz pump restarted?", no_tools=True)
    assert not any(PUMP in str(message["content"]) for message in stand.asked)
    assert answer["rag_chunks"] == []

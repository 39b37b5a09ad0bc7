"""Questions that are answered from documents, over HTTP, with real retrieval and a scripted model."""

import json
from pathlib import Path

from lightspeed_stack.assistant.context import NOTHING_FOUND
from lightspeed_stack.cli.knowledge import ingest
from tests.servers.openai_server import Script, openai_server
from tests.servers.service import configuration, running
from tests.spec.registry import requirement

GUIDE = """# Backups

## How to make a backup

Stop the pump, then run `ferry backup --target DIR`. The backup contains all bookings and takes about a minute.

## How to restore a backup

Run `ferry restore DIR` on a machine without bookings.
"""


def store(folder: Path) -> str:
    """A knowledge store with one document; the configuration that names it."""
    documents = folder / "documents"
    documents.mkdir()
    (documents / "backups.md").write_text(GUIDE, "utf-8")
    path = folder / "guide.db"
    arguments = ["--store", "guide", "--path", str(path), "--base-url", "https://docs.example.com/", "--strip-suffix"]
    assert ingest([str(documents), *arguments]) == 0
    return f"rag: {{stores: [{{name: guide, path: {path}}}]}}"


@requirement("knowledge:answer")
async def test_an_answer_shows_what_it_rests_on(tmp_path: Path) -> None:
    more = store(tmp_path)
    async with openai_server(Script(("Run it.",))) as model:
        async with running(configuration(model.url, tmp_path, more=more), tmp_path) as service:
            async with service.http.post("/v1/query", json={"query": "How do I make a backup?"}) as response:
                body = await response.json()
            async with service.http.post("/v1/streaming_query", json={"query": "How do I make a backup?"}) as response:
                end = json.loads((await response.text()).strip().rsplit("\n\n", 1)[1][6:])["data"]
            async with service.http.get("/v1/providers") as response:
                providers = (await response.json())["providers"]
    assert body["referenced_documents"] == [{"doc_url": "https://docs.example.com/backups", "doc_title": "Backups"}]
    best = body["rag_chunks"][0]
    assert "ferry backup" in best["content"]
    assert best["source"] == "https://docs.example.com/backups"
    assert best["attributes"]["anchor"] == "how-to-make-a-backup"
    start, stop = best["attributes"]["start"], best["attributes"]["end"]
    assert stop - start == len(best["content"])
    assert end["rag_chunks"] == body["rag_chunks"]
    assert end["referenced_documents"] == body["referenced_documents"]
    assert "ferry backup" in model.chats[0]["messages"][-1]["content"]
    assert providers["vector_io"] == [{"provider_id": "guide", "provider_type": "inline::sqlite"}]


@requirement("knowledge:nothing-found")
async def test_nothing_is_shown_where_nothing_was_found(tmp_path: Path) -> None:
    more = store(tmp_path)
    async with openai_server() as model, running(configuration(model.url, tmp_path, more=more), tmp_path) as service:
        async with service.http.post("/v1/query", json={"query": "Who won the world cup in 1954?"}) as response:
            body = await response.json()
    assert (body["rag_chunks"], body["referenced_documents"]) == ([], [])
    assert NOTHING_FOUND in model.chats[0]["messages"][-1]["content"]


@requirement("knowledge:no-tools")
async def test_no_tools_goes_without_documents(tmp_path: Path) -> None:
    more = store(tmp_path)
    async with openai_server() as model, running(configuration(model.url, tmp_path, more=more), tmp_path) as service:
        body = {"query": "How do I make a backup?", "no_tools": True}
        async with service.http.post("/v1/query", json=body) as response:
            assert (await response.json())["rag_chunks"] == []
    assert model.chats[0]["messages"][-1]["content"] == "How do I make a backup?"


@requirement("knowledge:store-gone")
async def test_a_store_that_cannot_be_read_is_counted_and_shows_in_readiness(tmp_path: Path) -> None:
    more = f"rag: {{stores: [{{name: guide, path: {tmp_path}/missing.db}}]}}"
    async with openai_server() as model, running(configuration(model.url, tmp_path, more=more), tmp_path) as service:
        async with service.http.post("/v1/query", json={"query": "How do I make a backup?"}) as response:
            assert response.status == 200
        async with service.http.get("/metrics") as response:
            assert 'ls_degraded_total{what="retrieval"} 1.0' in await response.text()
        async with service.http.get("/readiness") as response:
            assert response.status == 503
            (part,) = (await response.json())["providers"]
    assert part["provider_id"] == "knowledge"
    assert "lightspeed-stack ingest" in part["message"]
    assert NOTHING_FOUND in model.chats[0]["messages"][-1]["content"]

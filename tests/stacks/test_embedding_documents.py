"""Own documents, embedded by a model of a real stack: ingested by the command, found by it and by the service."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from lightspeed_stack.cli import knowledge
from tests.servers.openai_embeddings import DIMENSION
from tests.servers.openai_server import OpenAIServer, Script, openai_server
from tests.servers.program import Program, heard, launched
from tests.servers.service import configuration, running
from tests.servers.stacks import MODELS, RELEASES, StackServer, stack_server
from tests.spec.registry import requirement
from tests.stacks.kinds import NEWEST, Kind

GUIDE = """# Backups

## How to make a backup

Stop the pump, then run `ferry backup --target DIR`. The backup contains all bookings and takes about a minute.

## How to restore a backup

Run `ferry restore DIR` on a machine without bookings.
"""
QUESTION = "How do I make a backup?"


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[OpenAIServer]:
    """Makes the stack's vectors, and answers the service's questions without it."""
    async with openai_server(Script(("Run it.",)), models=MODELS) as server:
        yield server


@pytest.fixture(scope="module")
async def stack(provider: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StackServer]:
    Kind(RELEASES[NEWEST]).check_installed()
    async with stack_server(RELEASES[NEWEST], tmp_path_factory.mktemp("stack"), provider.url) as server:
        yield server


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "backups.md").write_text(GUIDE, "utf-8")
    return folder


def configured(
    provider: OpenAIServer, stack: StackServer, folder: Path, *, model: str = "openai/embed", dimension: int = DIMENSION
) -> str:
    """With the store ``manual`` in ``folder``."""
    more = f"""
llama_stack: {{url: "{stack.url}", retry_delay: 0.1}}
rag:
  embedding: {{model: {model}, dimension: {dimension}}}
  stores: [{{name: manual, path: {folder}/manual.db}}]
"""
    return configuration(provider.url, folder, more=more)


def written(folder: Path, yaml: str) -> str:
    file = folder / "lightspeed-stack.yaml"
    file.write_text(yaml, "utf-8")
    return str(file)


async def ingest(docs: Path, config: str, *more: str) -> int:
    arguments = [str(docs), "--store", "manual", "--config", config, *more]
    return await anyio.to_thread.run_sync(knowledge.ingest, arguments)  # the provider answers on this loop


async def search(question: str, *more: str) -> int:
    return await anyio.to_thread.run_sync(knowledge.search, [question, *more])


def embedded(provider: OpenAIServer) -> list[Sequence[str]]:
    """The texts of each request for vectors that the provider got."""
    return [request.body["input"] for request in provider.requests if request.path == "/v1/embeddings"]


@requirement("stack-embedding:ingest", "stack-embedding:batches")
async def test_what_is_ingested_is_found(
    provider: OpenAIServer, stack: StackServer, docs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sections = "".join(f"## Berth {number}\n\nBerth {number} is {number} metres wide.\n\n" for number in range(40))
    (docs / "berths.md").write_text(f"# Berths\n\n{sections}", "utf-8")
    config = written(tmp_path, configured(provider, stack, tmp_path))
    provider.requests.clear()
    assert await ingest(docs, config) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "added      backups.md (2 chunks)",
        "added      berths.md (40 chunks)",
    ]
    assert [len(texts) for texts in embedded(provider)] == [1, 2, 32, 8]  # the first asks for the length of vectors

    provider.requests.clear()
    assert await ingest(docs, config) == 0
    assert capsys.readouterr().out.startswith("0 added, 0 changed, 2 unchanged, 0 removed, 0 failed; 0 chunks in ")
    assert embedded(provider) == []

    assert await search(QUESTION, "--config", config, "--limit", "1") == 0
    assert "ferry backup" in capsys.readouterr().out
    assert embedded(provider) == [[QUESTION]]


@requirement("stack-embedding:refused")
@pytest.mark.parametrize(
    ("model", "dimension", "reason"),
    [
        ("openai/embed", 64, "makes vectors of 128 numbers, not 64; fix: write  rag: {embedding: {dimension: 128}}"),
        ("nobody/embed", DIMENSION, "embedding with 'nobody/embed' failed (Llama Stack does not know"),
    ],
)
async def test_a_model_that_is_not_as_configured_makes_no_store(
    provider: OpenAIServer,
    stack: StackServer,
    docs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    model: str,
    dimension: int,
    reason: str,
) -> None:
    config = written(tmp_path, configured(provider, stack, tmp_path, model=model, dimension=dimension))
    assert await ingest(docs, config) == 1
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "manual.db").exists()


@requirement("stack-embedding:other-space")
async def test_a_store_of_another_model_is_refused(
    provider: OpenAIServer, stack: StackServer, docs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = written(tmp_path, configured(provider, stack, tmp_path))
    assert await ingest(docs, config) == 0
    built_in = written(docs, configuration(provider.url, tmp_path))
    assert await search(QUESTION, "--path", str(tmp_path / "manual.db"), "--config", built_in) == 1
    refusal = "holds vectors of 'openai/embed (128)' but 'all-MiniLM-L6-v2-int8' is in use; fix: delete its file"
    assert refusal in capsys.readouterr().err
    shorter = written(tmp_path, configured(provider, stack, tmp_path, dimension=64))
    assert await ingest(docs, shorter) == 1
    assert "holds vectors of 'openai/embed (128)' but 'openai/embed (64)' is in use" in capsys.readouterr().err


@requirement("stack-embedding:answer", "stack-embedding:gone")
async def test_questions_are_answered_with_documents_while_the_stack_is_there(
    provider: OpenAIServer, stack: StackServer, docs: Path, tmp_path: Path
) -> None:
    yaml = configured(provider, stack, tmp_path)
    assert await ingest(docs, written(tmp_path, yaml), "--base-url", "https://docs.example.com/") == 0
    async with AsyncExitStack() as opened:
        service = await opened.enter_async_context(running(yaml, tmp_path))
        opened.push_async_callback(stack.start)  # others need it, whatever happens here
        provider.requests.clear()

        async def ask() -> list[str]:
            async with service.http.post("/v1/query", json={"query": QUESTION}) as response:
                assert response.status == 200
                body = await response.json()
            assert body["response"] == "Run it."
            return [chunk["source"] for chunk in body["rag_chunks"]]

        assert set(await ask()) == {"https://docs.example.com/backups.md"}
        assert embedded(provider).count([QUESTION]) == 1
        assert "ferry backup" in provider.chats[0]["messages"][-1]["content"]

        await stack.kill()
        assert await ask() == []
        async with service.http.get("/metrics") as response:
            assert 'ls_degraded_total{what="retrieval"} 1.0' in await response.text()
        async with service.http.get("/readiness") as response:
            ill = [part["provider_id"] for part in (await response.json())["providers"]]
            assert (response.status, ill) == (503, ["llama_stack"])

        await stack.start()
        assert set(await ask()) == {"https://docs.example.com/backups.md"}


@requirement("stack-embedding:interrupted")
async def test_an_interrupted_ingest_keeps_whole_documents(
    provider: OpenAIServer, stack: StackServer, docs: Path, tmp_path: Path
) -> None:
    for number in range(300):
        (docs / f"page{number}.md").write_text(f"# Page {number}\n\nAbout the number {number}.\n" * 20)
    config = written(tmp_path, configured(provider, stack, tmp_path))
    program = Path(sys.executable).with_name("lightspeed-stack")
    command: list[str | Path] = [program, "ingest", docs, "--store", "manual", "--config", config]
    async with await launched(command, tmp_path) as process, heard(Program(process)) as ingesting:
        await ingesting.said("added ")
        os.kill(ingesting.pid, signal.SIGINT)
        assert await ingesting.ended() == 130
        assert "interrupted; whole documents are stored" in ingesting.log
        assert "Traceback" not in ingesting.log
    assert await search("page", "--config", config) == 0

"""The examples with a stack, running: the release's own server or library, before a scripted model."""

import json
import os
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.docs.pages import KEYS, REPOSITORY, blocks
from tests.servers.openai_server import OpenAIServer, openai_server
from tests.servers.postgres import PostgresDatabase
from tests.servers.processes import ServiceProcess, free_port, service_process
from tests.servers.program import Program, heard, launched
from tests.servers.stacks import MODELS, READY, RELEASES, VOCABULARY, Release, environment
from tests.spec.registry import requirement
from tests.stacks.kinds import NEWEST, Kind
from tests.stacks.test_examples_load import LIBRARY, PROVIDERS, SERVER, run_file

ANSWER = "".join(f"token{number} " for number in range(1, 20)) + "end."
FOUND = "EX-1042: the licence has expired."
"""What stands in the document that the page puts into the stack, and answers its question."""

QUESTION = b"What does EX-1042 mean?"

KEEP_ALL = {"0.7.3", "1.0.2"}
"""Releases that keep questions and answers, whatever they are told."""

type Json = dict[str, Any]


def settings(model: OpenAIServer) -> dict[str, str]:
    """What the pages say may be set, for a scripted server."""
    scripted = {"OPENAI_BASE_URL": model.url, "OPENAI_EMBEDDING_MODEL": "embed", "OPENAI_EMBEDDING_DIMENSION": "128"}
    return {**KEYS, **scripted, "OPENAI_MODEL": "fake-llm", "VLLM_URL": model.url, "VLLM_MODEL": "fake-llm"}


@pytest.fixture
async def model() -> AsyncIterator[OpenAIServer]:
    async with openai_server(models=MODELS) as server:
        yield server


def installed(name: str) -> Release:
    kind = Kind(RELEASES[name])
    kind.check_installed()
    return kind.release


@asynccontextmanager
async def stack(release: Release, run: Path, folder: Path, given: Mapping[str, str]) -> AsyncIterator[str]:
    """The release's server as the page starts it; its address."""
    port = free_port()
    filled = {"FILE": str(run), "PORT": str(port)}
    name, *arguments = [filled.get(word, word) for word in release.command]
    environ = {**environment(folder, ""), "TIKTOKEN_CACHE_DIR": str(VOCABULARY), **given}
    environ["PATH"] = f"{release.place / 'bin'}{os.pathsep}{os.environ['PATH']}"
    async with await launched([release.place / "bin" / name, *arguments], folder, environ) as process:
        async with heard(Program(process)) as program:
            await program.said(READY)
            yield f"http://127.0.0.1:{port}"


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs commands of a page as they stand there, but for the addresses."""

    folder: Path
    addresses: Mapping[str, str]

    async def run(self, block: str) -> str:
        """What they said. They run where a reader would run them: in the repository."""
        for written, real in self.addresses.items():
            block = block.replace(written, real)
        (self.folder / ".curlrc").write_text("fail-with-body\nmax-time = 60\n", "utf-8")
        environ = {"PATH": os.environ["PATH"], "CURL_HOME": str(self.folder), "no_proxy": "*"}
        with anyio.fail_after(90):
            done = await anyio.run_process(["sh", "-euc", block], cwd=REPOSITORY, env=environ, check=False)
        assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()
        return done.stdout.decode()


def commands(page: Path, heading: str) -> str:
    """The block of ``curl`` commands below a heading of a page."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    line = page.read_text("utf-8").splitlines().index(heading) + 1
    return next(it.text for it in blocks(page) if it.line > line and "curl" in it.text)


async def with_document(release: Release, address: str, folder: Path) -> None:
    """Put a document into a stack as the page of the server says."""
    shell = Shell(folder, {"http://localhost:8321/v1/": f"{address}{release.openai}/"})
    told = await shell.run(commands(SERVER / "README.md", "## 2. Put a document into it"))
    assert json.loads(told)["file_counts"]["completed"] == 1, told


async def asked(service: ServiceProcess, folder: Path, page: Path, heading: str) -> list[Json]:
    """What the commands below a heading of a page told."""
    shell = Shell(folder, {"http://localhost:8080": service.url})
    told = await shell.run(commands(page, heading))
    return [json.loads(part) for part in re.split(r"(?<=\})(?=\{)", told.replace("\n", ""))]


def at_work(folder: Path) -> Path:
    """A folder like the repository: with examples, and a place for what is stored."""
    (folder / "examples").symlink_to(REPOSITORY / "examples")
    (folder / ".data").mkdir()
    return folder


@requirement("examples:stacks:server")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == NEWEST else [pytest.mark.slow]) for name in RELEASES]
)
async def test_the_server_answers_as_its_page_says(name: str, tmp_path: Path, model: OpenAIServer) -> None:
    release, folder, given = installed(name), at_work(tmp_path), settings(model)
    async with stack(release, SERVER / run_file(name), folder, given) as address:
        await with_document(release, address, folder)
        environ = {**given, "LLAMA_STACK_URL": address}
        async with service_process(SERVER / "lightspeed-stack.yaml", folder, environment=environ) as service:
            answer, models, ready = await asked(service, folder, SERVER / "README.md", "## 4. Ask")
    assert answer["response"] == ANSWER
    assert FOUND in answer["rag_chunks"][0]["content"]
    assert "openai/fake-llm" in [it["identifier"] for it in models["models"]]
    assert ready["ready"]
    assert FOUND in json.dumps(model.chats[0]["messages"])
    if release.version not in KEEP_ALL:
        assert not any(QUESTION in file.read_bytes() for file in stored(folder))


def stored(folder: Path) -> list[Path]:
    """The files of the stack."""
    files = [path for path in (folder / ".data" / "stack").rglob("*") if path.is_file()]
    assert files
    return files


@requirement("examples:stacks:library")
async def test_the_library_answers_as_its_page_says(tmp_path: Path, model: OpenAIServer) -> None:
    release, folder = installed(NEWEST), at_work(tmp_path)
    environ = {**environment(folder, ""), **settings(model)}
    program = release.place / "bin" / "lightspeed-stack"
    file = LIBRARY / "lightspeed-stack.yaml"
    async with service_process(file, folder, environment=environ, program=program) as service:
        answer, info = await asked(service, folder, LIBRARY / "README.md", "# Example: OGX as a library")
    assert answer["response"] == ANSWER
    assert info["llama_stack_version"] == release.version
    assert not any(ANSWER.encode() in file.read_bytes() for file in stored(folder))


@requirement("examples:stacks:providers")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("example", "name"),
    [
        ("openai-faiss", NEWEST),
        # The environments of the other releases have no driver for PostgreSQL.
        ("openai-pgvector", NEWEST),
        ("openai-pgvector", "llama-stack-0.7.3"),
        *(("vllm", name) for name in RELEASES),
    ],
)
async def test_a_provider_answers(
    example: str, name: str, tmp_path: Path, model: OpenAIServer, request: pytest.FixtureRequest
) -> None:
    release, folder, given = installed(name), at_work(tmp_path), settings(model)
    if example == "openai-pgvector":
        given |= with_pgvector(request.getfixturevalue("postgres_database"))
    async with stack(release, PROVIDERS / example / run_file(name), folder, given) as address:
        if example.startswith("openai"):
            await with_document(release, address, folder)
        environ = {**given, "LLAMA_STACK_URL": address}
        file = PROVIDERS / example / "lightspeed-stack.yaml"
        async with service_process(file, folder, environment=environ) as service:
            async with service.http.post("/v1/query", json={"query": QUESTION.decode()}) as response:
                assert response.status == 200, await response.text() + service.log
                answer = await response.json()
    assert answer["response"] == ANSWER
    assert [FOUND in it["content"] for it in answer["rag_chunks"]] == ([True] if example.startswith("openai") else [])


def with_pgvector(database: PostgresDatabase) -> dict[str, str]:
    """Prepare a database as the page says; the variables that name it."""
    with database.connect() as connection:
        connection.execute("CREATE EXTENSION vector")
    return {
        "PGVECTOR_HOST": database.host,
        "PGVECTOR_PORT": str(database.port),
        "PGVECTOR_DB": database.name,
        "PGVECTOR_USER": database.user,
        "PGVECTOR_PASSWORD": database.password,
    }

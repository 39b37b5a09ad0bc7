"""The examples: each is accepted, and answers."""

import re
from pathlib import Path

import pytest
import yaml

from lightspeed_stack.config.load import load_config
from lightspeed_stack.config.tree import Config
from lightspeed_stack.services.adapters import adapter_settings
from tests.docs.pages import KEYS, REPOSITORY
from tests.servers.openai_server import openai_server
from tests.servers.postgres import PostgresDatabase
from tests.servers.processes import service_process
from tests.servers.service import running
from tests.spec.registry import requirement

STACKS = ["llama-stack-library", "llama-stack-providers", "llama-stack-server"]
"""Their files are in the care of ``tests/stacks``."""

FOLDERS = sorted(path for path in (REPOSITORY / "examples").iterdir() if path.is_dir())
EXAMPLES = [folder for folder in FOLDERS if folder.name not in STACKS]
NAMES = [
    "embedded",
    "gemini",
    "granite",
    "openai",
    "own-documents",
    "postgres",
    "qwen3",
    "rhaiis",
    "tools",
    "two-providers",
    "vllm",
]
WITHOUT_SERVER = {"embedded", "own-documents"}


def loaded(example: Path) -> Config:
    return load_config(example / "lightspeed-stack.yaml", environ=KEYS, settings_of=adapter_settings)


def with_servers() -> list[Path]:
    return [example for example in EXAMPLES if all(it.type == "openai" for it in loaded(example).inference.providers)]


@requirement("docs:examples:load")
def test_the_examples_are_those() -> None:
    assert [folder.name for folder in FOLDERS] == sorted([*NAMES, *STACKS])
    assert [example.name for example in with_servers()] == [name for name in NAMES if name not in WITHOUT_SERVER]


@requirement("docs:examples:load")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_is_accepted_and_names_its_variables(example: Path) -> None:
    loaded(example)
    text = (example / "lightspeed-stack.yaml").read_text("utf-8")
    page = (example / "README.md").read_text("utf-8")
    variables = re.findall(r"\$\{env\.(\w+)|api_key_env: (\w+)", text)
    assert [name for pair in variables for name in pair if name and f"`{name}`" not in page] == []


@requirement("docs:examples:answer")
@pytest.mark.parametrize(
    "example", [it for it in with_servers() if it.name != "postgres"], ids=lambda example: example.name
)
async def test_an_example_answers(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = loaded(example)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    model = config.inference.default_model
    assert model is not None
    given = yaml.safe_load((example / "lightspeed-stack.yaml").read_text("utf-8"))
    given["database"]["sqlite"]["db_path"] = str(tmp_path / "conversations.db")
    async with openai_server(models=[model]) as server:
        for provider in given["inference"]["providers"]:
            provider["url"] = server.url
        async with running(yaml.safe_dump(given), tmp_path) as service:
            async with service.http.post("/v1/query", json={"query": "Hello?"}) as response:
                assert response.status == 200, await response.text()
    asked = next(request for request in server.requests if request.path.endswith("/chat/completions"))
    assert asked.body["model"] == model
    default = next(it for it in config.inference.providers if it.id == config.inference.default_provider)
    assert asked.headers.get("authorization") == ("Bearer scripted" if default.api_key_env else None)


@requirement("docs:examples:postgres")
async def test_the_example_with_postgresql_keeps_all_it_promises(
    tmp_path: Path, postgres_database: PostgresDatabase
) -> None:
    example = REPOSITORY / "examples" / "postgres"
    config = loaded(example)
    model = config.inference.default_model
    assert model is not None
    async with openai_server(models=[model]) as server:
        environment = {
            "POSTGRES_HOST": postgres_database.host,
            "POSTGRES_PORT": str(postgres_database.port),
            "POSTGRES_DB": postgres_database.name,
            "POSTGRES_USER": postgres_database.user,
            "POSTGRES_PASSWORD": postgres_database.password,
            "VLLM_URL": server.url,
        }
        file, workers = example / "lightspeed-stack.yaml", config.service.workers
        async with service_process(file, tmp_path, workers=workers, environment=environment) as service:
            assert len(service.workers()) == workers == 2
            async with service.http.post("/v1/query", json={"query": "Hello?"}) as response:
                assert response.status == 200, service.log
                id_ = (await response.json())["conversation_id"]
            for version in ("v1", "v2"):
                async with service.http.get(f"/{version}/conversations/{id_}") as response:
                    assert response.status == 200, service.log
                    assert len((await response.json())["chat_history"]) == 1
            said = {"conversation_id": id_, "user_question": "Hello?", "llm_response": "Hi.", "sentiment": 1}
            async with service.http.post("/v1/feedback", json=said) as response:
                assert response.status == 200, service.log
    kept = tmp_path / ".data" / "user-data"
    assert len(list((kept / "feedback").glob("*.json"))) == 1
    assert len(list((kept / "transcripts").glob(f"*/{id_}/*.json"))) == 1

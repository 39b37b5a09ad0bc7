"""The newest release inside a process: what it is to those around it, and how its start can fail."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
import yaml

from tests.servers.openai_server import Script, openai_server
from tests.servers.stacks import MODELS, RELEASES, environment
from tests.spec.registry import requirement
from tests.stacks.kinds import NEWEST, Kind
from tests.unit.stack_library.inside import PROMPT

SECRET = "a-key-of-the-operator"
RELEASE = RELEASES[NEWEST]
INSIDE = Path(__file__).with_name("inside.py")

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What ``inside.py`` told, and what else came out of its process."""

    told: Json
    log: str


def mistaken(run: Json) -> dict[str, Json]:
    """One mistake in each."""

    def inference(run: Json) -> Json:
        provider: Json = run["providers"]["inference"][0]
        return provider

    files: dict[str, Json] = {}
    for name in ("type", "value", "variable", "module", "nobody", "database"):
        files[name] = json.loads(json.dumps(run))
    inference(files["type"])["provider_type"] = "remote::nothing"
    inference(files["value"])["config"]["api_key"] = [SECRET]
    inference(files["variable"])["config"]["api_key"] = "${env.NO_SUCH_VARIABLE}"
    files["module"]["providers"]["vector_io"].append(
        {
            "provider_id": "milvus",
            "provider_type": "inline::milvus",
            "config": {"db_path": "milvus.db", "persistence": {"namespace": "milvus", "backend": "kv_default"}},
        }
    )
    files["nobody"]["registered_resources"]["models"][0]["provider_id"] = "nobody"
    files["database"]["storage"]["backends"]["sql_default"] = {
        "type": "sql_postgres",
        "host": "127.0.0.1",
        "port": 9,  # nobody is there
        "db": "stack",
        "user": "stack",
        "password": SECRET,
    }
    return files


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One process for all tests here: importing a release takes seconds."""
    Kind(RELEASE, library=True).check_installed()
    return anyio.run(run_inside, tmp_path_factory.mktemp("inside"))


async def run_inside(folder: Path) -> Outcome:
    files = []
    for name, tree in mistaken(yaml.safe_load(RELEASE.run.read_text("utf-8"))).items():
        files.append(folder / f"{name}.yaml")
        files[-1].write_text(yaml.safe_dump(tree, sort_keys=False), "utf-8")

    def script(body: Json) -> Script:
        return Script(error_after=3) if body["model"] == "other" else Script()

    async with openai_server(script, models=MODELS) as model:
        with anyio.fail_after(120):
            done = await anyio.run_process(
                [RELEASE.place / "bin" / "python", INSIDE, RELEASE.run, *files],
                cwd=folder,
                env={**os.environ, **environment(folder, model.url)},
                check=False,
            )
    log = done.stderr.decode()
    assert done.returncode == 0, log
    (line,) = done.stdout.decode().splitlines()  # and nothing else: a stack has nothing to say on stdout
    return Outcome(json.loads(line), log)


@requirement("stack:library:speaks")
def test_it_answers_as_its_server_would(outcome: Outcome) -> None:
    told = outcome.told
    assert told["version"] == [200, f'{{"version":"{RELEASE.version}"}}']
    assert told["whole"][0] == 200
    assert json.loads(told["whole"][1])["choices"][0]["finish_reason"] == "stop"
    assert told["streamed"][0] == 200
    assert told["streamed"][1].startswith("data: {")
    assert told["broken"][0] == 200
    assert '{"error": {"message"' in told["broken"][1]
    assert [told[name][0] for name in ("unknown model", "unknown store", "not valid")] == [404, 400, 400]


@requirement("stack:library:surroundings")
def test_it_leaves_the_process_as_it_was(outcome: Outcome) -> None:
    assert outcome.told["changed by the start"] == []
    assert outcome.told["changed by requests"] == []
    assert outcome.told["left"]
    assert outcome.told["threads"] == []


@requirement("stack:library:logs")
def test_its_warnings_come_out_without_what_was_asked(outcome: Outcome) -> None:
    assert " WARNING ogx.core.routers.vector_io: Vector store not found in registry cache\n" in outcome.log
    assert " ERROR ogx_api.inference.fastapi_routes: Error in inference SSE generator (APIError)\n" in outcome.log
    assert PROMPT not in outcome.log
    assert SECRET not in outcome.log
    assert "Traceback" not in outcome.log
    assert "never retrieved" not in outcome.log


@requirement("stack:library:run-yaml")
@pytest.mark.parametrize(
    ("name", "problem", "fix"),
    [
        (
            "type",
            "providers.inference[0].provider_type: there is no such provider",
            "write a provider_type that ogx 1.5.0 has for inference",
        ),
        (
            "value",
            "providers.inference[0].config.api_key: Input should be a valid string",
            "write what ogx 1.5.0 expects here",
        ),
        (
            "variable",
            "providers.inference[0].config.api_key: the environment variable NO_SUCH_VARIABLE is not set",
            "set NO_SUCH_VARIABLE before the start, or write a default:  ${env.NO_SUCH_VARIABLE:=default}",
        ),
        (
            "module",
            "providers.vector_io[1]: the Python module pymilvus cannot be imported",
            "pip install 'pymilvus[milvus-lite]>=3.0.1'",
        ),
        (
            "nobody",
            "the stack does not start with this (ValueError)",
            "start a server of ogx 1.5.0 with this file to read its own words",
        ),
    ],
    ids=["type", "value", "variable", "module", "nobody"],
)
def test_a_mistake_names_its_place_and_its_fix(outcome: Outcome, name: str, problem: str, fix: str) -> None:
    said, cause = outcome.told["refused"][name]
    assert said == "ConfigurationError"
    head, where, mend = cause.splitlines()
    assert head == "llama_stack.library_client_config_path: ogx 1.5.0 cannot run with this file"
    assert f"{name}.yaml" in where
    assert where.endswith(f": {problem}")
    assert mend == f"    fix: {fix}"
    assert SECRET not in cause


@requirement("stack:library:run-yaml")
def test_a_database_that_does_not_answer_is_no_mistake(outcome: Outcome) -> None:
    assert outcome.told["refused"]["database"] == ["StackUnavailable", "Connection error."]

"""Whatever can be generated from the OpenAPI document: no failure of the service, no answer that is not declared."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.servers.openai_server import Script, openai_server
from tests.servers.service import RunningService, configuration, running
from tests.spec.registry import requirement

REPOSITORY = Path(__file__).parents[2]
SETTINGS = Path(__file__).with_name("schemathesis.toml")

KEPT = (
    "feedback_enabled: true, feedback_storage: {0}/feedback, transcripts_enabled: true, transcripts_storage: {0}/talks"
)
CACHE = "conversation_cache: {{type: sqlite, sqlite: {{db_path: {}/cache.db}}}}"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[RunningService]:
    """A service that keeps everything it can, and has a few conversations."""
    async with openai_server(Script(("Hello", " you"), usage=(1, 2))) as model:
        yaml = configuration(model.url, tmp_path, more=CACHE.format(tmp_path), topics=True)
        yaml = yaml.replace("user_data_collection: {}", f"user_data_collection: {{{KEPT.format(tmp_path)}}}")
        async with running(yaml, tmp_path) as service:
            for _ in range(3):
                async with service.http.post("/v1/query", json={"query": "Hello?"}) as response:
                    assert response.status == 200
            yield service


def answers(report: Path) -> dict[str, set[int]]:
    """The statuses that each operation answered with."""
    found: dict[str, set[int]] = {}
    for line in report.read_text("utf-8").splitlines():
        recorder: dict[str, Any] = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for number, case in recorder.get("cases", {}).items():
            response = recorder["interactions"].get(number, {}).get("response")
            if response is not None:
                operation = f"{case['value']['method']} {case['value']['path']}"
                found.setdefault(operation, set()).add(response["status_code"])
    return found


@requirement("openapi:schemathesis")
@pytest.mark.parametrize(
    ("examples", "seed"),
    [
        pytest.param(8, 20261122, id="few"),
        *(pytest.param(100, seed, id=f"many-{seed}", marks=pytest.mark.slow) for seed in (1, 2, 3)),
    ],
)
async def test_nothing_undeclared_is_answered(
    service: RunningService, tmp_path: Path, examples: int, seed: int
) -> None:
    report = tmp_path / "report.ndjson"
    options = ["--checks=all", "--mode=all", f"--max-examples={examples}", f"--seed={seed}", "--no-color"]
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(SETTINGS), "run"]
    done = await anyio.run_process(
        [*command, f"{service.url}/openapi.json", *options, "--report=ndjson", f"--report-ndjson-path={report}"],
        check=False,
        stderr=subprocess.STDOUT,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert done.returncode == 0, done.stdout.decode()
    found = answers(report)
    assert {operation: statuses for operation, statuses in found.items() if max(statuses) >= 500} == {}
    document = service.app.openapi()
    documented = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    assert {operation for operation in documented if not found.get(operation, set()) & {200, 201}} == set()

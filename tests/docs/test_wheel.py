"""The wheel alone, in an environment with the base requirements and nothing else, is a whole service."""

import http.client
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.install import Size, build_wheel, install, size_of
from bench.processes import Command, Running, running
from bench.run import model_server

from tests.servers.openai_server import TWENTY_TOKENS
from tests.spec.registry import requirement

MAX_BASE_INSTALL_MB = 80
CONFIGURATION = Path(__file__).parents[2] / "bench" / "lightspeed-stack.yaml"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Size]:
    """A fresh environment with the wheel, and its size before anything has run in it."""
    folder = tmp_path_factory.mktemp("wheel")
    python = install(build_wheel(folder / "dist"), folder / "environment")
    return folder / "environment", size_of(folder / "environment", python)


@pytest.fixture(scope="module")
def environment(fresh: tuple[Path, Size]) -> Path:
    return fresh[0]


@pytest.fixture(scope="module")
def service(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    with model_server() as model_url:
        command = Command(
            "service",
            [str(environment / "bin" / "lightspeed-stack"), "-c", str(CONFIGURATION)],
            {"BENCH_PORT": "{port}", "BENCH_DATABASE": f"{folder}/service.db", "BENCH_MODEL_URL": model_url},
        )
        with running(command, folder / "service.log") as server:
            yield server


def call(server: Running, method: str, path: str, body: object = None) -> tuple[int, str, str]:
    """Status, content type and text of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.headers.get_content_type(), response.read().decode()
    finally:
        connection.close()


@requirement("ground:wheel:serves")
def test_the_wheel_brings_the_package_it_says(environment: Path) -> None:
    shown = subprocess.run(
        [environment / "bin" / "python", "-c", "import lightspeed_stack; print(lightspeed_stack.__file__)"],
        check=True,
        capture_output=True,
        text=True,
        cwd=environment,
        timeout=60,
    ).stdout
    assert Path(shown.strip()).is_relative_to(environment)


@requirement("ground:wheel:serves")
def test_the_service_lives(service: Running) -> None:
    assert call(service, "GET", "/liveness")[0] == 200


@requirement("ground:wheel:serves")
def test_the_page_is_inside(service: Running) -> None:
    status, content_type, text = call(service, "GET", "/")
    assert (status, content_type) == (200, "text/html")
    assert "<!doctype html>" in text.lower()


@requirement("ground:wheel:serves")
def test_it_answers(service: Running) -> None:
    status, content_type, text = call(service, "POST", "/v1/query", {"query": "What are you?"})
    assert (status, content_type) == (200, "application/json"), text
    answer = json.loads(text)
    assert answer["response"].split()[0].startswith("token")
    assert len(answer["response"].split()) == len(TWENTY_TOKENS)
    assert answer["conversation_id"]


@requirement("ground:wheel:size")
def test_the_base_install_is_small(fresh: tuple[Path, Size]) -> None:
    assert fresh[1].installed < MAX_BASE_INSTALL_MB
    assert fresh[1].with_bytecode < 2 * MAX_BASE_INSTALL_MB

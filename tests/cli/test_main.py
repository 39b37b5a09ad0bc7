"""The program as an operator runs it: flags, exit codes, and what it says when something is wrong."""

import json
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import anyio
import anyio.to_thread
import pytest
import yaml

from lightspeed_stack import __version__
from tests.servers.openai_server import Script, openai_server
from tests.spec.registry import requirement

PROGRAM = Path(sys.executable).with_name("lightspeed-stack")


def run(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def write(folder: Path, *, port: int = 0, provider: str = "http://127.0.0.1:9/v1", **changes: object) -> Path:
    """A configuration file; ``changes`` replace sections."""
    tree: dict[str, object] = {
        "name": "test",
        "service": {"host": "127.0.0.1", "port": port or free_port()},
        "user_data_collection": {},
        "database": {"sqlite": {"db_path": str(folder / "x.db")}},
        "inference": {"providers": [{"id": "fake", "type": "openai", "url": provider}]},
        **changes,
    }
    path = folder / "lightspeed-stack.yaml"
    path.write_text(yaml.safe_dump(tree), "utf-8")
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@requirement("cli:help")
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_all_flags_and_commands(tmp_path: Path, flag: str) -> None:
    done = run(flag, cwd=tmp_path)
    assert done.returncode == 0
    for word in (
        *("--verbose", "--dump-configuration", "--config", "--generate-llama-stack-configuration"),
        *("--input-config-file", "--output-config-file", "CONFIG_FILE", "INPUT_CONFIG_FILE", "OUTPUT_CONFIG_FILE"),
        *("ingest", "search", "model", "doctor"),
    ):
        assert word in done.stdout


@requirement("cli:version")
def test_version(tmp_path: Path) -> None:
    assert run("--version", cwd=tmp_path).stdout == f"lightspeed-stack {__version__}\n"


@requirement("cli:dump")
@pytest.mark.parametrize("flag", ["-d", "--dump-configuration"])
def test_dump_writes_the_resolved_configuration(tmp_path: Path, flag: str) -> None:
    path = write(tmp_path, inference={"providers": [{"id": "p", "type": "openai", "api_key": "canary"}]})
    done = run(flag, "-c", path, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    text = (tmp_path / "configuration.json").read_text("utf-8")
    assert json.loads(text)["inference"]["providers"][0]["api_key"] == "**********"
    assert "canary" not in text


@requirement("cli:dump")
def test_dump_wins_over_generate(tmp_path: Path) -> None:
    assert run("-d", "-g", "-c", write(tmp_path), cwd=tmp_path).returncode == 0
    assert (tmp_path / "configuration.json").exists()
    assert not (tmp_path / "run_.yaml").exists()


@requirement("cli:dump")
def test_a_dump_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "configuration.json").mkdir()
    done = run("-d", "-c", write(tmp_path), cwd=tmp_path)
    assert done.returncode == 1
    assert "configuration.json" in done.stderr
    assert "Traceback" not in done.stderr


@requirement("cli:generate")
def test_generate_writes_a_llama_stack_configuration(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("version: 2\nproviders: {}\n", "utf-8")
    assert run("-g", "-c", write(tmp_path), "-o", "out.yaml", cwd=tmp_path).returncode == 0
    assert yaml.safe_load((tmp_path / "out.yaml").read_text("utf-8")) == {"version": 2, "providers": {}}
    missing = run("-g", "-i", "nowhere.yaml", cwd=tmp_path)
    assert missing.returncode == 1
    assert "nowhere.yaml" in missing.stderr


@requirement("cli:bad-configuration")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: x\nservice: {prot: 1}\n", ["lightspeed-stack.yaml:2: service.prot", "fix:", "port"]),
        ("name: [\n", ["lightspeed-stack.yaml:", "fix:"]),
        ("", ["lightspeed-stack.yaml", "fix:"]),
    ],
    ids=["unknown-key", "syntax", "empty"],
)
def test_a_bad_configuration_ends_with_1_and_the_fix(tmp_path: Path, text: str, expected: list[str]) -> None:
    (tmp_path / "lightspeed-stack.yaml").write_text(text, "utf-8")
    done = run(cwd=tmp_path)
    assert done.returncode == 1
    for part in expected:
        assert part in done.stderr
    assert "Traceback" not in done.stderr


@requirement("cli:bad-configuration")
def test_a_missing_file_is_told(tmp_path: Path) -> None:
    done = run("-c", "nowhere.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "nowhere.yaml" in done.stderr
    assert "Traceback" not in done.stderr


@requirement("cli:port-in-use")
def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("-c", write(tmp_path, port=port), cwd=tmp_path)
    assert done.returncode == 1
    assert f"service.port: cannot listen on 127.0.0.1:{port}: Address already in use" in done.stderr
    assert "fix:" in done.stderr
    assert "Traceback" not in done.stderr


@requirement("cli:listens")
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_it_listens_on_every_address_of_its_host(tmp_path: Path, host: str) -> None:
    port = free_port()
    with serving("-c", write(tmp_path, service={"host": host, "port": port}), cwd=tmp_path):
        for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            with socket.create_connection((str(address[0]), port), timeout=30) as connection:
                connection.sendall(b"GET /liveness HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
                assert connection.recv(12) == b"HTTP/1.1 200"


@requirement("cli:listens")
def test_a_host_that_is_not_here_is_told(tmp_path: Path) -> None:
    done = run("-c", write(tmp_path, service={"host": "192.0.2.1", "port": free_port()}), cwd=tmp_path)
    assert done.returncode == 1
    assert "cannot listen on 192.0.2.1" in done.stderr


@requirement("cli:start-fails")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"database": {"sqlite": {"db_path": "/nowhere/at/all/x.db"}}},
            "SQLite database directory does not exist: /nowhere/at/all",
        ),
        (
            {"database": {"postgres": {"port": 1, "db": "x", "user": "u", "password": "canary"}}},
            "PostgreSQL database x at localhost:1: ",
        ),
        (
            {"inference": {"providers": [{"id": "p", "type": "telepathy"}]}},
            "inference.providers[0].type: 'telepathy' is not available",
        ),
        (
            {"inference": {}, "llama_stack": {"url": "http://127.0.0.1:9", "max_retries": 0}},
            "Unable to connect to Llama Stack: llama_stack.url: ",
        ),
        (
            {"authentication": {"module": "k8s"}},
            "authentication.module: 'k8s' is not available",
        ),
    ],
    ids=["no-directory", "postgres", "unknown-provider", "llama-stack", "k8s"],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_start_that_fails_ends_with_3_and_the_reason(
    tmp_path: Path, changes: dict[str, object], expected: str, workers: int
) -> None:
    service = {"host": "127.0.0.1", "port": free_port(), "workers": workers}
    done = run("-c", write(tmp_path, service=service, **changes), cwd=tmp_path)  # type: ignore[arg-type] # sections by name
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert "canary" not in done.stderr
    assert done.returncode == 3


@requirement("cli:missing-model")
@pytest.mark.parametrize("content", [None, b"not a model"], ids=["missing", "not-gguf"])
def test_a_model_file_that_cannot_be_used_is_told(tmp_path: Path, content: bytes | None) -> None:
    model = tmp_path / "mine.gguf"
    if content is not None:
        model.write_bytes(content)
    provider = {"id": "local", "type": "embedded", "extra": {"model": str(model)}}
    done = run("-c", write(tmp_path, inference={"providers": [provider]}), cwd=tmp_path)
    assert done.returncode == 1
    assert "inference.providers[].extra.model" in done.stderr
    assert "fix:" in done.stderr
    assert "Traceback" not in done.stderr


@contextmanager
def serving(*arguments: str | Path, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """The running program, once it says that it is up."""
    process = subprocess.Popen([PROGRAM, *arguments], cwd=cwd, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "Application startup complete" in line:
                break
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


@requirement("cli:stops")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it(tmp_path: Path, number: signal.Signals) -> None:
    with serving("-c", write(tmp_path), cwd=tmp_path) as process:
        process.send_signal(number)
        process.communicate(timeout=30)
        assert process.returncode in {0, -number, 128 + number}


def status(port: int, request: str) -> str:
    """The first line and the body of a response to a request without a body."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(f"{request} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65_536), b"")).decode()


@requirement("cli:stops-in-mid-stream")
async def test_a_stream_that_is_cut_by_a_stop_says_so_and_is_kept(tmp_path: Path) -> None:
    port = free_port()
    async with openai_server(Script(("Half", " of it"), hang_after=1)) as model, aiohttp.ClientSession() as http:
        with serving("-c", write(tmp_path, port=port, provider=model.url), cwd=tmp_path) as process:
            url = f"http://127.0.0.1:{port}/v1/streaming_query"
            async with http.post(url, json={"query": "First?"}) as response:
                await response.content.readuntil(b'"token": "Half"')
                process.terminate()
                rest = (await response.read()).decode()
            await anyio.to_thread.run_sync(process.wait)
    last = json.loads(rest.strip().rsplit("\n\n", 1)[1].removeprefix("data: "))
    assert last["event"] == "error"
    assert (last["data"]["status_code"], last["data"]["response"]) == (503, "The service is stopping")
    with sqlite3.connect(tmp_path / "x.db") as connection:
        assert connection.execute("SELECT answer, outcome FROM lightspeed_turn").fetchall() == [("Half", "interrupted")]
    connection.close()


def certificate(folder: Path, *, password: str) -> dict[str, str]:
    """A certificate for localhost with a protected key; the section that names them."""
    key, chain, secret = folder / "tls.key", folder / "tls.crt", folder / "password"
    secret.write_text(f"{password}\n", "utf-8")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-passout", f"pass:{password}"]
    subprocess.run([*command, "-keyout", key, "-out", chain], check=True, capture_output=True)
    return {"tls_certificate_path": str(chain), "tls_key_path": str(key), "tls_key_password": str(secret)}


@requirement("cli:tls")
def test_it_serves_tls_with_a_protected_key(tmp_path: Path) -> None:
    tls = certificate(tmp_path, password="s3cret")
    port = free_port()
    service = {"host": "localhost", "port": port, "tls_config": tls}
    with serving("-c", write(tmp_path, service=service), cwd=tmp_path):
        context = ssl.create_default_context(cafile=tls["tls_certificate_path"])
        with socket.create_connection(("localhost", port), timeout=30) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as connection:
                connection.sendall(b"GET /liveness HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                assert connection.recv(12) == b"HTTP/1.1 200"


@requirement("cli:tls")
@pytest.mark.parametrize("fault", ["password", "certificate", "no-password"])
def test_a_certificate_that_cannot_be_used_is_told(tmp_path: Path, fault: str) -> None:
    tls: dict[str, str | None] = {**certificate(tmp_path, password="s3cret")}
    if fault == "no-password":
        tls["tls_key_password"] = None
    else:
        name = {"password": "tls_key_password", "certificate": "tls_certificate_path"}[fault]
        Path(tls[name] or "").write_text("nonsense", "utf-8")
    service = {"host": "localhost", "port": free_port(), "tls_config": tls}
    done = run("-c", write(tmp_path, service=service), cwd=tmp_path)
    assert done.returncode == 1
    assert "service.tls_config: the certificate or its key cannot be used" in done.stderr
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr


@requirement("cli:unreachable-provider")
def test_a_provider_that_is_down_does_not_keep_it_from_starting(tmp_path: Path) -> None:
    port = free_port()
    with serving("-c", write(tmp_path, port=port), cwd=tmp_path):
        assert status(port, "GET /liveness").startswith("HTTP/1.1 200")
        ready = status(port, "GET /readiness")
        assert ready.startswith("HTTP/1.1 503")
        assert "Connection error." in ready


@requirement("cli:workers")
def test_several_workers_answer(tmp_path: Path) -> None:
    service = {"host": "127.0.0.1", "port": free_port(), "workers": 2}
    with serving("-c", write(tmp_path, service=service), cwd=tmp_path):
        for _ in range(8):
            assert status(service["port"], "GET /liveness").startswith("HTTP/1.1 200")  # type: ignore[arg-type]


@requirement("cli:commands")
@pytest.mark.parametrize("command", ["ingest", "search", "model", "doctor"])
def test_commands_have_their_own_help(tmp_path: Path, command: str) -> None:
    done = run(command, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert command in done.stdout


@requirement("cli:commands")
def test_an_unknown_word_is_refused(tmp_path: Path) -> None:
    done = run("digest", cwd=tmp_path)
    assert done.returncode == 2
    assert "digest" in done.stderr

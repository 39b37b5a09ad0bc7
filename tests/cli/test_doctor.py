"""The doctor as a command."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.spec.registry import requirement

FIXTURES = Path(__file__).parents[1] / "fixtures" / "run_yaml"
PROGRAM = Path(sys.executable).with_name("lightspeed-stack")
SERVICE = "name: s\nservice: {}\nuser_data_collection: {}\nllama_stack: {url: 'http://stack:8321'}\n"


def doctor(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "doctor", *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@requirement("doctor:command")
def test_it_prints_what_it_finds_and_ends_with_0(tmp_path: Path) -> None:
    (tmp_path / "lightspeed-stack.yaml").write_text(SERVICE, "utf-8")
    done = doctor("--run-yaml", FIXTURES / "old.yaml", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        "lightspeed-stack.yaml\n  note     llama_stack: is the server at stack:8321",
        "  note     models: fast, openai/guard\n",
        "with llama-stack 0.7.3\n",
        "           fix: call it  base_url\n",
    ):
        assert words in done.stdout
    assert "canary" not in done.stdout


@requirement("doctor:command")
@pytest.mark.parametrize("text", [None, "name: [", SERVICE.replace("service", "server")], ids=["none", "yaml", "key"])
def test_it_ends_with_1_where_something_cannot_start(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "lightspeed-stack.yaml").write_text(text, "utf-8")
    done = doctor(folder=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert "  error    lightspeed-stack.yaml" in done.stdout
    assert "fix: " in done.stdout


@requirement("doctor:command")
def test_a_run_yaml_alone_needs_no_configuration_of_ours(tmp_path: Path) -> None:
    done = doctor("--run-yaml", FIXTURES / "ogx-1.5.0-watsonx.yaml", "--json", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["healthy"] is True
    assert report["chapters"][0]["findings"][0] == {
        "severity": "note",
        "subject": "schema",
        "message": "that of OGX; Llama Stack 0.7 may read it too",
        "fix": "",
    }


@requirement("doctor:command")
def test_wrong_arguments_end_with_2(tmp_path: Path) -> None:
    assert doctor("--run", folder=tmp_path).returncode == 2
    done = doctor("--help", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "exit codes: 0 nothing keeps it from starting, 1 something does (marked as error)" in " ".join(
        done.stdout.split()
    )


@requirement("doctor:command")
def test_names_from_a_file_do_not_command_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text('{distro_name: "a\\e[31mb\\nc", apis: ["x\\ty"]}', "utf-8")
    done = doctor("--run-yaml", "run.yaml", folder=tmp_path)
    assert "name: a [31mb c\n" in done.stdout
    assert "\x1b" not in done.stdout

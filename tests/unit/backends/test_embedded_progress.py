"""What people see of a fetch."""

import json
from io import StringIO
from pathlib import Path

import pytest

from lightspeed_stack.backends.embedded_models import SMALL
from lightspeed_stack.backends.embedded_progress import Bar
from lightspeed_stack.cli.model import model
from tests.spec.registry import requirement


def shown(*, live: bool) -> str:
    out = StringIO()
    bar = Bar(out, live=live)
    for done in range(1001):
        bar(done * 10**6, 1000 * 10**6, "it")
    bar.notice("done")
    return out.getvalue()


@requirement("embedded:fetch:progress")
def test_a_log_gets_a_line_every_ten_per_cent() -> None:
    lines = shown(live=False).splitlines()
    assert len(lines) == 12
    assert lines[0] == "it   0 %  0 of 1,000 MB"
    assert lines[-2:] == ["it 100 %  1,000 of 1,000 MB", "done"]


@requirement("embedded:fetch:progress")
def test_a_terminal_gets_a_bar_over_one_line() -> None:
    text = shown(live=True)
    assert text.count("\r") == 102
    assert f"[{'#' * 30}] 100 %" in text
    assert text.count("\n") == 2


@requirement("embedded:fetch:progress")
def test_waiting_is_said_once() -> None:
    out = StringIO()
    bar = Bar(out, live=False)
    for _ in range(3):
        bar(0, 0, "waiting")
    assert out.getvalue() == "waiting\n"


@requirement("embedded:fetch:command")
def test_the_command_lists_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "lightspeed-stack" / "models"
    folder.mkdir(parents=True)
    (folder / SMALL.file).touch()
    assert model(["list"]) == 0
    default, small = capsys.readouterr().out.splitlines()
    assert default == "default  qwen2.5-coder-1.5b-instruct  Q4_K_M  1,117 MB  Apache-2.0  not fetched"
    assert small == f"small    qwen2.5-coder-0.5b-instruct  Q4_K_M  491 MB  Apache-2.0  {folder / SMALL.file}"


@requirement("embedded:fetch:command")
def test_the_command_tells_what_is_wrong_and_exits_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIGHTSPEED_EMBEDDED_MODEL", "huge")
    assert model(["fetch"]) == 1
    assert "LIGHTSPEED_EMBEDDED_MODEL: 'huge' is not a model" in capsys.readouterr().err


@requirement("embedded:fetch:command")
def test_the_command_prints_the_path_of_a_model_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "lightspeed-stack" / "models"
    folder.mkdir(parents=True)
    file = folder / SMALL.file
    file.touch()
    note = {"sha256": SMALL.sha256, "size": 0, "mtime_ns": file.stat().st_mtime_ns}
    file.with_name(f"{file.name}.verified.json").write_text(json.dumps(note))
    assert model(["fetch", "--model", "small"]) == 0
    assert capsys.readouterr().out == f"{file}\n"

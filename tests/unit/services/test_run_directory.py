"""The directory that the workers of one service share."""

import os
import stat
from pathlib import Path

import pytest

from lightspeed_stack.errors import ConfigurationError
from lightspeed_stack.services.run_directory import MEMORY, PREFIX, VARIABLE, hold, run_directory, shared
from tests.spec.registry import requirement


@requirement("workers:run-directory")
def test_it_is_there_while_the_service_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with run_directory() as directory:
        assert directory.parent == tmp_path
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert shared() == directory
        (directory / "file").touch()
    assert shared() is None
    assert list(tmp_path.iterdir()) == []


@requirement("workers:run-directory")
@pytest.mark.skipif(not os.access(MEMORY, os.W_OK), reason="this machine has no shared memory in its file system")
def test_it_is_in_memory_unless_the_operator_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    with run_directory() as directory:
        assert directory.parent == MEMORY


@requirement("workers:run-directory")
def test_only_what_killed_services_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    abandoned, orphaned, file, link = (tmp_path / f"{PREFIX}{name}" for name in ("dead", "orphaned", "file", "link"))
    (abandoned / "prometheus").mkdir(parents=True)
    orphaned.mkdir()
    file.touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link.symlink_to(elsewhere)
    lock = hold(orphaned)  # a worker of that service still runs
    try:
        with run_directory() as first, run_directory() as second:
            assert set(tmp_path.iterdir()) == {first, second, orphaned, file, link, elsewhere}
    finally:
        os.close(lock)


@requirement("workers:run-directory")
def test_where_it_cannot_be_made_the_fix_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError) as raised, run_directory():
        pytest.fail("it was made")
    assert "TMPDIR" in raised.value.cause
    assert VARIABLE not in os.environ

"""Which release runs inside our process."""

import sys
from pathlib import Path

import pytest

from lightspeed_stack.errors import ConfigurationError
from lightspeed_stack.stack.library_release import Release, installed
from tests.spec.registry import requirement


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where distributions are looked for."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def install(site: Path, distribution: str, version: str) -> None:
    folder = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n", "utf-8")


OGX, OLD = Release("ogx", "ogx", "1.5.0"), Release("llama_stack", "llama-stack", "0.2.22")


@requirement("stack:library:release")
@pytest.mark.parametrize(
    ("distributions", "chosen"),
    [
        ([("ogx", "1.5.0")], OGX),
        ([("llama-stack", "0.2.22")], OLD),
        ([("llama-stack", "0.2.22"), ("ogx", "1.5.0")], OGX),
    ],
    ids=["ogx", "llama-stack", "both"],
)
def test_the_newest_is_chosen(site: Path, distributions: list[tuple[str, str]], chosen: Release) -> None:
    for distribution in distributions:
        install(site, *distribution)
    assert installed() == chosen


@requirement("stack:library:release")
@pytest.mark.parametrize(
    ("distribution", "why"),
    [
        (None, "neither ogx nor llama-stack is installed"),
        (("ogx", "99.0"), "Llama Stack version <= 1.5.0 is required, but 99.0 is used"),
        (("ogx", "0.8.0"), "ogx 0.8.0 cannot be used"),
        (("llama-stack", "0.2.16"), "Llama Stack version >= 0.2.17 is required, but 0.2.16 is used"),
    ],
    ids=["none", "too-new", "no-ogx-yet", "too-old"],
)
def test_what_cannot_be_used_says_what_can(site: Path, distribution: tuple[str, str] | None, why: str) -> None:
    if distribution is not None:
        install(site, *distribution)
    with pytest.raises(ConfigurationError) as caught:
        installed()
    first, fix = caught.value.cause.splitlines()
    assert first == f"llama_stack.use_as_library_client: {why}"
    assert "lightspeed-stack[library]" in fix
    assert "ogx 1.5.0" in fix
    assert "llama-stack 0.2.22" in fix


@requirement("stack:library:release")
@pytest.mark.parametrize(("version", "expected"), [("0.2.22", True), ("0.3.0", False), ("0.7.3", False)])
def test_two_generations(version: str, *, expected: bool) -> None:
    assert Release("llama_stack", "llama-stack", version).made_of_functions is expected

"""Which embedded model fits, and what an operator may write."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lightspeed_stack.backends.embedded_machine import available_memory, free_space, usable_cores
from lightspeed_stack.backends.embedded_models import (
    CATALOGUE,
    DEFAULT,
    GIB,
    SMALL,
    CataloguedModel,
    Machine,
    Settings,
    cache_dir,
    candidates,
    own_file,
)
from lightspeed_stack.errors import ConfigurationError
from tests.spec.registry import requirement


def machine(memory: int | None, **environ: str) -> Machine:
    return Machine(memory=lambda: memory, free_space=lambda _: 10**12, environ=environ)


@requirement("embedded:settings:choice")
@pytest.mark.parametrize(
    ("wish", "memory", "environ", "expected"),
    [
        ("auto", 8 * GIB, {}, (DEFAULT, SMALL)),
        ("auto", 4 * GIB, {}, (DEFAULT, SMALL)),
        ("auto", 4 * GIB - 1, {}, (SMALL,)),
        ("auto", 100, {}, (SMALL,)),
        ("auto", None, {}, (DEFAULT, SMALL)),
        ("auto", 8 * GIB, {"LIGHTSPEED_EMBEDDED_MODEL": "small"}, (SMALL,)),
        ("auto", 2 * GIB, {"LIGHTSPEED_EMBEDDED_MODEL": "default"}, (DEFAULT,)),
        ("auto", 8 * GIB, {"LIGHTSPEED_EMBEDDED_MODEL": ""}, (DEFAULT, SMALL)),
        ("auto", 8 * GIB, {"LIGHTSPEED_EMBEDDED_MODEL": "auto"}, (DEFAULT, SMALL)),
        ("default", 100, {"LIGHTSPEED_EMBEDDED_MODEL": "small"}, (DEFAULT,)),
        ("small", 8 * GIB, {}, (SMALL,)),
    ],
)
def test_choice(wish: str, memory: int | None, environ: dict[str, str], expected: tuple[CataloguedModel, ...]) -> None:
    assert candidates(Settings(model=wish), machine(memory, **environ)) == expected


@requirement("embedded:settings:choice")
def test_an_unknown_name_in_the_environment_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="LIGHTSPEED_EMBEDDED_MODEL: 'huge' is not a model"):
        candidates(Settings(), machine(8 * GIB, LIGHTSPEED_EMBEDDED_MODEL="huge"))


@requirement("embedded:settings:choice")
@given(st.one_of(st.none(), st.integers(0, 64 * GIB)))
def test_there_is_always_a_model_to_try_and_it_fits_if_any_does(memory: int | None) -> None:
    found = candidates(Settings(), machine(memory))
    assert found
    if memory is not None and memory >= SMALL.memory:
        assert all(model.memory <= memory for model in found)


def test_the_catalogue_is_ordered_and_complete() -> None:
    assert sorted(CATALOGUE, key=lambda model: -model.size) == list(CATALOGUE)
    assert all(len(bytes.fromhex(model.sha256)) == 32 for model in CATALOGUE)
    assert all(model.url.startswith("https://") and model.url.endswith(model.file) for model in CATALOGUE)


@requirement("embedded:settings:own-file")
@pytest.mark.parametrize("value", ["huge", "", "Auto"])
def test_a_word_that_is_no_model_and_no_path_is_refused(value: str) -> None:
    with pytest.raises(ValidationError, match="neither a model's name nor the path"):
        Settings(model=value)


@requirement("embedded:settings:own-file")
def test_an_own_file_is_taken_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "mine.gguf"
    file.write_bytes(b"GGUF and more")
    assert own_file(Settings(model=str(file))) == file
    assert own_file(Settings(model="small")) is None


@requirement("embedded:settings:own-file")
@pytest.mark.parametrize(
    ("content", "told"), [(None, "No such file"), (b"", "not a GGUF"), (b"PK\x03\x04", "not a GGUF")]
)
def test_an_own_file_that_cannot_be_used_is_refused(tmp_path: Path, content: bytes | None, told: str) -> None:
    file = tmp_path / "mine.gguf"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        own_file(Settings(model=str(file)))
    assert told in caught.value.cause
    assert "inference.providers[].extra.model" in caught.value.cause
    assert "fix:" in caught.value.cause


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_CACHE_HOME": "/c"}, Path("/c/lightspeed-stack/models")),
        ({}, Path.home() / ".cache/lightspeed-stack/models"),
    ],
)
def test_cache_folder(environ: dict[str, str], expected: Path) -> None:
    assert cache_dir(Settings(), environ) == expected
    assert cache_dir(Settings(cache_dir=Path("/mine")), environ) == Path("/mine")


@requirement("embedded:settings:choice")
@pytest.mark.parametrize(
    ("meminfo", "limit", "expected"),
    [
        ("MemTotal: 9 kB\nMemAvailable: 4 kB\n", None, 4096),
        ("MemTotal: 9 kB\nMemAvailable: 4 kB\n", "max\n", 4096),
        ("MemTotal: 9 kB\nMemAvailable: 4 kB\n", "1024\n", 1024),
        ("MemAvailable: 4 kB\n", "8192\n", 4096),
        (None, "8192\n", 8192),
        (None, None, None),
    ],
)
def test_memory_is_what_is_available_and_allowed(
    tmp_path: Path, meminfo: str | None, limit: str | None, expected: int | None
) -> None:
    if meminfo is not None:
        (tmp_path / "meminfo").write_text(meminfo)
    if limit is not None:
        (tmp_path / "memory.max").write_text(limit)
    assert available_memory(tmp_path / "meminfo", tmp_path) == expected


@requirement("embedded:settings:cores")
@pytest.mark.parametrize("quota", [None, "max 100000", "100000 100000", "50000 100000", "nonsense"])
def test_cores_are_at_least_one_and_within_the_quota(tmp_path: Path, quota: str | None) -> None:
    unlimited = usable_cores(tmp_path)
    assert unlimited >= 1
    if quota is not None:
        (tmp_path / "cpu.max").write_text(f"{quota}\n")
    limited = quota is not None and quota[0].isdigit()
    assert usable_cores(tmp_path) == (1 if limited else unlimited)


def test_free_space_is_known_for_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert free_space(tmp_path / "not" / "yet") > 0

"""Limits and privacy of user data."""

import pytest

from tests.spec.registry import requirement
from tests.unit.config.conftest import MINIMAL, Files


def with_data(text: str) -> str:
    return MINIMAL.replace("user_data_collection: {}", f"user_data_collection: {text}")


@requirement("config:user-data")
def test_by_default_everything_is_kept(files: Files) -> None:
    section = files.load(MINIMAL).user_data_collection
    assert (section.retention_days, section.max_storage_size) == (None, None)
    assert not section.transcripts_without_text


@requirement("config:user-data")
def test_limits_and_privacy(files: Files) -> None:
    text = "{retention_days: 90, max_storage_size: 1048576, transcripts_without_text: true}"
    section = files.load(with_data(text)).user_data_collection
    assert (section.retention_days, section.max_storage_size) == (90, 1048576)
    assert section.transcripts_without_text


@requirement("config:user-data")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{retention_days: 0}", "retention_days: Input should be greater than 0"),
        ("{retention_days: -1}", "retention_days: Input should be greater than 0"),
        ("{retention_days: 1.5}", "retention_days: Input should be a valid integer"),
        ("{max_storage_size: 200}", "max_storage_size: Input should be greater than or equal to 1048576"),
        ("{max_storage_size: 200M}", "max_storage_size: Input should be a valid integer"),
        ("{transcripts_without_text: perhaps}", "transcripts_without_text: Input should be a valid boolean"),
    ],
)
def test_what_makes_no_sense(files: Files, text: str, told: str) -> None:
    assert f"user_data_collection.{told}" in files.problems(with_data(text))

"""Conversation ids in all the forms that clients send."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.domain.ids import new_conversation_id, parse_conversation_id
from tests.spec.registry import requirement

DASHED = "93e26998-ad37-4a91-9048-fd12ab3e1e0c"
LATER = "0123456789abcdef" * 3


@requirement("ids:forms")
@pytest.mark.parametrize(
    ("text", "stored"),
    [
        (DASHED, DASHED),
        (DASHED.upper(), DASHED),
        (DASHED.replace("-", ""), DASHED),
        (f"{{{DASHED}}}", DASHED),
        (f"urn:uuid:{DASHED}", DASHED),
        (LATER, LATER),
        (f"conv_{LATER}", LATER),
        ("", None),
        ("not-an-id", None),
        (LATER[:-1], None),
        (LATER[:-1] + "g", None),
        ("conv_", None),
    ],
)
def test_forms(text: str, stored: str | None) -> None:
    assert parse_conversation_id(text) == stored


@requirement("ids:forms")
@given(st.uuids())
def test_every_spelling_of_a_uuid_is_one_id(value: uuid.UUID) -> None:
    assert parse_conversation_id(value.hex) == parse_conversation_id(str(value)) == parse_conversation_id(value.urn)


@requirement("ids:forms")
@given(st.text())
def test_what_is_stored_is_its_own_form(text: str) -> None:
    stored = parse_conversation_id(text)
    assert stored is None or parse_conversation_id(stored) == stored


@requirement("ids:forms")
def test_ours_are_uuids() -> None:
    assert uuid.UUID(new_conversation_id()).version == 4

"""Which system prompt a turn gets, as a table (rest-api.md 1.5)."""

import pytest

from lightspeed_stack.assistant.prompts import DEFAULT, Instructions
from lightspeed_stack.domain.chat import Conversation, Question
from lightspeed_stack.domain.ids import new_conversation_id
from lightspeed_stack.errors import SystemPromptNotAllowed
from tests.spec.registry import requirement


def resolve(instructions: Instructions, asked: str | None = None, kept: str | None = None) -> str:
    return instructions.resolve(Question("?", system_prompt=asked), Conversation(new_conversation_id(), "u", kept))


@requirement("prompt:precedence")
@pytest.mark.parametrize(
    ("profile", "configured", "asked", "kept", "expected"),
    [
        (None, None, None, None, DEFAULT),
        (None, "file", None, None, "file"),
        (None, "", None, None, ""),
        ("profile", "file", None, None, "profile"),
        ("", "file", None, None, "file"),
        ("profile", "file", "asked", None, "asked"),
        ("profile", "file", "", None, "profile"),
        ("profile", "file", "asked", "kept", "kept"),
        ("profile", "file", None, "", ""),
    ],
)
def test_precedence(
    profile: str | None, configured: str | None, asked: str | None, kept: str | None, expected: str
) -> None:
    assert resolve(Instructions(profile, configured), asked, kept) == expected


@requirement("prompt:override-forbidden")
def test_an_operator_may_forbid_prompts_in_requests() -> None:
    with pytest.raises(SystemPromptNotAllowed) as caught:
        resolve(Instructions(forbid_override=True), "asked")
    assert "disable_query_system_prompt" in caught.value.response
    assert resolve(Instructions(forbid_override=True), "") == DEFAULT

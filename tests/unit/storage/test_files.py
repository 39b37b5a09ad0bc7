"""The exact bytes of feedback and transcript files."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from lightspeed_stack.domain.chat import Attachment, Exchange, Outcome, ToolCall, ToolResult, Transcript
from lightspeed_stack.domain.feedback import Feedback, FeedbackCategory
from lightspeed_stack.domain.ids import ConversationId
from lightspeed_stack.domain.knowledge import Passage
from lightspeed_stack.storage.files import feedback_file, transcript_file
from tests.spec.registry import requirement

AT = datetime(2026, 11, 22, 20, 15, 53, 270928, UTC)

FEEDBACK = Feedback(
    user_id="00000000-0000-0000-0000-000",
    at=AT,
    conversation_id="12345678-abcd-0000-0123-456789abcdef",
    user_question="q",
    llm_response="r",
    sentiment=1,
    categories=(FeedbackCategory.OTHER, FeedbackCategory.UNSAFE),
)

EXCHANGE = Exchange(
    question="Why “so”?",
    answer="Because.",
    model="fake-llm",
    provider="fake",
    started_at=AT,
    completed_at=datetime(2026, 11, 22, 20, 15, 53, 885914, UTC),
    truncated=True,
    passages=(
        Passage("Text.", "manual", "Title", "https://example.com/a", score=0.123456),
        Passage("More.", "manual", "Title only", None, score=float("nan")),
    ),
    tool_results=(
        ToolResult(ToolCall("1", "knowledge_search", '{"query": "so"}'), "found"),
        ToolResult(ToolCall("2", "odd", "[1]"), "", failed=True),
    ),
    attachments=(Attachment("log", "text/plain", "line"),),
)

TRANSCRIPT = Transcript("alice", ConversationId("93e26998-ad37-4a91-9048-fd12ab3e1e0c"), EXCHANGE, "fake", None)


@requirement("feedback:file")
def test_the_contracts_feedback_file() -> None:
    assert feedback_file(FEEDBACK) == (
        b'{"user_id": "00000000-0000-0000-0000-000", "timestamp": "2026-11-22 20:15:53.270928+00:00", '
        b'"conversation_id": "12345678-abcd-0000-0123-456789abcdef", "user_question": "q", "llm_response": "r", '
        b'"sentiment": 1, "user_feedback": null, "categories": ["other", "unsafe"]}'
    )


@requirement("feedback:file")
def test_a_feedback_file_is_one_ascii_line_with_all_keys() -> None:
    content = feedback_file(replace(FEEDBACK, sentiment=None, user_feedback="gut:\n“ü” \ud800", categories=None))
    assert content.endswith(
        b'"sentiment": null, "user_feedback": "gut:\\n\\u201c\\u00fc\\u201d \\ud800", "categories": null}'
    )
    assert b"\n" not in content


@requirement("feedback:file")
def test_times_are_told_in_utc() -> None:
    local = AT.astimezone(timezone(timedelta(hours=-5)))
    assert feedback_file(replace(FEEDBACK, at=local)) == feedback_file(FEEDBACK)


@requirement("transcript:file")
def test_a_transcript_file() -> None:
    assert transcript_file(TRANSCRIPT) == (
        b'{"metadata": {"provider": "fake", "model": "fake-llm", "query_provider": "fake", "query_model": null, '
        b'"user_id": "alice", "conversation_id": "93e26998-ad37-4a91-9048-fd12ab3e1e0c", '
        b'"timestamp": "2026-11-22T20:15:53.885914+00:00"}, '
        b'"redacted_query": "Why \\u201cso\\u201d?", "query_is_valid": true, "llm_response": "Because.", '
        b'"rag_chunks": [{"content": "Text.", "source": "https://example.com/a", "score": 0.1235}, '
        b'{"content": "More.", "source": "Title only", "score": null}], "truncated": true, '
        b'"attachments": [{"attachment_type": "log", "content_type": "text/plain", "content": "line"}], '
        b'"tool_calls": [{"id": "1", "name": "knowledge_search", "args": {"query": "so"}, "response": "found"}, '
        b'{"id": "2", "name": "odd", "args": "[1]", "response": ""}]}'
    )


@requirement("transcript:without-text")
def test_a_transcript_without_text() -> None:
    content = transcript_file(TRANSCRIPT, without_text=True)
    assert content == (
        b'{"metadata": {"provider": "fake", "model": "fake-llm", "query_provider": "fake", "query_model": null, '
        b'"user_id": "alice", "conversation_id": "93e26998-ad37-4a91-9048-fd12ab3e1e0c", '
        b'"timestamp": "2026-11-22T20:15:53.885914+00:00"}, '
        b'"redacted_query": "", "query_is_valid": true, "llm_response": "", '
        b'"rag_chunks": [{"content": "", "source": "https://example.com/a", "score": 0.1235}, '
        b'{"content": "", "source": "Title only", "score": null}], "truncated": true, '
        b'"attachments": [{"attachment_type": "log", "content_type": "text/plain", "content": ""}], '
        b'"tool_calls": [{"id": "1", "name": "knowledge_search", "args": {}, "response": null}, '
        b'{"id": "2", "name": "odd", "args": {}, "response": null}]}'
    )


@pytest.mark.parametrize(
    ("outcome", "answer", "told"),
    [
        (Outcome.COMPLETE, "", ""),
        (Outcome.INTERRUPTED, "", "No response from the model"),
        (Outcome.FAILED, "", "No response from the model"),
        (Outcome.INTERRUPTED, "Bec", "Bec"),
    ],
)
@requirement("transcript:no-answer")
def test_a_turn_that_broke_off(outcome: Outcome, answer: str, told: str) -> None:
    broken = replace(TRANSCRIPT, exchange=replace(EXCHANGE, outcome=outcome, answer=answer))
    assert json.loads(transcript_file(broken))["llm_response"] == told


@pytest.mark.parametrize(
    ("written", "args"),
    [
        ('{"a": [1, {"b": null}]}', {"a": [1, {"b": None}]}),
        ("{}", {}),
        ("", ""),
        ('"text"', '"text"'),
        ("{broken", "{broken"),
        ('{"a": NaN}', '{"a": NaN}'),
        ('{"a": 1e999}', '{"a": 1e999}'),
        ('{"a": ' + "[" * 100_000 + "}", '{"a": ' + "[" * 100_000 + "}"),
        ('{"a": ' + "9" * 5000 + "}", '{"a": ' + "9" * 5000 + "}"),
    ],
    ids=["object", "empty-object", "nothing", "text", "broken", "nan", "infinite", "deep", "long-number"],
)
@requirement("transcript:file")
def test_arguments_are_an_object_or_the_text_that_the_model_wrote(written: str, args: object) -> None:
    calls = (ToolResult(ToolCall("1", "t", written), "r"),)
    content = transcript_file(replace(TRANSCRIPT, exchange=replace(EXCHANGE, tool_results=calls)))

    def refuse(name: str) -> None:
        pytest.fail(f"{name} is not JSON")

    assert json.loads(content, parse_constant=refuse)["tool_calls"][0]["args"] == args

"""What becomes of a question when the provider behind the stack refuses, breaks off, or hangs."""

from dataclasses import replace
from pathlib import Path
from signal import SIGTERM

import pytest

from tests.blackbox.stand import Answer, events
from tests.servers.openai_server import (
    CONTEXT_LENGTH_EXCEEDED,
    MODEL_NOT_FOUND,
    RATE_LIMITED,
    SERVER_ERROR,
    UNAUTHORIZED,
    Refusal,
    Script,
)
from tests.spec.registry import requirement
from tests.stacks.conftest import fresh
from tests.stacks.stand import Json, Serving, StackStand

AT = ("/v1/query", "/v1/streaming_query")


def at_once(reason: Refusal) -> Script:
    """A refusal that the stack's client takes as final; it would try again for many seconds."""
    return Script(refusal=replace(reason, headers=(("x-should-retry", "false"),)))


async def refused(stand: StackStand, reason: Refusal, status: int, response: str) -> list[str]:
    """Ask both ways before a provider that refuses; the causes that were told. No answer is stored."""
    stand.play(at_once(reason))
    causes = []
    for path in AT:
        answer = await stand.query(at=path)
        assert reason.message.encode() not in answer.raw
        told = error(answer) if began(answer, stand) else {"status_code": answer.status, **answer.detail}
        assert (told["status_code"], told["response"]) == (status, response)
        causes.append(told["cause"])
    assert len(stand.chats) == len(AT)
    for conversation in (await stand.get("/v1/conversations")).body["conversations"]:
        assert len(await stand.turns(conversation["conversation_id"])) <= 1
    return causes


def began(answer: Answer, stand: StackStand) -> bool:
    """Whether a stream had begun before the refusal came, as may be where that takes a release seconds to tell.

    Llama Stack 0.2 draws a picture of every error for its log first.
    """
    return answer.status == 200 and not stand.kind.release.statuses


def error(answer: Answer) -> Json:
    start, last = events(answer.raw)
    assert (start["event"], last["event"]) == ("start", "error")
    data = last["data"]
    assert isinstance(data, dict)
    return data


@requirement("stacks:refusals:failed")
async def test_a_failure(stand: StackStand) -> None:
    await refused(stand, SERVER_ERROR, 500, "Unable to get an answer from the model")


@requirement("stacks:refusals:too-long")
async def test_a_prompt_that_is_too_long(stand: StackStand) -> None:
    await refused(stand, CONTEXT_LENGTH_EXCEEDED, 413, "Prompt is too long")


@requirement("stacks:refusals:key")
async def test_a_key_that_is_refused(stand: StackStand) -> None:
    causes = await refused(stand, UNAUTHORIZED, 500, "Unable to get an answer from the model")
    assert set(causes) == {"The model provider refused the configured credentials."}


@requirement("stacks:refusals:model")
async def test_a_model_that_is_not_known(stand: StackStand) -> None:
    causes = await refused(stand, MODEL_NOT_FOUND, 400, "Unable to process this request")
    assert all("fake-llm" in cause for cause in causes)


@requirement("stacks:refusals:busy")
async def test_a_provider_that_is_busy(stand: StackStand) -> None:
    await refused(stand, RATE_LIMITED, 429, "The model provider is busy")


FAULTS = {
    "error": Script(error_after=3),
    "cut": Script(cut_after=3),
    "garbage": Script(garbage_after=3),
}


@requirement("stacks:stream-faults")
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_stream_that_breaks(stand: StackStand, fault: str) -> None:
    stand.play(FAULTS[fault])
    told = await stand.broken_stream()
    assert told[-1]["data"]["status_code"] == 500
    assert "engine died" not in str(told)
    assert len(stand.chats) == 1
    assert len(await stand.turns(told[0]["data"]["conversation_id"])) <= 1


@requirement("stacks:stream-faults")
@pytest.mark.parametrize("fault", FAULTS)
async def test_an_answer_that_breaks(stand: StackStand, fault: str) -> None:
    stand.play(FAULTS[fault])
    answer = await stand.query()
    assert answer.status == 500
    assert answer.detail["response"].startswith("Unable to ")
    assert len(stand.chats) == 1


@requirement("stacks:stream-faults")
async def test_a_conversation_goes_on_after_a_broken_stream(stand: StackStand) -> None:
    conversation_id = (await stand.ask("First?"))["conversation_id"]
    stand.play(FAULTS["error"])
    await stand.broken_stream()
    stand.play(Script(("Again.",)))
    await stand.ask("Third?", conversation_id=conversation_id)
    assert [it["content"] for it in stand.asked if it["role"] == "user"] == ["First?", "Third?"]


@requirement("stacks:hang", "stacks:stops")
async def test_a_model_that_hangs(serving: Serving, tmp_path: Path) -> None:
    """In the middle of an answer, and before it. Neither is in the way of the next question, or of a clean end."""
    async with serving(tmp_path, llama_stack={"timeout": 2.5}) as service:
        stand = fresh(service)
        stand.play(Script(hang_after=2))
        told = await stand.broken_stream()
        assert told[-1]["data"]["status_code"] == 500
        stand.play(Script(hang_before_headers=True))
        answer = await stand.query()
        assert answer.status == 500
        stand.model.release.set()
        stand.play(Script(("Again.",)))
        assert (await stand.ask())["response"] == "Again."
        assert await stand.service.stop() == -SIGTERM  # uvicorn passes on what it was ended by
        assert "Application shutdown complete" in stand.service.log
        assert "Traceback" not in stand.service.log

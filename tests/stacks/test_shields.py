"""What shields refuse. ``bomb`` is the word that their model objects to."""

from tests.servers.openai_server import Script
from tests.spec.registry import requirement
from tests.stacks.stand import StackStand


def is_refusal(text: str) -> bool:
    """Whether an answer is the stack's word for what may not be said: releases word it differently."""
    return "Hello" not in text and "bomb" not in text and len(text) > 10


@requirement("stacks:shields:input")
async def test_a_question_is_refused(stand: StackStand) -> None:
    answer = await stand.ask("How to build a bomb?")
    assert is_refusal(answer["response"])
    assert stand.chats == []
    (turn,) = await stand.turns(answer["conversation_id"])
    assert turn["messages"][-1]["content"] == answer["response"]


@requirement("stacks:shields:input")
async def test_a_streamed_question_is_refused(stand: StackStand) -> None:
    told = await stand.stream("How to build a bomb?")
    assert [told[0]["event"], *(it["event"] for it in told[-2:])] == ["start", "turn_complete", "end"]
    assert is_refusal(told[-2]["data"]["token"])
    assert stand.chats == []


@requirement("stacks:shields:output")
async def test_an_answer_is_refused(stand: StackStand) -> None:
    stand.play(Script(("Take ", "a bomb ", "and Hello")))
    answer = await stand.ask()
    assert is_refusal(answer["response"])
    assert len(stand.chats) == 1
    (turn,) = await stand.turns(answer["conversation_id"])
    assert turn["messages"][-1]["content"] == answer["response"]


@requirement("stacks:shields:output")
async def test_nothing_of_a_refused_answer_is_streamed(stand: StackStand) -> None:
    stand.play(Script(("Take ", "a bomb ", "and Hello")))
    told = await stand.stream()
    assert all("bomb" not in str(it) and "Take" not in str(it) for it in told)
    assert is_refusal(told[-2]["data"]["token"])
    assert told[-1]["event"] == "end"

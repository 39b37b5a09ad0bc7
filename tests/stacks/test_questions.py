"""Questions that are answered."""

import json
from pathlib import Path

import pytest

from tests.servers.http_relay import http_relay
from tests.servers.openai_server import TWENTY_TOKENS, Script, ScriptedCall
from tests.spec.registry import requirement
from tests.stacks.conftest import fresh
from tests.stacks.stand import Serving, StackStand


@requirement("stacks:query")
async def test_a_question_is_answered(stand: StackStand) -> None:
    answer = await stand.ask("What is a pump?")
    assert (answer["response"], answer["input_tokens"], answer["output_tokens"]) == ("Hello you", 11, 12)
    assert (answer["tool_calls"], answer["rag_chunks"], answer["referenced_documents"]) == ([], [], [])
    assert stand.asked[-1] == {"role": "user", "content": "What is a pump?"}
    (turn,) = await stand.turns(answer["conversation_id"])
    assert [it["content"] for it in turn["messages"]] == ["What is a pump?", "Hello you"]


@requirement("stacks:choice")
async def test_the_first_language_model_answers(stand: StackStand) -> None:
    conversation_id = (await stand.ask())["conversation_id"]
    assert stand.chats[-1]["model"] == "fake-llm"
    entry = await stand.entry(conversation_id)
    assert (entry["last_used_provider"], entry["last_used_model"]) == ("openai", "fake-llm")


@requirement("stacks:choice")
async def test_the_model_that_is_named_answers(stand: StackStand) -> None:
    conversation_id = (await stand.ask(provider="openai", model="other"))["conversation_id"]
    assert stand.chats[-1]["model"] == "other"
    await stand.ask("And?", conversation_id=conversation_id)
    assert stand.chats[-1]["model"] == "other"


@requirement("stacks:choice")
@pytest.mark.parametrize(("provider", "name"), [("openai", "nope"), ("elsewhere", "fake-llm")])
async def test_what_is_not_offered_is_refused(stand: StackStand, provider: str, name: str) -> None:
    answer = await stand.query(provider=provider, model=name)
    assert answer.status == 400
    assert answer.detail["cause"] == f"Model {name} from provider {provider} not found in available models"
    assert stand.chats == []


@requirement("stacks:stream")
async def test_a_stream_comes_in_pieces_and_in_order(stand: StackStand) -> None:
    stand.play(Script(TWENTY_TOKENS, delay=0.01, usage=(10, 20)))
    told = await stand.stream()
    kinds = [it["event"] for it in told]
    assert (kinds[0], kinds[-2:]) == ("start", ["turn_complete", "end"])
    assert set(kinds[1:-2]) == {"token"}
    text = "".join(it["data"]["token"] for it in told[1:-2])
    assert text == told[-2]["data"]["token"] == "".join(TWENTY_TOKENS)
    # An answer that a shield is to see comes when it has been judged.
    assert len(told[1:-2]) > 10 or stand.kind.release.shields
    assert (told[-1]["data"]["input_tokens"], told[-1]["data"]["output_tokens"]) == (10, 20)


@requirement("stacks:follow-up")
async def test_a_follow_up_sees_the_history(stand: StackStand) -> None:
    conversation_id = (await stand.ask("First?"))["conversation_id"]
    await stand.stream("Second?", conversation_id=conversation_id)
    assert [(it["role"], it["content"]) for it in stand.asked if it["role"] != "system"] == [
        ("user", "First?"),
        ("assistant", "Hello you"),
        ("user", "Second?"),
    ]
    assert len(await stand.turns(conversation_id)) == 2


@requirement("stacks:tool-calls")
async def test_a_tool_call_is_passed_on_and_its_result_back(stand: StackStand) -> None:
    """There is no such tool: the model is told so, which takes the call through the stack and back."""
    call = ScriptedCall("call-1", "look", '{"a": 1, "text": "ä \\" b"}')
    stand.play([Script(("Let me see. ",), tool_calls=(call,)), Script(("It is blue.",))])
    answer = await stand.ask("What colour?")
    assert answer["response"].endswith("It is blue.")
    (told,) = answer["tool_calls"]
    assert (told["tool_name"], told["arguments"]) == ("look", {"a": 1, "text": 'ä " b'})

    asked, result = stand.asked[-2:]
    (passed,) = asked["tool_calls"]
    assert (passed["id"], passed["function"]["name"]) == ("call-1", "look")
    assert json.loads(passed["function"]["arguments"]) == {"a": 1, "text": 'ä " b'}
    assert (result["role"], result["tool_call_id"]) == ("tool", "call-1")


@requirement("stacks:one-call")
async def test_a_question_costs_one_call(serving: Serving, tmp_path: Path) -> None:
    assert serving.stack is not None
    async with http_relay(serving.stack.port) as relay:
        inference = {"default_provider": "openai", "default_model": "other"}
        async with serving(tmp_path, url=relay.url, inference=inference) as service:
            stand = fresh(service)
            conversation_id = (await stand.ask("Something to begin with"))["conversation_id"]
            relay.requests.clear()
            await stand.ask()
            await stand.stream("And?", conversation_id=conversation_id)
            completions = f"POST {stand.kind.release.openai}/chat/completions"
            # Each shield is asked, of the question or of the answer.
            calls = [it for it in relay.requests if it != "POST /v1/safety/run-shield"]
            assert calls == [completions] * 2
            assert len(relay.requests) == (6 if stand.kind.release.shields else 2)
            assert stand.chats[-1]["model"] == "other"

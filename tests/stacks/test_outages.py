"""The stack's server is killed, or comes up after us."""

from pathlib import Path

from tests.blackbox.stand import events
from tests.durability.health import until_ill, until_well
from tests.servers.openai_server import TWENTY_TOKENS, Script
from tests.spec.registry import requirement
from tests.stacks.stand import Serving, StackStand

FEWER = Script(TWENTY_TOKENS, hang_after=5)


@requirement("stacks:killed")
async def test_a_stack_that_is_killed_and_comes_back(stand: StackStand) -> None:
    stand.play(FEWER)
    question = {"query": "First?"}
    async with stand.http.post("/v1/streaming_query", params={"user_id": stand.user}, json=question) as response:
        begun = await response.content.readuntil(b"\n\n")
        await stand.server.kill()
        told = events(begun + await response.read())
    assert [it["event"] for it in told if it["event"] != "token"] == ["start", "error"]
    assert told[-1]["event"] == "error"
    assert len(stand.chats) == 1
    conversation_id = told[0]["data"]["conversation_id"]

    answer = await stand.query()
    assert (answer.status, answer.detail["response"]) == (500, "Unable to connect to Llama Stack")
    await until_ill(stand.http, "llama_stack")

    await stand.server.start()
    stand.play(Script(("Back.",)))
    assert (await stand.ask("And?", conversation_id=conversation_id))["response"] == "Back."
    await until_well(stand.http)
    questions = [turn["messages"][0]["content"] for turn in await stand.turns(conversation_id)]
    assert questions in (["First?", "And?"], ["And?"])


@requirement("stacks:degraded")
async def test_a_service_that_is_up_before_its_stack(serving: Serving, tmp_path: Path) -> None:
    assert serving.stack is not None
    await serving.stack.kill()
    section = {"allow_degraded_mode": True, "max_retries": 0, "retry_delay": 0.1}
    async with serving(tmp_path, llama_stack=section) as stand:
        await until_ill(stand.http, "llama_stack")
        answer = await stand.query()
        assert (answer.status, answer.detail["response"]) == (500, "Unable to connect to Llama Stack")

        await serving.stack.start()
        await stand.service.said("Llama Stack has been reached")
        await until_well(stand.http)
        stand.play(Script(("Here.",)))
        assert (await stand.ask())["response"] == "Here."

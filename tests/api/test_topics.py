"""Topics of conversations in the running service."""

import re
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from lightspeed_stack.assistant.titles import INSTRUCTION
from tests.api.conftest import Stand
from tests.servers.openai_server import SERVER_ERROR, Script, openai_server
from tests.servers.service import configuration, running
from tests.spec.registry import requirement

type Json = dict[str, Any]

ANSWERS = Script(("It is ", "noon."), usage=(9, 3))
NAMES = Script(("Topic: Time", " Of Day."), usage=(70, 7))
HANGS = Script(("Time",), hang_before_headers=True)


def playing(topic: Script, instruction: str = INSTRUCTION) -> Callable[[Json], Script]:
    """A model that plays ``topic`` when it is asked for one."""
    return lambda body: topic if body["messages"][0]["content"] == instruction else ANSWERS


@asynccontextmanager
async def service(
    folder: Path, topic: Script, *, more: str = "", topics: bool = True, instruction: str = INSTRUCTION
) -> AsyncIterator[Stand]:
    async with openai_server(playing(topic, instruction)) as model:
        yaml = configuration(model.url, folder, more=more, topics=topics)
        async with running(yaml, folder) as it:
            yield Stand(it.http, model, folder)


async def ask(stand: Stand, path: str = "/v1/query", query: str = "What time is it?", **fields: object) -> str:
    """The id of the conversation."""
    async with stand.http.post(path, json={"query": query, **fields}) as response:
        assert response.status == 200
        found = re.search(rb'"conversation_id": ?"([^"]+)"', await response.read())
    assert found is not None
    return found[1].decode()


async def listed(stand: Stand) -> dict[str, str]:
    """Topics by conversation."""
    async with stand.http.get("/v1/conversations") as response:
        assert response.status == 200
        return {it["conversation_id"]: it["topic_summary"] for it in (await response.json())["conversations"]}


async def until_topic(stand: Stand, conversation_id: str) -> str:
    with anyio.fail_after(10):
        while not (topic := (await listed(stand))[conversation_id]):
            await anyio.lowlevel.checkpoint()
    return topic


async def counted(stand: Stand, *series: str) -> list[str]:
    async with stand.http.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    return [line for line in lines if line.startswith(series)]


def topics_asked(stand: Stand) -> list[Json]:
    return [chat for chat in stand.model.chats if chat["messages"][0]["content"] == INSTRUCTION]


@requirement("topic:made")
@pytest.mark.parametrize("path", ["/v1/query", "/v1/streaming_query"])
async def test_a_new_conversation_gets_a_topic(tmp_path: Path, path: str) -> None:
    async with service(tmp_path, NAMES) as stand:
        conversation_id = await ask(stand, path, system_prompt="Be brief.")
        assert await until_topic(stand, conversation_id) == "Time Of Day"
        await ask(stand, path, "And now?", conversation_id=conversation_id)
        assert await listed(stand) == {conversation_id: "Time Of Day"}
        (asked,) = topics_asked(stand)
        assert [it["content"] for it in asked["messages"]] == [INSTRUCTION, "What time is it?"]


@requirement("topic:never-in-the-way")
@pytest.mark.parametrize("path", ["/v1/query", "/v1/streaming_query"])
async def test_nobody_waits_for_a_topic(tmp_path: Path, path: str) -> None:
    async with service(tmp_path, HANGS) as stand:
        with anyio.fail_after(10):
            conversation_id = await ask(stand, path)
            await stand.model.hanging.wait()
            await ask(stand, path, "And now?", conversation_id=conversation_id)
            others = [await ask(stand, path) for _ in range(6)]
        assert set((await listed(stand)).values()) == {""}
        stand.model.release.set()
        for each in (conversation_id, *others):
            assert await until_topic(stand, each) == "Time"


@requirement("topic:due")
async def test_what_an_ended_process_owed_is_made_up_for(tmp_path: Path) -> None:
    async with service(tmp_path, Script(refusal=SERVER_ERROR)) as stand:
        conversation_id = await ask(stand)
        with anyio.fail_after(10):
            while not await counted(stand, 'ls_degraded_total{what="topic"}'):
                await anyio.lowlevel.checkpoint()
    async with service(tmp_path, NAMES) as stand:
        await ask(stand, query="And now?", conversation_id=conversation_id)
        await ask(stand, query="Other?")
        await until_topic(stand, next(it for it in await listed(stand) if it != conversation_id))
        assert len(topics_asked(stand)) == 1, "the first request may be under way in another process"
        with sqlite3.connect(tmp_path / "conversations.db") as connection:
            connection.execute("UPDATE lightspeed_turn SET completed_at = '2020-01-01 00:00:00'")
        connection.close()
        await ask(stand, query="And then?", conversation_id=conversation_id)
        assert await until_topic(stand, conversation_id) == "Time Of Day"
        assert topics_asked(stand)[-1]["messages"][-1]["content"] == "What time is it?"


@requirement("topic:bounded", "topic:uncounted")
async def test_topics_are_not_in_the_metrics_of_questions(tmp_path: Path) -> None:
    async with service(tmp_path, NAMES) as stand:
        await until_topic(stand, await ask(stand))
        assert await counted(stand, "ls_llm_calls_total", "ls_llm_calls_failures_total") == [
            'ls_llm_calls_total{model="fake-llm",provider="fake"} 1.0',
            "ls_llm_calls_failures_total 0.0",
        ]
        assert await counted(stand, "ls_llm_token_sent_total", "ls_llm_token_received_total") == [
            'ls_llm_token_sent_total{model="fake-llm",provider="fake"} 9.0',
            'ls_llm_token_received_total{model="fake-llm",provider="fake"} 3.0',
        ]


@requirement("topic:bounded", "topic:uncounted")
async def test_a_topic_that_fails_is_counted_as_what_could_not_be_done(tmp_path: Path) -> None:
    async with service(tmp_path, Script(refusal=SERVER_ERROR)) as stand:
        conversation_id = await ask(stand)
        with anyio.fail_after(10):
            while not (told := await counted(stand, 'ls_degraded_total{what="topic"}')):
                await anyio.lowlevel.checkpoint()
        assert told == ['ls_degraded_total{what="topic"} 1.0']
        assert await counted(stand, "ls_llm_calls_failures_total") == ["ls_llm_calls_failures_total 0.0"]
        assert await listed(stand) == {conversation_id: ""}


@requirement("topic:prompt")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("profile.py", "PROFILE_CONFIG = {'system_prompts': {'topic_summary': 'Name it.'}}"),
        ("profile.yaml", "system_prompts: {topic_summary: Name it.}"),
    ],
)
async def test_a_profile_brings_the_instruction(tmp_path: Path, name: str, content: str) -> None:
    profile = tmp_path / name
    profile.write_text(content, "utf-8")
    more = f"customization: {{profile_path: {profile}}}"
    async with service(tmp_path, NAMES, more=more, instruction="Name it.") as stand:
        assert await until_topic(stand, await ask(stand)) == "Time Of Day"
        assert [chat["messages"][0]["content"] for chat in stand.model.chats] == [
            "You are a helpful assistant",
            "Name it.",
        ]


@requirement("topic:switch")
async def test_topics_are_switched_off(tmp_path: Path) -> None:
    async with service(tmp_path, NAMES, topics=False) as stand:
        await ask(stand)
    assert len(stand.model.chats) == 1


@requirement("topic:stop")
async def test_a_stop_is_not_held_up(tmp_path: Path) -> None:
    with anyio.fail_after(20):
        async with service(tmp_path, HANGS) as stand:
            await ask(stand)
            await stand.model.hanging.wait()
    assert stand.model.cancelled.is_set()


@requirement("topic:made")
async def test_a_question_that_fails_makes_no_topic(tmp_path: Path) -> None:
    async with service(tmp_path, NAMES) as stand:
        stand.model.scripts = Script(("Half", "…"), cut_after=1, delay=0.05)
        async with stand.http.post("/v1/streaming_query", json={"query": "First?"}) as response:
            assert b'"event": "error"' in await response.read()
        assert topics_asked(stand) == []
        stand.model.scripts = playing(NAMES)
        (conversation_id,) = await listed(stand)
        await ask(stand, query="Second?", conversation_id=conversation_id)
        assert await until_topic(stand, conversation_id) == "Time Of Day"
        assert topics_asked(stand)[0]["messages"][-1]["content"] == "First?"

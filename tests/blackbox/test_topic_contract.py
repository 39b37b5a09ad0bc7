"""rest-api.md 1.11: the topic of a conversation."""

from typing import Any

import anyio
import pytest

from tests.blackbox.stand import HELLO, Serving, Stand
from tests.servers.openai_server import SERVER_ERROR, Script
from tests.spec.registry import requirement

type Json = dict[str, Any]

DEFAULT = "You are a helpful assistant"


def naming(topic: str) -> Any:
    """The model answers questions with HELLO, and names their topic."""

    def script(body: Json) -> Script:
        return HELLO if body["messages"][0]["content"] == DEFAULT else Script((topic,))

    return script


async def topic_of(stand: Stand, id_: str, version: str = "v1") -> str:
    with anyio.fail_after(30):
        while not (topic := (await stand.entry(id_, version))["topic_summary"]):
            await anyio.lowlevel.checkpoint()
    return str(topic)


@requirement("rest:1.11:new", "rest:1.7:11-topic", "rest:1.11:question")
@pytest.mark.parametrize("path", ["/v1/query", "/v1/streaming_query"])
async def test_a_new_conversation_gets_a_topic_and_a_follow_up_none(serving: Serving, path: str) -> None:
    async with serving(naming("Backup Times"), inference={"topic_summaries": True}) as stand:
        await stand.query("When is the backup?", at=path)
        (entry,) = (await stand.get("/v1/conversations")).body["conversations"]
        assert await topic_of(stand, entry["conversation_id"]) == "Backup Times"
        assert await topic_of(stand, entry["conversation_id"], "v2") == "Backup Times"
        (asked,) = [chat for chat in stand.model.chats if chat["messages"][0]["content"] != DEFAULT]
        assert [it["content"] for it in asked["messages"][1:]] == ["When is the backup?"]
        await stand.query("And now?", at=path, conversation_id=entry["conversation_id"])
    assert len(stand.model.chats) == 3, "the service has ended, and what it owed is done"


@requirement("rest:1.11:profile")
async def test_a_profile_says_how_to_name_a_topic(serving: Serving) -> None:
    file = serving.folder / "profile.yaml"
    file.write_text("system_prompts: {topic_summary: Name it.}", "utf-8")
    async with serving(
        naming("Backup"), inference={"topic_summaries": True}, customization={"profile_path": str(file)}
    ) as stand:
        assert await topic_of(stand, (await stand.ask())["conversation_id"]) == "Backup"
        assert stand.asked[0]["content"] == "Name it."


@requirement("rest:1.11:empty")
@pytest.mark.parametrize("script", [Script(()), Script(refusal=SERVER_ERROR)], ids=["nothing", "failure"])
async def test_a_topic_that_cannot_be_had_stays_empty(serving: Serving, script: Script) -> None:
    def either(body: Json) -> Script:
        return HELLO if body["messages"][0]["content"] == DEFAULT else script

    async with serving(either, inference={"topic_summaries": True}) as stand:
        id_ = (await stand.ask())["conversation_id"]
        with anyio.fail_after(30):
            while len(stand.model.chats) < 2:
                await stand.get("/liveness")
        assert (await stand.entry(id_))["topic_summary"] == ""

"""Lists and histories as bytes, short and long."""

import json
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from anyio.lowlevel import checkpoint
from fastapi.responses import Response

from lightspeed_stack.api.conversations import LONG_LIST, LONG_TALK, history, listed
from lightspeed_stack.domain.chat import Exchange
from lightspeed_stack.domain.ids import ConversationId, new_conversation_id
from lightspeed_stack.storage.base import CachedSummary, Page
from tests.spec.registry import requirement

NOW = datetime(2026, 11, 22, 20, 15, 53, 217164, tzinfo=UTC)
ID = ConversationId("0d6f5e8c-41f5-4b8e-9d55-3a3f1a2b7c99")


def entry(it: CachedSummary) -> dict[str, object]:
    return {"id": it.id, "topic": it.topic}


def summaries(number: int) -> tuple[CachedSummary, ...]:
    return tuple(CachedSummary(new_conversation_id(), f"Topic \N{SNOWMAN} {n}", NOW) for n in range(number))


@requirement("conversations:long")
@pytest.mark.parametrize("number", [0, 1, LONG_LIST - 1, LONG_LIST, 3 * LONG_LIST])
@pytest.mark.parametrize("more", [True, False])
async def test_a_list_is_compact_ascii_json_however_long(number: int, *, more: bool) -> None:
    entries = summaries(number)
    response = await listed(Page(entries, more), entry)
    whole = {"conversations": [entry(it) for it in entries], "has_more": more}
    assert response.body == json.dumps(whole, separators=(",", ":")).encode("ascii")
    assert response.media_type == "application/json"


@requirement("conversations:long")
@pytest.mark.parametrize("number", [0, 1, LONG_TALK - 1, LONG_TALK, 3 * LONG_TALK])
async def test_a_history_is_compact_ascii_json_however_long(number: int) -> None:
    turns = [Exchange(f"{n}?", "\N{SNOWMAN}", "m", "p", NOW + timedelta(seconds=n), NOW) for n in range(number)]
    response = await history(ID, turns, lambda time: time.strftime("%S"))
    body = json.loads(bytes(response.body))
    assert response.body == json.dumps(body, separators=(",", ":")).encode("ascii")
    assert body["conversation_id"] == ID
    assert [turn["messages"][0]["content"] for turn in body["chat_history"]] == [turn.question for turn in turns]
    assert [turn["started_at"] for turn in body["chat_history"]] == [f"{(53 + n) % 60:02}" for n in range(number)]


@requirement("conversations:long")
async def test_the_loop_goes_on_while_a_long_list_is_encoded() -> None:
    rounds = 0
    done = anyio.Event()
    responses: list[Response] = []

    async def go_on() -> None:
        nonlocal rounds
        while not done.is_set():
            rounds += 1
            await checkpoint()

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(go_on)
            await checkpoint()
            before = rounds
            responses.append(await listed(Page(summaries(10_000)), entry))
            during = rounds - before
            done.set()
    assert during > 1
    assert len(json.loads(bytes(responses[0].body))["conversations"]) == 10_000

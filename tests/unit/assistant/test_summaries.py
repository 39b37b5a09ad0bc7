"""Topics of conversations, against a scripted model over a real socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import anyio
import pytest

from lightspeed_stack.assistant.live import ActiveTurns
from lightspeed_stack.assistant.summaries import MAX_TOKENS, Pace, TopicSummaries, due
from lightspeed_stack.assistant.titles import INSTRUCTION, MAX_HEARD
from lightspeed_stack.backends.embedded import EmbeddedBackend
from lightspeed_stack.backends.embedded_models import Settings as EmbeddedSettings
from lightspeed_stack.backends.openai import OpenAIBackend
from lightspeed_stack.domain.chat import Exchange, Outcome
from lightspeed_stack.domain.ids import ConversationId
from lightspeed_stack.errors import StorageError
from tests.servers.openai_server import (
    CONTEXT_LENGTH_EXCEEDED,
    MODEL_NOT_FOUND,
    SERVER_ERROR,
    OpenAIServer,
    Script,
    Scripts,
    openai_server,
)
from tests.spec.registry import requirement
from tests.unit.assistant.examples import NOON, exchange, turn

SAYS = Script(("Node", " Draining"))
HANGS = Script(("Node",), hang_after=0)
INTERRUPTED = Outcome.INTERRUPTED


class OneAtATime(OpenAIBackend):
    """A server of one small model."""

    @property
    def parallel(self) -> int | None:
        return 1


@dataclass(slots=True)
class Desk:
    """Topics being made: what came of it, and the parts around."""

    topics: TopicSummaries
    model: OpenAIServer
    active: ActiveTurns
    proposed: dict[ConversationId, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    changed: anyio.Event = field(default_factory=anyio.Event)

    async def until(self, *, proposed: int = 0, failed: int = 0) -> None:
        with anyio.fail_after(5):
            while (len(self.proposed), len(self.failed)) != (proposed, failed):
                self.changed = anyio.Event()
                await self.changed.wait()


@asynccontextmanager
async def desk(
    scripts: Scripts,
    *,
    pace: Pace | None = None,
    one_at_a_time: bool = False,
    broken: Exception | None = None,
    prompt: str | None = None,
) -> AsyncIterator[Desk]:
    kind = OneAtATime if one_at_a_time else OpenAIBackend
    active = ActiveTurns()

    async def propose(conversation_id: ConversationId, topic: str) -> None:
        if broken is not None:
            raise broken
        it.proposed[conversation_id] = topic
        it.changed.set()

    def fail(what: str) -> None:
        it.failed.append(what)
        it.changed.set()

    async with openai_server(scripts) as model, kind(model.url) as backend:
        topics = TopicSummaries(
            lambda _: backend,
            propose,
            active,
            failures=fail,
            prompt=prompt,
            pace=pace or Pace(quiet=0),
            clock=lambda: NOON,
        )
        it = Desk(topics, model, active)
        async with topics:
            yield it


@requirement("topic:made")
async def test_the_model_of_the_turn_is_asked_for_the_topic_of_the_question() -> None:
    async with desk(Script(('"Node', ' Draining".'))) as it:
        first = turn("How do I drain a node? " * 100)
        it.topics.ask(first)
        await it.until(proposed=1)
        assert it.proposed == {first.conversation.id: "Node Draining"}
        (chat,) = it.model.chats
        assert chat["model"] == "fake-llm"
        assert chat["messages"] == [
            {"role": "system", "content": INSTRUCTION},
            {"role": "user", "content": ("How do I drain a node? " * 100)[:1000]},
        ]
        assert "max_tokens" not in chat, "some models refuse it"
        assert it.failed == []


@requirement("topic:prompt")
async def test_a_prompt_of_ones_own_is_used() -> None:
    async with desk(SAYS, prompt="Name it.") as it:
        it.topics.ask(turn())
        await it.until(proposed=1)
        assert it.model.chats[0]["messages"][0]["content"] == "Name it."


@requirement("topic:due")
@pytest.mark.parametrize(
    ("topic", "history", "now", "expected"),
    [
        ("", [], 0, True),
        ("Nodes", [], 0, False),
        ("", [exchange("?")], 1, False),
        ("", [exchange("?")], 9, False),
        ("", [exchange("?")], 10, True),
        ("Nodes", [exchange("?")], 60, False),
        ("", [exchange("?"), exchange("?", minute=9)], 10, True),
        ("", [exchange("?", outcome=INTERRUPTED)], 1, True),
        ("", [exchange("?", outcome=INTERRUPTED), exchange("?", minute=5)], 11, False),
        ("", [exchange("?", outcome=INTERRUPTED), exchange("?", minute=5)], 15, True),
    ],
)
def test_when_a_topic_is_due(topic: str, history: list[Exchange], now: int, expected: bool) -> None:
    assert due(turn("?", *history, topic=topic), NOON + timedelta(minutes=now)) is expected


@requirement("topic:due")
def test_a_first_request_has_ended_when_the_second_is_made() -> None:
    assert Pace().timeout < Pace().lifetime < 600


@requirement("topic:due")
async def test_a_late_topic_is_that_of_the_first_question() -> None:
    async with desk(SAYS) as it:
        it.topics.ask(turn("And then?", exchange("How do I drain a node?", minute=-20), exchange("Why?", minute=-19)))
        await it.until(proposed=1)
        assert it.model.chats[0]["messages"][-1]["content"] == "How do I drain a node?"


@requirement("topic:due")
async def test_a_conversation_that_has_a_topic_is_left_alone() -> None:
    async with desk(SAYS) as it:
        it.topics.ask(turn("?", exchange("?", minute=-20), topic="Mine"))
        it.topics.ask(turn("Other?"))
        await it.until(proposed=1)
        assert [chat["messages"][-1]["content"] for chat in it.model.chats] == ["Other?"]


@requirement("topic:bounded")
@pytest.mark.parametrize(
    "script",
    [Script(refusal=SERVER_ERROR), Script(refusal=CONTEXT_LENGTH_EXCEEDED), Script(refusal=MODEL_NOT_FOUND),
     Script(("Node",), cut_after=1), Script(hang_before_headers=True)],
    ids=["error", "too-long", "no-such-model", "cut", "silent"],
)  # fmt: skip
async def test_a_topic_that_cannot_be_made_is_counted_and_the_next_is_made(script: Script) -> None:
    async with desk([script, SAYS], pace=Pace(at_once=1, timeout=0.2)) as it:
        it.topics.ask(turn())
        it.topics.ask(turn())
        await it.until(proposed=1, failed=1)
        assert it.failed == ["topic"]


@requirement("topic:bounded")
@pytest.mark.parametrize("error", [StorageError("The database is gone."), RuntimeError("a mistake of ours")])
async def test_a_topic_that_cannot_be_stored_is_counted(error: Exception) -> None:
    async with desk(SAYS, broken=error) as it:
        it.topics.ask(turn())
        await it.until(failed=1)
        it.topics.ask(turn())
        await it.until(failed=2)


@requirement("topic:cleaned")
async def test_an_answer_that_says_nothing_makes_no_topic() -> None:
    async with desk([Script(("<think>Hm",)), SAYS], pace=Pace(at_once=1)) as it:
        it.topics.ask(turn())
        second = turn()
        it.topics.ask(second)
        await it.until(proposed=1)
        assert list(it.proposed) == [second.conversation.id]


@requirement("topic:bounded")
async def test_a_model_that_never_ends_is_left() -> None:
    async with desk(Script(("Node Draining\n", "x" * MAX_HEARD, "more"), hang_after=2)) as it:
        it.topics.ask(turn())
        await it.until(proposed=1)
        with anyio.fail_after(5):
            await it.model.cancelled.wait()


@requirement("topic:bounded")
async def test_too_many_that_wait_are_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    async with desk(HANGS, pace=Pace(at_once=1, waiting=2)) as it:
        it.topics.ask(turn())
        with anyio.fail_after(5):
            await it.model.hanging.wait()
        for _ in range(4):
            it.topics.ask(turn())
        assert it.failed == ["topic", "topic"]
        assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
            "too many conversations wait for a topic; new ones stay without for now"
        ], "the log is not flooded"
        it.model.release.set()
        await it.until(proposed=3, failed=2)


@requirement("topic:bounded")
async def test_only_so_many_are_made_at_once() -> None:
    async with desk(HANGS, pace=Pace(at_once=2)) as it:
        for _ in range(5):
            it.topics.ask(turn())
        with anyio.fail_after(5):
            while len(it.model.chats) < 2:
                await anyio.wait_all_tasks_blocked()
        await anyio.wait_all_tasks_blocked()
        assert len(it.model.chats) == 2
        it.model.release.set()
        await it.until(proposed=5)


@requirement("topic:bounded")
async def test_a_conversation_is_not_asked_for_twice_at_a_time() -> None:
    async with desk(HANGS) as it:
        first = turn()
        for _ in range(3):
            it.topics.ask(first)
        it.model.release.set()
        await it.until(proposed=1)
        assert len(it.model.chats) == 1


@requirement("topic:gives-way")
def test_which_backends_answer_many_at_once() -> None:
    assert OpenAIBackend("http://127.0.0.1:9/v1").parallel is None
    assert EmbeddedBackend(EmbeddedSettings(model="small")).parallel == 1


@requirement("topic:gives-way")
async def test_one_model_makes_topics_only_while_no_turn_runs() -> None:
    async with desk([HANGS, SAYS], one_at_a_time=True) as it:
        with it.active.track():
            it.topics.ask(turn())
            await anyio.wait_all_tasks_blocked()
            assert it.model.chats == []
        with anyio.fail_after(5):
            await it.model.hanging.wait()
        with it.active.track():
            with anyio.fail_after(5):
                await it.model.cancelled.wait()
            await anyio.wait_all_tasks_blocked()
            assert len(it.model.chats) == 1
        await it.until(proposed=1)
        assert it.model.chats[1] == it.model.chats[0]
        assert it.model.chats[1]["max_tokens"] == MAX_TOKENS
        assert it.failed == []


@requirement("topic:gives-way", "topic:bounded")
async def test_without_any_quiet_a_request_comes_to_its_end() -> None:
    async with desk(SAYS, one_at_a_time=True, pace=Pace(quiet=0, lifetime=0.01)) as it:
        with it.active.track():
            it.topics.ask(turn())
            await it.until(failed=1)
        assert it.model.chats == []


@requirement("topic:never-in-the-way")
async def test_turns_do_not_keep_a_model_of_many_from_its_topics() -> None:
    async with desk(SAYS) as it:
        with it.active.track():
            it.topics.ask(turn())
            await it.until(proposed=1)


@requirement("topic:stop")
async def test_a_stop_waits_for_topics_under_way() -> None:
    async with anyio.create_task_group() as tasks:

        async def release() -> None:
            it.model.release.set()

        async with desk(HANGS, pace=Pace(grace=5, at_once=1)) as it:
            it.topics.ask(turn())
            it.topics.ask(turn())
            with anyio.fail_after(5):
                await it.model.hanging.wait()
            tasks.start_soon(release)
        assert len(it.proposed) == 2


@requirement("topic:stop")
@pytest.mark.parametrize("one_at_a_time", [False, True])
async def test_a_stop_does_not_wait_long(one_at_a_time: bool) -> None:
    with anyio.fail_after(5):
        async with desk(HANGS, pace=Pace(grace=0.01, quiet=0), one_at_a_time=one_at_a_time) as it:
            it.topics.ask(turn())
            await it.model.hanging.wait()
        await it.model.cancelled.wait()
    it.topics.ask(turn())
    assert it.proposed == {}
    assert it.failed == ["topic"], "the one that came too late"

"""What remains of a turn: in the store and, where asked for, as a transcript."""

import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from lightspeed_stack.assistant.answer import Answer
from lightspeed_stack.assistant.recorder import TurnRecorder
from lightspeed_stack.domain.chat import Attachment, Outcome, Question, ToolCall, ToolResult, Transcript, Turn, Usage
from lightspeed_stack.domain.health import Health
from lightspeed_stack.domain.knowledge import Citation, Passage
from lightspeed_stack.errors import StorageError
from lightspeed_stack.storage.base import TranscriptSink
from lightspeed_stack.storage.conversations import SqlConversations
from tests.spec.registry import requirement
from tests.unit.assistant.examples import NOON, asking, turn


async def at_once() -> None:
    """Do not wait before writing."""


class Shelf:
    """Keeps transcripts in memory, each after ``before`` has ended; ``begun`` is set when one comes."""

    def __init__(self, before: Callable[[], Awaitable[None]] = at_once) -> None:
        self.transcripts: list[Transcript] = []
        self.begun = anyio.Event()
        self._before = before

    async def write(self, transcript: Transcript) -> None:
        self.begun.set()
        await self._before()
        self.transcripts.append(transcript)

    async def probe(self) -> Health:
        return Health.ok()


def recorder(
    store: SqlConversations, of: Turn, shelf: TranscriptSink | None, said: str = "Yes."
) -> tuple[TurnRecorder, list[str]]:
    failed: list[str] = []
    kept = TurnRecorder(store, of, lambda: NOON, failed.append, shelf)
    kept.answer = Answer([said], Usage(10, 2))
    return kept, failed


@requirement("transcript:written")
@pytest.mark.parametrize("outcome", list(Outcome))
async def test_a_transcript_has_the_whole_turn(store: SqlConversations, outcome: Outcome) -> None:
    shelf = Shelf()
    attachment = Attachment("log", "text/plain", "all of it")
    question = Question("How?", model="m", provider="p", attachments=(attachment,))
    kept, failed = recorder(store, asking(question), shelf)
    kept.passages = (Passage("Text.", "docs", "Guide", "https://example.com", ()),)
    kept.answer.tool_results.append(ToolResult(ToolCall("c1", "now", "{}"), "noon"))
    assert await kept.close(outcome)
    (transcript,) = shelf.transcripts
    assert (transcript.user_id, transcript.conversation_id) == ("alice", kept.turn.conversation.id)
    assert (transcript.query_provider, transcript.query_model) == ("p", "m")
    exchange = transcript.exchange
    assert (exchange.question, exchange.answer, exchange.outcome) == ("How?", "Yes.", outcome)
    assert (exchange.provider, exchange.model, exchange.asked_by) == ("fake", "fake-llm", "alice")
    assert exchange.attachments == (attachment,)
    assert exchange.passages == kept.passages
    assert exchange.citations == (Citation("https://example.com", "Guide"),)
    assert [result.content for result in exchange.tool_results] == ["noon"]
    assert failed == []


@requirement("transcript:written")
async def test_who_asks_in_somebody_elses_conversation_has_the_transcript(store: SqlConversations) -> None:
    shelf = Shelf()
    asked = turn()
    kept, _ = recorder(store, replace(asked, conversation=replace(asked.conversation, owner="bob")), shelf)
    await kept.close(Outcome.COMPLETE)
    assert shelf.transcripts[0].user_id == "alice"


@requirement("transcript:together")
async def test_a_transcript_does_not_wait_for_the_store(store: SqlConversations, path: Path) -> None:
    shelf = Shelf()
    kept, failed = recorder(store, turn(), shelf)
    busy = sqlite3.connect(path, isolation_level=None)
    busy.execute("BEGIN IMMEDIATE")  # somebody else writes: the turn has to wait
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kept.close, Outcome.COMPLETE)
        with anyio.fail_after(4):
            await shelf.begun.wait()
        busy.execute("ROLLBACK")
    busy.close()
    assert len(shelf.transcripts) == 1
    assert failed == []


@requirement("transcript:together")
async def test_the_store_does_not_wait_for_a_transcript(store: SqlConversations) -> None:
    async def until_stored() -> None:
        with anyio.fail_after(5):
            while (await store.page(owner="alice")).entries == ():
                await anyio.lowlevel.checkpoint()

    shelf = Shelf(until_stored)
    kept, _ = recorder(store, turn(), shelf)
    assert await kept.close(Outcome.COMPLETE)
    assert len(shelf.transcripts) == 1


@requirement("transcript:failing")
async def test_a_transcript_that_fails_is_counted_and_the_turn_is_stored(
    store: SqlConversations, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise StorageError("[Errno 28] No space left on device")

    kept, failed = recorder(store, turn("canary-question"), Shelf(fail), "canary-answer")
    assert await kept.close(Outcome.COMPLETE) is True
    assert failed == ["transcript"]
    assert "No space left on device" in caplog.text
    assert "canary" not in caplog.text


@requirement("transcript:failing")
async def test_a_store_that_fails_does_not_fail_the_transcript(store: SqlConversations, path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE lightspeed_turn")
    connection.close()
    shelf = Shelf()
    kept, failed = recorder(store, turn(), shelf)
    assert await kept.close(Outcome.COMPLETE) is False
    assert failed == ["turn"]
    assert len(shelf.transcripts) == 1


@requirement("transcript:written")
async def test_a_caller_who_leaves_does_not_part_turn_and_transcript(store: SqlConversations) -> None:
    go_on = anyio.Event()
    shelf = Shelf(go_on.wait)
    kept, _ = recorder(store, turn(), shelf)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(kept.close, Outcome.COMPLETE)
            await shelf.begun.wait()
            tasks.cancel_scope.cancel()
            go_on.set()
    assert len(shelf.transcripts) == 1
    assert len((await store.page(owner="alice")).entries) == 1

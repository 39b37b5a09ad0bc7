"""What comes before the first token, and notices beside the answer."""

import logging

import pytest

from lightspeed_stack.assistant.opening import MAX_SUBJECT, Opening
from lightspeed_stack.assistant.recorder import TurnRecorder
from lightspeed_stack.domain.events import Noticed, TurnEvent, TurnStarted
from lightspeed_stack.domain.notices import Notice, NoticeKind
from lightspeed_stack.storage.conversations import SqlConversations
from tests.spec.registry import requirement
from tests.unit.assistant.examples import NOON, turn

FIRST = Notice(NoticeKind.SERVER_SKIPPED, "ops", "Not there.", "unreachable")
SECOND = Notice(NoticeKind.BUDGET_STOP, "rounds", "Used up.")


@requirement("notice:opening")
async def test_notices_wait_for_the_start_and_come_once(store: SqlConversations) -> None:
    events: list[TurnEvent] = []
    observed: list[TurnEvent] = []

    async def emit(event: TurnEvent) -> None:
        events.append(event)

    recorder = TurnRecorder(store, turn(), lambda: NOON, lambda _what: None)
    opening = Opening(recorder, emit, observed.append, live=True)
    await opening.tell(FIRST)
    assert events == []
    await opening.once()
    await opening.once()
    await opening.tell(SECOND)
    assert [type(event) for event in events] == [TurnStarted, Noticed, Noticed]
    assert observed == events[1:] == [Noticed((FIRST,)), Noticed((SECOND,))]
    assert recorder.answer.notices == [FIRST, SECOND]


@requirement("notice:opening")
async def test_a_made_up_name_stays_on_one_short_line(
    store: SqlConversations, caplog: pytest.LogCaptureFixture
) -> None:
    async def emit(_: TurnEvent) -> None:
        raise AssertionError

    caplog.set_level(logging.INFO)
    recorder = TurnRecorder(store, turn(), lambda: NOON, lambda _what: None)
    opening = Opening(recorder, emit, lambda _event: None, live=True)
    await opening.tell(Notice(NoticeKind.CALL_REPEATED, "a\n2026 ERROR root" + "x" * 1000, "Again."))
    (notice,) = recorder.answer.notices
    assert len(notice.subject) == MAX_SUBJECT
    assert "\n" not in notice.subject
    assert "\n" not in caplog.records[0].getMessage()

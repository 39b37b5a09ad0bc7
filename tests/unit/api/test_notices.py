"""Notices on the wire."""

import json
from dataclasses import replace

from lightspeed_stack.api.wire import PlainText, SseV1
from lightspeed_stack.domain.chat import Usage
from lightspeed_stack.domain.events import Noticed, TokenDelta, TurnEnded
from lightspeed_stack.domain.notices import Notice, NoticeKind
from tests.spec.registry import requirement

SKIPPED = Notice(NoticeKind.SERVER_SKIPPED, "ops", "The server cannot be reached.", "unreachable")
ENDED = TurnEnded("Hi", Usage(), False, (), (), (), stored=True)


@requirement("notice:wire")
def test_a_notice_is_an_event_with_an_id() -> None:
    encoder = SseV1()
    encoder.encode(TokenDelta("Hi"))
    assert json.loads(encoder.encode(Noticed((SKIPPED,)))[6:]) == {
        "event": "notice",
        "data": {
            "id": 1,
            "kind": "server_skipped",
            "subject": "ops",
            "reason": "unreachable",
            "message": "The server cannot be reached.",
        },
    }


@requirement("notice:wire")
def test_the_end_has_notices_where_there_are_some() -> None:
    assert b"notices" not in SseV1().encode(ENDED)
    end = SseV1().encode(replace(ENDED, notices=(SKIPPED,))).split(b"\n\n")[1]
    (told,) = json.loads(end[6:])["data"]["notices"]
    assert told == {
        "kind": "server_skipped",
        "subject": "ops",
        "reason": "unreachable",
        "message": "The server cannot be reached.",
    }


@requirement("notice:wire")
def test_text_mode_is_the_answer_alone() -> None:
    assert PlainText().encode(Noticed((SKIPPED,))) == b""

"""Turns and exchanges as these tests need them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from lightspeed_stack.domain.chat import Conversation, Exchange, ModelChoice, Outcome, Question, Turn
from lightspeed_stack.domain.identity import Principal
from lightspeed_stack.domain.ids import new_conversation_id, new_request_id

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MODEL = ModelChoice("fake", "fake-llm")
ALICE = Principal("alice", "Alice")


def exchange(question: str, answer: str = "Yes.", *, minute: int = 0, outcome: Outcome = Outcome.COMPLETE) -> Exchange:
    """A turn that ended so many minutes after noon."""
    ended = NOON + timedelta(minutes=minute)
    return Exchange(question, answer, MODEL.label, MODEL.provider_id, ended, ended, outcome)


def turn(question: str = "How?", *history: Exchange, topic: str = "") -> Turn:
    """A turn after ``history``; the first of a new conversation where there is none."""
    id_ = new_conversation_id()
    asked = Question(question, conversation_id=id_ if history else None)
    talk = Conversation(id_, ALICE.user_id, "Be kind.", history, topic=topic, message_count=len(history))
    return Turn(new_request_id(), talk, asked, ALICE, MODEL, "Be kind.", NOON)


def asking(question: Question) -> Turn:
    """The first turn of a conversation, with all that a question can bring."""
    return replace(turn(question.text), question=question)

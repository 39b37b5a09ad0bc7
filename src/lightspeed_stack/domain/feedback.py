"""What users say of an answer."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal


class FeedbackCategory(StrEnum):
    """What was wrong with an answer."""

    INCORRECT = "incorrect"
    NOT_RELEVANT = "not_relevant"
    INCOMPLETE = "incomplete"
    OUTDATED_INFORMATION = "outdated_information"
    UNSAFE = "unsafe"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Feedback:
    """One user's word on one answer; ``conversation_id`` as it was sent, ``at`` aware and in UTC."""

    user_id: str
    at: datetime
    conversation_id: str
    user_question: str
    llm_response: str
    sentiment: Literal[-1, 1] | None = None
    user_feedback: str | None = None
    categories: tuple[FeedbackCategory, ...] | None = None

"""What a caller should know about an answer besides the answer: what was refused, stopped, skipped or changed."""

from dataclasses import dataclass
from enum import StrEnum


class NoticeKind(StrEnum):
    """Words for clients and metrics: a closed set.

    ``SERVER_SKIPPED``: a server of tools took no part; the subject is its name.
    ``BUDGET_STOP``: a budget ended the use of tools; the subject is ``rounds``, ``calls``, ``tokens`` or ``seconds``.
    ``CALL_REPEATED``: a model made the same call again and again, and it was not run; the subject is the tool.
    ``CALL_REFUSED``: a call was not run because it may not be; the subject is the tool.
    ``RESULT_CUT``: a tool's result was too long to be shown whole; the subject is the tool.
    ``TOOLS_CHOSEN``: only the tools most relevant to the question were offered; the subject is their number.
    ``SHIELD_REFUSED``: a shield refused a question or an answer; the subject is the shield.
    ``SHIELD_CHANGED``: a shield took something out of a text; the subject is the shield.
    ``SOURCE_WITHHELD``: a shield kept a tool's result or a passage from the model; the subject is the shield.
    """

    SERVER_SKIPPED = "server_skipped"
    BUDGET_STOP = "budget_stop"
    CALL_REPEATED = "call_repeated"
    CALL_REFUSED = "call_refused"
    RESULT_CUT = "result_cut"
    TOOLS_CHOSEN = "tools_chosen"
    SHIELD_REFUSED = "shield_refused"
    SHIELD_CHANGED = "shield_changed"
    SOURCE_WITHHELD = "source_withheld"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to know. ``message`` is a sentence for people. Nothing here ever holds a secret, or what somebody said.

    ``reason`` is a word of a closed set: why a server was skipped, or where a shield looked (``input``, ``output``,
    ``source``); ``""`` for all other kinds.
    """

    kind: NoticeKind
    subject: str
    message: str
    reason: str = ""

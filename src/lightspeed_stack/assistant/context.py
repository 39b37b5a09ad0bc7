"""Everything known → one prompt that fits (pure).

The system text is the same for every turn of a conversation, so that a server can keep its prefix; what changes
(passages, attachments) stands in the last user message. Small models cite badly, so they are not asked to: citations
come from our own code (docs/decisions/0004-retrieval.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lightspeed_stack.domain.chat import Attachment, Exchange, Message, Outcome, Question
from lightspeed_stack.domain.knowledge import Passage
from lightspeed_stack.errors import AttachmentNotAllowed, PromptTooLong

ATTACHMENT_TYPES = ("alert", "api object", "configuration", "error message", "event", "log", "stack trace")
CONTENT_TYPES = ("text/plain", "application/json", "application/yaml", "application/xml")

GROUNDING = (
    "Answer from the documentation passages that come with the question. Use the names, commands and values exactly "
    "as they stand there. If the passages do not contain the answer, say that the documentation does not cover it, "
    "and do not invent one. Be brief."
)
GROUNDING_WITH_TOOLS = (
    "Documentation passages come with the question. Use the names, commands and values exactly as they stand there. "
    "For what they do not tell, such as the present state of something, call a tool. What neither passages nor tools "
    "tell you do not know: say so, and do not invent it. Be brief."
)
NOTHING_FOUND = "No passage of the documentation matches this question."

CUT_SHORT = " [cut: there is no room for more]"
LEFT_OUT = "[This result was left out, as there is no room for it any more.]"

BYTES_PER_TOKEN = 3
"""UTF-8 bytes; real tokenizers reach 3.5 to 4.5 on prose, so that this estimate errs on the safe side."""

BYTES_PER_CHARACTER = 4
"""At most, in UTF-8."""

FOLLOW_UP_WORDS = 6
"""Words up to which a follow-up is taken for one that does not name its subject."""

MESSAGE_OVERHEAD = 8
"""Tokens that a chat template adds to a message, rounded up."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Messages for a model, oldest first; ``dropped`` counts the old turns that did not fit."""

    messages: tuple[Message, ...]
    dropped: int


def estimate_tokens(text: str) -> int:
    """An upper guess of the tokens in a text, where no tokenizer is at hand."""
    return len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN + 1


def search_text(question: str, history: Sequence[Exchange]) -> str:
    """What to look up for a question; a short follow-up ("and on vLLM?") leaves its subject to the question before."""
    if not history or history[-1].outcome is Outcome.REFUSED or len(question.split()) > FOLLOW_UP_WORDS:
        return question
    # In this order, because an embedding model reads the beginning of a long text only.
    return f"{question}\n{history[-1].question}"


def check_attachments(attachments: Sequence[Attachment]) -> None:
    """Raise AttachmentNotAllowed for the first attachment of an unknown kind, type before content type."""
    for attachment in attachments:
        if attachment.attachment_type not in ATTACHMENT_TYPES:
            raise AttachmentNotAllowed(f"Attachment with improper type {attachment.attachment_type} detected")
        if attachment.content_type not in CONTENT_TYPES:
            raise AttachmentNotAllowed(f"Attachment with improper content type {attachment.content_type} detected")


def assemble(
    instructions: str,
    history: Sequence[Exchange],
    passages: Sequence[Passage] | None,
    question: Question,
    *,
    budget: int | None,
    with_tools: bool = False,
) -> Prompt:
    """Fit a prompt into ``budget`` tokens (None: no limit), oldest turns out first, then the last passages.

    ``passages`` is None where there is no documentation to answer from, and empty where nothing was found in it.
    ``with_tools``: the model may call tools for what passages do not tell.

    Raises PromptTooLong when the question with its attachments does not fit by itself.
    """
    grounding = GROUNDING_WITH_TOOLS if with_tools else GROUNDING
    system = instructions if passages is None else f"{instructions}\n\n{grounding}".strip()
    kept = list(passages or ())
    ask = _ask(question, kept if passages is not None else None)
    if budget is None:
        return Prompt((*_system(system), *_replay(history), ask), 0)
    while kept and _cost(system, ask) > budget:
        kept.pop()
        ask = _ask(question, kept)
    left = budget - _cost(system, ask)
    if left < 0:
        raise PromptTooLong(
            f"The question takes about {_cost(system, ask)} tokens, and the model reads {budget}. Please shorten it."
        )
    recent = _recent(history, left)
    return Prompt((*_system(system), *_replay(recent), ask), len(history) - len(recent))


def without_old_results(messages: Sequence[Message], budget: int) -> Sequence[Message]:
    """The messages of a turn in ``budget`` tokens, with what tools gave first left out first, as far as that helps.

    The last round's results are what a model has asked for just now: they stay, and are shortened where even they do
    not fit.
    """
    over = _cost(*messages) - budget
    last = max((at for at, it in enumerate(messages) if it.tool_calls), default=0)
    fitting = list(messages)
    for at, message in enumerate(messages[:last]):
        if over <= 0:
            break
        if message.role == "tool" and len(message.content) > len(LEFT_OUT):
            fitting[at] = replace(message, content=LEFT_OUT)
            over -= _cost(message) - _cost(fitting[at])
    return fitting if over <= 0 else _shortened(fitting, last, over)


def _shortened(messages: list[Message], start: int, over: int) -> list[Message]:
    """The same with all results from ``start`` on in ``over`` fewer tokens together, each with as many at most."""
    places = [at for at, message in enumerate(messages) if at >= start and message.role == "tool"]
    room = sum(_cost(messages[at]) for at in places) - over
    for left, at in zip(range(len(places), 0, -1), sorted(places, key=lambda at: _cost(messages[at])), strict=True):
        share = room // left - MESSAGE_OVERHEAD
        if _cost(messages[at]) > share + MESSAGE_OVERHEAD:
            kept = max((share - 1) * BYTES_PER_TOKEN - len(CUT_SHORT), 0) // BYTES_PER_CHARACTER
            messages[at] = replace(messages[at], content=messages[at].content[:kept] + CUT_SHORT)
        room -= _cost(messages[at])
    return messages


def _recent(history: Sequence[Exchange], budget: int) -> Sequence[Exchange]:
    """The longest run of newest turns that fits."""
    first = len(history)
    while first and (cost := _cost(history[first - 1].question, history[first - 1].answer)) <= budget:
        budget -= cost
        first -= 1
    return history[first:]


def _cost(*parts: str | Message) -> int:
    return sum(map(_cost_of, parts))


def _cost_of(part: str | Message) -> int:
    if isinstance(part, str):
        return estimate_tokens(part) + MESSAGE_OVERHEAD
    called = sum(estimate_tokens(call.name) + estimate_tokens(call.arguments) for call in part.tool_calls)
    return estimate_tokens(part.content) + called + MESSAGE_OVERHEAD


def _system(text: str) -> tuple[Message, ...]:
    return (Message("system", text),) if text else ()


def _replay(history: Sequence[Exchange]) -> list[Message]:
    """Earlier turns as messages.

    A turn without an answer would teach the model to say nothing, so it is left out; so is a question that a shield
    refused, which no model may be asked later either.
    """
    messages: list[Message] = []
    for exchange in history:
        if exchange.answer and exchange.outcome is not Outcome.REFUSED:
            messages += [Message("user", exchange.question), Message("assistant", exchange.answer)]
    return messages


def _ask(question: Question, passages: Sequence[Passage] | None) -> Message:
    if passages is None and not question.attachments:
        return Message("user", question.text)
    parts = [_attachment(number, it) for number, it in enumerate(question.attachments, 1)]
    if passages:
        parts.append("Documentation passages:\n\n" + "\n\n".join(_passage(n, it) for n, it in enumerate(passages, 1)))
    elif passages is not None:
        parts.append(NOTHING_FOUND)
    parts.append(f"Question: {question.text}")
    return Message("user", "\n\n".join(parts))


def _passage(number: int, passage: Passage) -> str:
    path = " > ".join(dict.fromkeys((passage.title, *passage.section)))
    return f"[{number}] {path}\n{passage.content.strip()}"


def _attachment(number: int, attachment: Attachment) -> str:
    # A fence longer than any in the content: the content cannot end it.
    fence = "```"
    while fence in attachment.content:
        fence += "`"
    kind = f"{attachment.attachment_type}, {attachment.content_type}"
    return f"Attachment {number} ({kind}):\n{fence}\n{attachment.content}\n{fence}"

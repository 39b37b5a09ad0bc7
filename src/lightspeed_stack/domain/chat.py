"""What is said: questions, messages, tool calls, and the conversations they make up."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from lightspeed_stack.domain.identity import Principal, ToolAccess
from lightspeed_stack.domain.ids import ConversationId, RequestId
from lightspeed_stack.domain.knowledge import Citation, Passage

type Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A piece of context that a caller sends with a question."""

    attachment_type: str
    content_type: str
    content: str


@dataclass(frozen=True, slots=True)
class Budget:
    """What one answer may take: ``rounds`` of the model, ``calls`` of tools, ``tokens`` sent and received, ``seconds``.

    None is no limit, or in a question no wish.
    """

    rounds: int | None = None
    calls: int | None = None
    tokens: int | None = None
    seconds: float | None = None

    def within(self, other: "Budget") -> "Budget":
        """The lower limit of the two, for each."""
        return Budget(
            _lower(self.rounds, other.rounds),
            _lower(self.calls, other.calls),
            _lower(self.tokens, other.tokens),
            _lower(self.seconds, other.seconds),
        )


def _lower[N: (int, float)](one: N | None, other: N | None) -> N | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


@dataclass(frozen=True, slots=True)
class Question:
    """What a caller wants, as said; None where nothing was said.

    ``shield_ids`` name the shields that are to look at it, besides those that always do. ``budget`` can only lower what
    the operator allows.
    """

    text: str
    conversation_id: ConversationId | None = None
    model: str | None = None
    provider: str | None = None
    system_prompt: str | None = None
    attachments: tuple[Attachment, ...] = ()
    no_tools: bool = False
    shield_ids: tuple[str, ...] | None = None
    budget: Budget = Budget()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to call a tool; ``arguments`` is the JSON text the model wrote, not yet checked.

    ``server_name`` is the configured name of the server that has the tool, None where none has.
    """

    id: str
    name: str
    arguments: str
    server_name: str | None = None


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered, as text; ``failed`` where it is an error, which goes back to the model all the same."""

    call: ToolCall
    content: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt, in the roles of the chat-completions protocol."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as counted by the provider; ``estimated`` where it sent no count and we guessed."""

    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.estimated or other.estimated,
        )


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The model that answers a turn. ``label`` is its name without the provider: what is stored and counted.

    ``source`` is the configured place that offers it, where that is not the provider itself, and ``address`` how that
    place is asked for it, where that is not the label.
    """

    provider_id: str
    label: str
    context_window: int | None = None
    source: str | None = None
    address: str | None = None

    @property
    def asked_as(self) -> str:
        """The name of the model in a request to its place."""
        return self.address or self.label


class Outcome(StrEnum):
    """How a turn ended. ``REFUSED``: a shield did not let the question pass; its words are the answer."""

    COMPLETE = "complete"
    REFUSED = "refused"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A turn that is over: what was asked, what was said, with what it was said. Times are aware and in UTC.

    ``asked_by`` is the user who asked, mostly but not always the conversation's owner. ``request_id`` tells turns
    apart, so that one which is written twice is stored once; None where the reference service made the turn.
    """

    question: str
    answer: str
    model: str
    provider: str
    started_at: datetime
    completed_at: datetime
    outcome: Outcome = Outcome.COMPLETE
    usage: Usage = field(default_factory=Usage)
    truncated: bool = False
    passages: tuple[Passage, ...] = ()
    citations: tuple[Citation, ...] = ()
    tool_results: tuple[ToolResult, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    asked_by: str = ""
    request_id: RequestId | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """A turn as it is kept for later study; ``query_provider`` and ``query_model`` as the request named them."""

    user_id: str
    conversation_id: ConversationId
    exchange: Exchange
    query_provider: str | None = None
    query_model: str | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as stored: ``history`` oldest first, ``instructions`` the system prompt it was created with.

    ``instructions`` is None only for a conversation that the reference service created and we have not continued yet.
    ``topic`` is empty until there is one. ``message_count`` counts all turns, also those that ``history`` leaves out.
    """

    id: ConversationId
    owner: str
    instructions: str | None
    history: tuple[Exchange, ...] = ()
    last_model: str | None = None
    last_provider: str | None = None
    topic: str = ""
    message_count: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """A question that was admitted, with everything that is decided before a model is asked."""

    request_id: RequestId
    conversation: Conversation
    question: Question
    principal: Principal
    model: ModelChoice
    instructions: str
    started_at: datetime
    access: ToolAccess = field(default_factory=ToolAccess)

    @property
    def is_new(self) -> bool:
        """Whether the conversation begins with this turn."""
        return self.question.conversation_id is None

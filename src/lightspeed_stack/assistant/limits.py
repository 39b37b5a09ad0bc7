"""How much of everything one turn may take."""

from collections.abc import Sequence
from dataclasses import dataclass

from lightspeed_stack.assistant.context import estimate_tokens
from lightspeed_stack.domain.chat import Budget, Question
from lightspeed_stack.errors import PromptTooLong
from lightspeed_stack.tools.base import Tool

BUDGET = Budget(rounds=10, calls=30, seconds=600.0)


@dataclass(frozen=True, slots=True)
class Limits:
    """``max_question_length`` in characters, for the question and for its system prompt; ``max_attachments`` of a
    question, and ``max_attachments_length`` in characters for all of them together; ``max_passages`` a turn;
    ``reply_tokens`` kept free for the answer; ``budget`` of every answer; ``max_offered_tools`` a model is offered,
    and ``max_tool_result_tokens`` of a tool's result that it is shown.

    ``announce_after``: seconds after which a stream starts although the model's server has not accepted the question
    yet. Before that a refusal becomes a real status; after it the caller knows that work is under way.
    """

    max_question_length: int = 131_072
    max_attachments: int = 32
    max_attachments_length: int = 1_048_576
    max_passages: int = 3
    reply_tokens: int = 512
    announce_after: float = 2.0
    budget: Budget = BUDGET
    max_offered_tools: int = 24
    max_tool_result_tokens: int = 4000

    def prompt_tokens(self, window: int | None) -> int | None:
        """Tokens that a prompt may have for a model with this context window; None where the window is not known."""
        return None if window is None else max(window - self.reply_tokens, window // 2)

    def offered_tools(self, window: int | None, tools: Sequence[Tool]) -> int:
        """How many of these tools a model is offered, if they are of average size."""
        if window is None or not tools:
            return self.max_offered_tools
        fitting = window // 4 * len(tools) // sum(tokens_of(tool) for tool in tools)
        return max(1, min(self.max_offered_tools, fitting))

    @staticmethod
    def fitting(window: int | None, tools: Sequence[Tool]) -> tuple[Tool, ...]:
        """As many of these tools as fit, in their order: their descriptions may take a quarter of the window."""
        if window is None:
            return tuple(tools)
        room, kept = window // 4, list[Tool]()
        for tool in tools:
            room -= tokens_of(tool)
            if room >= 0:
                kept.append(tool)
            else:
                room += tokens_of(tool)
        return tuple(kept)

    def tool_result_tokens(self, window: int | None) -> int:
        """Tokens of a tool's result that a model is shown: several have to fit into its window."""
        return self.max_tool_result_tokens if window is None else min(self.max_tool_result_tokens, window // 6)

    def check(self, question: Question) -> None:
        """Raise PromptTooLong for the first field of a question that is over its limit."""
        _check("query", len(question.text), "characters", "max_question_length", self.max_question_length)
        if question.system_prompt:
            length = len(question.system_prompt)
            _check("system_prompt", length, "characters", "max_question_length", self.max_question_length)
        if question.attachments:
            count, length = len(question.attachments), sum(len(it.content) for it in question.attachments)
            _check("attachments", count, "entries", "max_attachments", self.max_attachments)
            _check("attachments", length, "characters", "max_attachments_length", self.max_attachments_length)


def _check(field_: str, found: int, unit: str, key: str, allowed: int) -> None:
    if found > allowed:
        fix = "Please shorten it." if unit == "characters" else "Please send fewer."
        raise PromptTooLong(f"{field_} has {found} {unit}, and inference.{key} allows {allowed}. {fix}")


def tokens_of(tool: Tool) -> int:
    """An upper guess of what the offer of a tool takes of a prompt."""
    spec = tool.spec
    return estimate_tokens(spec.name) + estimate_tokens(spec.description) + estimate_tokens(spec.parameters)

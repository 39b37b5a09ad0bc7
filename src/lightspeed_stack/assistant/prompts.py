"""Which system prompt a turn gets (pure)."""

from dataclasses import dataclass

from lightspeed_stack.domain.chat import Conversation, Question
from lightspeed_stack.errors import SystemPromptNotAllowed

DEFAULT = "You are a helpful assistant"


@dataclass(frozen=True, slots=True)
class Instructions:
    """What the operator configured: ``profile`` is the profile's default prompt, ``configured`` the literal or file's.

    An empty ``configured`` counts, an empty ``profile`` does not (rest-api.md 1.5).
    """

    profile: str | None = None
    configured: str | None = None
    forbid_override: bool = False

    def resolve(self, question: Question, conversation: Conversation) -> str:
        """The system prompt of a turn. A conversation keeps the one it was created with (decisions.md, Keep 4).

        Raises SystemPromptNotAllowed when the question brings one and the operator forbids that.
        """
        if question.system_prompt and self.forbid_override:
            raise SystemPromptNotAllowed
        if conversation.instructions is not None:
            return conversation.instructions
        if question.system_prompt:
            return question.system_prompt
        if self.profile:
            return self.profile
        return DEFAULT if self.configured is None else self.configured

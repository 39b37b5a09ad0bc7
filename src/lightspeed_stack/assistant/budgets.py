"""When the use of tools ends, and what is said then (pure)."""

from enum import StrEnum

from lightspeed_stack.assistant.progress import Progress
from lightspeed_stack.domain.chat import Budget
from lightspeed_stack.domain.notices import Notice, NoticeKind

REPEATED_ROUNDS = 2
"""Rounds in a row with a repeated call, after which a model gets no more tools."""


class Stop(StrEnum):
    """Why no tool is offered or run any more: a budget is used up, or the model goes round in circles."""

    CALLS = "calls"
    TOKENS = "tokens"
    SECONDS = "seconds"
    ROUNDS = "rounds"
    REPEATS = "repeats"


def before_round(budget: Budget, progress: Progress, seconds: float) -> Stop | None:
    """Why the next round is the last, and offers no tools; None where it offers them. ``seconds`` were used so far."""
    if _ended(Stop.CALLS, progress, progress.calls, budget.calls):
        return Stop.CALLS
    if (spent := before_calls(budget, progress, seconds)) is not None:
        return spent
    if progress.repeats >= REPEATED_ROUNDS:
        return Stop.REPEATS
    return Stop.ROUNDS if _ended(Stop.ROUNDS, progress, progress.rounds + 1, budget.rounds) else None


def before_calls(budget: Budget, progress: Progress, seconds: float) -> Stop | None:
    """Why none of the calls that a model has made is run; None where as many are as their budget allows."""
    tokens = progress.usage.input_tokens + progress.usage.output_tokens
    if _ended(Stop.TOKENS, progress, tokens, budget.tokens):
        return Stop.TOKENS
    return Stop.SECONDS if _ended(Stop.SECONDS, progress, seconds, budget.seconds) else None


def _ended(stop: Stop, progress: Progress, used: float, limit: float | None) -> bool:
    # What was told stays true, were it only by the rounding of a clock.
    return stop in progress.told or (limit is not None and used >= limit)


def not_run(stop: Stop) -> str:
    """What a model is told of a call that is not run."""
    return f"Not run: {_USED_UP[stop]} Answer with what you have."


def instead_of_answer(stop: Stop) -> str:
    """What takes the place of an answer, where the model has none."""
    return f"There is no answer to this question: {_USED_UP[stop]}"


def notice(stop: Stop) -> Notice:
    """What the caller is told of a budget that ended the use of tools."""
    return Notice(NoticeKind.BUDGET_STOP, stop.value, f"No more tools were used: {_USED_UP[stop]}")


_USED_UP = {
    Stop.CALLS: "the budget for tool calls is used up.",
    Stop.TOKENS: "the budget for tokens is used up.",
    Stop.SECONDS: "the time for tools is used up.",
    Stop.ROUNDS: "the budget for rounds of the model is used up.",
    Stop.REPEATS: "the model made the same call again and again.",
}

NOT_FINISHED = f"Not finished: {_USED_UP[Stop.SECONDS]} Answer with what you have."
"""What a model is told of a call that was under way."""

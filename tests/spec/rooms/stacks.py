"""What works with every release of Llama Stack and OGX: the rows of ``docs/reference/llama-stack-releases.md``."""

from dataclasses import dataclass

from tests.spec.registry import Requirement


@dataclass(frozen=True, slots=True)
class Behaviour(Requirement):
    """A row of the table of releases.

    ``needs`` names what a release, or the way it runs, must have: ``shields``, ``statuses`` or ``server``.
    """

    needs: str | None = None


ISSUE = "the table of releases: every release that is supported answers alike"
STATUSES = "decisions.md 2; llama-stack-usage.md 9"

BEHAVIOURS = {
    "stacks:starts": Behaviour(
        "Starts without a network, and `/v1/info` tells the release.", "decisions.md 19, 22; rest-api.md 4.1"
    ),
    "stacks:models": Behaviour("Models are listed in the contract's shape.", "rest-api.md 4.2"),
    "stacks:providers": Behaviour("Providers are listed, and shown with masked secrets.", "rest-api.md 4.5, 4.6"),
    "stacks:shields:listed": Behaviour("Shields are listed, none where the release has none.", "rest-api.md 4.4"),
    "stacks:ready": Behaviour("`/readiness` is 200 while the stack answers.", "rest-api.md 6.1"),
    "stacks:query": Behaviour("A question is answered, with the provider's own count of tokens.", "rest-api.md 1.2"),
    "stacks:choice": Behaviour(
        "The stack's first language model answers, or the one that is named; others are refused.", "rest-api.md 1.8"
    ),
    "stacks:stream": Behaviour(
        "A streamed answer comes in pieces: start, tokens, turn_complete, end.", "decisions.md 3; rest-api.md 2.3"
    ),
    "stacks:follow-up": Behaviour("A follow-up question sees the history.", "decisions.md, keep 4"),
    "stacks:one-call": Behaviour(
        "A question costs one call to the stack where it has nothing to search, and one for each shield.",
        "the issue of Llama Stack: lists are cached",
        needs="server",
    ),
    "stacks:tool-calls": Behaviour("A tool call of the model is passed on whole.", ISSUE),
    "stacks:embeddings": Behaviour("Texts are embedded by the stack's embedding model.", ISSUE),
    "stacks:moderations": Behaviour("A text is judged by the stack's moderation.", ISSUE, needs="shields"),
    "stacks:retrieval": Behaviour(
        "Passages of the stack's own vector store are searched, shown to the model and cited.", "decisions.md 13"
    ),
    "stacks:shields:input": Behaviour(
        "An input shield refuses a question before the model sees it.", "llama-stack-usage.md 4", needs="shields"
    ),
    "stacks:shields:output": Behaviour(
        "An output shield refuses an answer before the caller sees it.", "llama-stack-usage.md 4", needs="shields"
    ),
    "stacks:refusals:failed": Behaviour(
        "A failure of the provider (500) is an error of ours, with a real status.", STATUSES
    ),
    "stacks:refusals:too-long": Behaviour("A prompt over the model's context is a 413.", STATUSES),
    "stacks:refusals:key": Behaviour(
        "A provider that refuses the key (401) is told as that.", STATUSES, needs="statuses"
    ),
    "stacks:refusals:model": Behaviour(
        "A model that the provider does not know (404) is told as that.", STATUSES, needs="statuses"
    ),
    "stacks:refusals:busy": Behaviour(
        "A provider that asks to slow down (429) is a 429 of ours.", STATUSES, needs="statuses"
    ),
    "stacks:stream-faults": Behaviour(
        "A stream that fails, breaks off or turns to garbage ends in an `error` event; the turn is never doubled.",
        "decisions.md 2, 4",
    ),
    "stacks:hang": Behaviour("A model that hangs is given up after `llama_stack.timeout`.", "decisions.md 2"),
    "stacks:stops": Behaviour(
        "The service ends cleanly when it is asked to.", "the issue of Llama Stack: library mode"
    ),
    "stacks:killed": Behaviour(
        "A stack killed in mid-stream is an `error` event, and is spoken with again after its restart.",
        "decisions.md 2, 21",
        needs="server",
    ),
    "stacks:degraded": Behaviour(
        "With `allow_degraded_mode` the service starts before the stack, says so in `/readiness`, and recovers.",
        "decisions.md 21",
        needs="server",
    ),
}
"""In the order of the page."""

REQUIREMENTS: dict[str, Requirement] = {
    **BEHAVIOURS,
    "stacks:start:unreachable": Requirement(
        "A stack that is not there is waited for with growing pauses; then the start fails, with exit code 3.",
        "decisions.md 21; configuration.md 6",
    ),
    "stacks:start:window": Requirement(
        "A release that is too old or too new stops the start in the contract's words, with exit code 3.",
        "configuration.md 6; decisions.md 22",
    ),
    "stacks:table": Requirement("The page of releases is what a run of the suite wrote.", "style.md 12"),
}

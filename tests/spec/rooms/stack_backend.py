"""Where the models of a Llama Stack answer."""

from tests.spec.registry import Requirement

REQUIREMENTS = {
    "backend:llama-stack:streams": Requirement(
        "A stack's model is asked for by its identifier, and its stream needs no [DONE] to be complete.",
        "llama-stack-usage.md 7; lab.md 6",
    ),
    "backend:llama-stack:accepted": Requirement(
        "A generation counts as accepted with its first event, so that what a stack refuses in-band has a real status.",
        "decisions.md 2; llama-stack-usage.md 9",
    ),
    "backend:llama-stack:faults": Requirement(
        "A fault in mid-stream is an error without the stack's words, never a shorter answer.",
        "decisions.md 2, 5; llama-stack-usage.md 9",
    ),
    "backend:llama-stack:models": Requirement(
        "A model of a stack is known by its name without the provider, with what its metadata tells.",
        "llama-stack-usage.md 7",
    ),
    "backend:llama-stack:probe": Requirement("A stack is ill where one of its providers is.", "rest-api.md 6.1"),
}

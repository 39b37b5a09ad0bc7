"""The examples with a Llama Stack or OGX."""

from tests.spec.registry import Requirement

ISSUE = "the issue of Llama Stack: examples that run"

REQUIREMENTS: dict[str, Requirement] = {
    "examples:stacks:loaded": Requirement(
        "Every run.yaml is accepted by the loaders of the releases it is for, and what it says of a provider by that "
        "provider's own class.",
        ISSUE,
    ),
    "examples:stacks:service": Requirement(
        "Our file beside it is accepted, with the stack as a server and inside our process, names a model of that "
        "run.yaml, and its page names the environment variables.",
        f"{ISSUE}; style.md 7",
    ),
    "examples:stacks:server": Requirement(
        "The example of a server answers from a document that was put into the stack as its page says.", ISSUE
    ),
    "examples:stacks:library": Requirement("The example of a library answers.", ISSUE),
    "examples:stacks:providers": Requirement(
        "The examples with FAISS, pgvector and vLLM answer before a scripted server.", ISSUE
    ),
    "examples:providers:table": Requirement(
        "The table of providers names the types that the examples use, and every example.", f"{ISSUE}; style.md 12"
    ),
}

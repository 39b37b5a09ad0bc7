"""Documents embedded by a model of the Llama Stack."""

from tests.spec.registry import Requirement

LISTED = "issue 4: embeddings of the Llama Stack"

REQUIREMENTS: dict[str, Requirement] = {
    "stack-embedding:vectors": Requirement(
        "Whatever length a model's vectors have, ours are unit vectors, one a text, in order.",
        "layout.md retrieval/base.py",
    ),
    "stack-embedding:batches": Requirement("A request has a bounded number of texts and characters.", "style.md 9"),
    "stack-embedding:estimate": Requirement(
        "Tokens are estimated for any script, and a text that has more than the model reads loses its end.",
        "layout.md retrieval/base.py",
    ),
    "stack-embedding:refused": Requirement(
        "What goes wrong is told in our words with a fix, and a vector that is none is not stored.", "style.md 6"
    ),
    "stack-embedding:given-up": Requirement("Giving up a search stops its request to the stack.", "style.md 9"),
    "stack-embedding:check": Requirement("A look at the embedder's health costs no request.", LISTED),
    "stack-embedding:config": Requirement(
        "An embedding model without a Llama Stack is refused with the fix, at its key.", "style.md 7"
    ),
    "stack-embedding:ingest": Requirement(
        "Documents are ingested and found with an embedding model of the configured stack.", LISTED
    ),
    "stack-embedding:answer": Requirement(
        "Questions are answered from documents whose vectors the stack made, by one request to it.", LISTED
    ),
    "stack-embedding:other-space": Requirement(
        "A store with vectors of another model, or of another length, is refused with the fix.", "style.md 6"
    ),
    "stack-embedding:gone": Requirement(
        "A stack that is gone costs an answer its documentation, which is counted, and nothing else.",
        "docs/decisions/0004-retrieval.md",
    ),
    "stack-embedding:interrupted": Requirement(
        "Ctrl-C ends an ingest that waits for the stack, with whole documents stored.",
        "docs/decisions/0004-retrieval.md",
    ),
}

"""The shields of a turn."""

from tests.spec.registry import Requirement

SHIELDS = "issue 5, 4"

REQUIREMENTS = {
    "guard:naming": Requirement("A shield's name says where it looks.", "llama-stack-usage.md 4"),
    "guard:chosen": Requirement(
        "A request's `shield_ids` choose among the shields, but not those that are required; a name that there is not "
        "is refused, with those that there are.",
        "issue 5, 4: per request; rest-api.md 1.1",
    ),
    "guard:input": Requirement(
        "A question or attachment that a shield refuses reaches no model, and the shield's words are the answer.",
        "llama-stack-usage.md 4; rest-api.md 1.9",
    ),
    "guard:input:changed": Requirement(
        "What a shield takes out of a question or attachment reaches no model and is not stored.", SHIELDS
    ),
    "guard:output": Requirement(
        "What a shield refuses of an answer is neither sent nor kept; its words end the answer, and the model's work.",
        "llama-stack-usage.md 4; " + SHIELDS,
    ),
    "guard:output:changed": Requirement(
        "What a shield takes out of an answer is on no wire and in no store, also where several shields look.", SHIELDS
    ),
    "guard:output:events": Requirement(
        "Calls, results, passages and citations are shown without what any shield takes out, whatever its stage.",
        SHIELDS,
    ),
    "guard:parts": Requirement(
        "A shield sees the parts of a text as one: a question with the system prompt that begins its conversation and "
        "its attachments, a passage with its title and section. What it takes out is taken out of the parts.",
        SHIELDS,
    ),
    "guard:arguments": Requirement(
        "Arguments that are no object of JSON values, or a very deep one, are shown as text in one.",
        "rest-api.md 1.9",
    ),
    "guard:output:cancelled": Requirement("What is held back when a caller leaves is dropped.", SHIELDS),
    "guard:source": Requirement(
        "What a shield objects to, or cannot judge, of a tool's result or a passage is kept from the model.", SHIELDS
    ),
    "guard:pass": Requirement("What no shield objects to passes unchanged.", "llama-stack-usage.md 4"),
    "guard:broken": Requirement("Where a shield cannot judge, nothing passes.", "issue 5: never reaches the wire"),
    "guard:stored": Requirement("Nothing is stored that a shield takes out, wherever it was said.", SHIELDS),
    "guard:notices": Requirement(
        "Every refusal and change is told once for each shield and text, without what was said.",
        "issue 5, shown when done",
    ),
}

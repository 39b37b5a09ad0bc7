"""The turn itself."""

from tests.spec.registry import Requirement

REQUIREMENTS = {
    "context:plain": Requirement("Without documentation a prompt is system text, history and question.", "layout.md 5"),
    "context:grounding": Requirement(
        "Passages stand with the question, and a model without any is told so.", "lab.md 2: retrieve first"
    ),
    "context:system-prompt-constant": Requirement(
        "The system text is the same whatever was found, so that servers keep its prefix.", "lab.md 2"
    ),
    "context:attachments": Requirement(
        "Attachments of known kinds go into the prompt; the first of another kind is refused.", "rest-api.md 1.4"
    ),
    "context:budget": Requirement(
        "A prompt fits its budget, oldest turns out first, or the question is refused.", "layout.md 5, step 7"
    ),
    "context:follow-up": Requirement(
        "A short follow-up is looked up together with the question before it.", "layout.md 5, step 6"
    ),
    "prompt:precedence": Requirement("The system prompt follows the contract's precedence.", "rest-api.md 1.5"),
    "prompt:override-forbidden": Requirement("An operator may forbid system prompts in requests.", "rest-api.md 1.5"),
    "agent:text": Requirement("A model that answers ends the loop.", "layout.md 5, step 8"),
    "agent:tools": Requirement("Tool calls run together, and their results go back to the model.", "layout.md 5"),
    "agent:unknown-tool": Requirement("A call of an unknown tool is answered, not raised.", "llama-stack-usage.md 3"),
    "agent:budget": Requirement("Rounds and calls are bounded; the last round offers no tools.", "layout.md 5"),
    "agent:truncated": Requirement("An answer that was cut at a limit says so.", "rest-api.md 1.2"),
    "agent:usage-estimated": Requirement(
        "Where a provider sends no counts an estimate is used, and marked.", "decisions.md 12"
    ),
}

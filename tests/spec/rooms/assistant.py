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
    "usage:recorded": Requirement(
        "The tokens of all rounds are stored as the provider counts them, or an estimate for what was cut.",
        "decisions.md 12",
    ),
    "usage:truncated": Requirement(
        "An answer that was cut at a limit says so, in query, stream and what is stored.", "rest-api.md 1.2"
    ),
    "admit:model": Requirement(
        "Model and provider fall back one by one to the conversation's last, then both to the configured, then to the "
        "first on offer; what is not offered is refused.",
        "rest-api.md 1.8",
    ),
    "admit:label": Requirement("The model's name without its provider is what is stored.", "rest-api.md 1.8"),
    "admit:override": Requirement(
        "Naming a model or provider, were it empty, takes the right to.", "rest-api.md 1.3; auth.md 3"
    ),
    "admit:limits": Requirement(
        "A question, system prompt or attachments over a limit are refused with 413 before anything is looked up.",
        "llama-stack-usage.md 9",
    ),
    "admit:order": Requirement(
        "Of several mistakes the first in the contract's order is told.", "rest-api.md 1.4, 1.7"
    ),
    "prompt:through-the-service": Requirement(
        "Each level of the system prompt's precedence holds in the running service.", "rest-api.md 1.5"
    ),
    "topic:made": Requirement(
        "A new conversation gets a topic from the model that answered in it.", "rest-api.md 1.11; decisions.md 4"
    ),
    "topic:due": Requirement(
        "A topic that is missing is asked for again when the first request for it must have ended.", "decisions.md 4"
    ),
    "topic:never-in-the-way": Requirement("No answer waits for a topic.", "decisions.md 4"),
    "topic:gives-way": Requirement(
        "A model that answers one question at a time makes topics only while no turn runs.", "decisions.md 4"
    ),
    "topic:bounded": Requirement(
        "Topics that wait, run and fail are bounded in number and time; what is not made is counted.", "style.md 9"
    ),
    "topic:stop": Requirement("A stop waits a moment for topics under way, and no longer.", "style.md 9"),
    "topic:cleaned": Requirement("A topic is one short line, without what models put around it.", "rest-api.md 1.11"),
    "topic:prompt": Requirement("A profile may bring the instruction for topics.", "rest-api.md 1.11"),
    "topic:switch": Requirement("Topics can be switched off.", "decisions.md 4: never in the way"),
    "topic:uncounted": Requirement("Requests for topics are in no metric of questions.", "metrics.md"),
    "transcript:written": Requirement(
        "Every turn in which something was said has a transcript before its end is told.",
        "storage.md 2; decisions.md 4",
    ),
    "transcript:together": Requirement(
        "A transcript is written while the turn is stored, not after.", "decisions.md 4: never in the way"
    ),
    "transcript:failing": Requirement(
        "An answer whose transcript cannot be written is given; the failure is counted.", "decisions.md 5"
    ),
    "shields:unknown": Requirement(
        "Nothing passes while it is not known which shields there are, or while they are away; a stack that has none "
        "is in nobody's way.",
        "issue: nothing lost, no one in; decisions.md 21",
    ),
}

"""Tools and shields in whole turns: what a caller, the metrics and the log see of them."""

from tests.spec.registry import Requirement

REQUIREMENTS = {
    "tool-turn:query": Requirement(
        "A tool that a model calls is run at its server, its result goes back to the model, and the answer shows both.",
        "issue 5, 2; rest-api.md 1.9; decisions.md 17",
    ),
    "tool-turn:stream": Requirement(
        "Events tool_call and tool_result come as they happen, with id, name and server.", "issue 5, 2; rest-api.md 2.3"
    ),
    "tool-turn:stored": Requirement(
        "Calls and results are stored with the turn, and shown by both versions of conversations.", "issue 5, 2"
    ),
    "tool-turn:no-tools": Requirement("no_tools asks no server of tools.", "rest-api.md 1.7"),
    "tool-turn:skipped": Requirement(
        "A server that cannot be used is named in query, stream, metrics and log, and fails nothing.", "issue 5, 1"
    ),
    "tool-turn:oauth": Requirement(
        "A server that a request asked for and that misses an OAuth token makes the answer 401 with its challenge.",
        "issue 5, 1",
    ),
    "tool-turn:budgets": Requirement(
        "A request may lower each budget and raise none; a stop is visible in the answer and the metrics.", "issue 5, 2"
    ),
    "tool-turn:cancelled": Requirement("A caller who leaves stops a running tool at its server.", "issue 5, 2"),
    "tool-turn:secrets": Requirement(
        "Neither headers nor tokens nor arguments nor results of tools are in the log, the metrics or an error.",
        "issue 5, shown when done",
    ),
    "tool-turn:long": Requirement(
        "A result of ten megabytes is cut for the model, which reads on by another call.", "issue 5, 1"
    ),
    "tool-turn:chosen": Requirement("Of many tools the model is offered a configured number.", "issue 5, 3"),
    "tool-turn:window": Requirement(
        "What tools take of a small context window is bounded: their descriptions, and their results.", "issue 5, 2"
    ),
    "context:old-results": Requirement(
        "Where results of tools do not fit the context window any more, the oldest are left out first.", "issue 5, 2"
    ),
    "shield-turn:stream": Requirement(
        "A secret that comes in pieces is not in a stream, its end, or what is stored.", "issue 5, 4"
    ),
    "shield-turn:everywhere": Requirement(
        "What redaction takes out is not in questions to the model, tool events, conversations, transcripts, feedback.",
        "issue 5, 4",
    ),
    "shield-turn:chosen": Requirement(
        "shield_ids choose among shields that are not required; an unknown one gets 422 with those that there are.",
        "issue 5, 4",
    ),
    "shield-turn:refused": Requirement(
        "A refusal is the answer, with a notice, a metric and a line in the log.", "issue 5, 4; metrics.md"
    ),
    "shield-turn:refused-later": Requirement(
        "What a shield refused is not asked of a model with a later question.", "issue 5, 4"
    ),
    "shield-turn:sources": Requirement("Orders in a tool's result do not reach the model.", "issue 5, 4"),
    "notice:wire": Requirement(
        "Notices have an event of their own and a field at the end, which is left out where there is nothing to say.",
        "issue 5, shown when done; decisions.md, Keep 3",
    ),
    "notice:opening": Requirement(
        "What is noticed before a stream begins is told right after its start, each notice once.", "issue 5"
    ),
    "budget:lower": Requirement("Of two budgets the lower limit holds, for each.", "issue 5, 2"),
    "metrics:notices": Requirement(
        "Notices are counted by kind, with a subject where the operator named it; refusals as the contract says.",
        "issue 5; metrics.md",
    ),
}

"""The loop between model and tools."""

from tests.spec.registry import Requirement

LOOP = "issue 5, 2"

REQUIREMENTS = {
    "agent:events": Requirement(
        "A call is told before it runs, with the server that has its tool, and its result when it is there.",
        "issue 5, 2; decisions.md 17",
    ),
    "agent:arguments": Requirement(
        "Arguments that are no JSON object are a failure that the model reads, and are not sent back to it.", LOOP
    ),
    "agent:broken-tool": Requirement(
        "A toolset that raises is a failed call, without its words; no other call is lost.", LOOP
    ),
    "agent:cancelled": Requirement(
        "Leaving a turn cancels every call that runs; the results so far are kept.", "issue 5, 2; style.md 9"
    ),
    "agent:ids": Requirement("Every call of a turn has an id of its own, and their number is bounded.", LOOP),
    "agent:dialects": Requirement(
        "Calls are understood in the pieces in which servers give them.", "lab.md 6: dialects of the protocol"
    ),
    "agent:offered": Requirement(
        "A model is offered the chosen tools, and those that the service itself has by now.", "issue 5, 3"
    ),
    "agent:repeats": Requirement("Identical calls are run twice at most, and a circle is left.", LOOP),
    "agent:refused": Requirement(
        "A call that has to be approved is not run while there is nobody to ask.", "issue 5, 5"
    ),
    "agent:text-calls": Requirement("Calls that small models write as text are calls, and never an answer.", LOOP),
    "agent:progress": Requirement("What a turn has used is known from its progress.", "issue 5, 5"),
    "agent:progress-stored": Requirement(
        "Progress is read as it was written; what another version wrote, or nobody, is refused.", "issue 5, 5"
    ),
    "agent:waiting": Requirement(
        "A round whose calls need a decision runs the others, and waits without a task or a connection.", "issue 5, 5"
    ),
    "agent:resume": Requirement(
        "A turn goes on in another process as if it had not waited; no call is run twice.", "issue 5, 5"
    ),
    "approval:nobody": Requirement("Only tools that need no approval are run.", "issue 5, 5; configuration.md"),
    "results:cut": Requirement(
        "A result over the budget is cut, at a line's end if one is near, and says how to read on.", "issue 5, 1"
    ),
    "results:read": Requirement(
        "The pieces that a model reads make up the whole result, and overlap for the sake of shields.", "issue 5, 1"
    ),
    "results:memory": Requirement(
        "The texts of a turn are bounded in memory; reading one that had to go says so.", "style.md 9"
    ),
    "results:cost": Requirement("A piece costs the same, however long its text is.", "style.md 9"),
    "results:clean": Requirement(
        "What must not be said is taken out of a whole result before it is cut into pieces.", "issue 5, 4"
    ),
}

"""A Llama Stack inside this process, and the thread it runs in."""

from tests.spec.registry import Requirement

DESIGN = "issue 4, point 2; style.md 9"

REQUIREMENTS = {
    "transport:in-process:exchange": Requirement(
        "An application inside this process is asked and answers as over HTTP, and knows nothing of our context.",
        DESIGN,
    ),
    "transport:in-process:slow-reader": Requirement("A slow reader slows the application.", "style.md 9"),
    "transport:in-process:leaving": Requirement(
        "Leaving a request early, for whatever reason, stops the application's work on it.", "style.md 9"
    ),
    "transport:in-process:timeouts": Requirement(
        "Waiting for a status, for a piece and for the whole has an end, in the contract's words.", "rest-api.md 0.3"
    ),
    "transport:in-process:faults": Requirement(
        "An application that raises is a server's failure, and its words stay out of the log.",
        "decisions.md 2, 5; llama-stack-usage.md 9",
    ),
    "transport:in-process:blocking": Requirement(
        "An application that blocks its loop does not block the service.", "style.md 9"
    ),
    "transport:in-process:life": Requirement(
        "The thread ends with its transport, and with it everything that runs there.", DESIGN
    ),
    "transport:in-process:start-fails": Requirement(
        "A start that fails, hangs or is cancelled says why and leaves no thread.", "issue 4, points 2 and 5"
    ),
    "transport:in-process:end-hangs": Requirement("An application that does not end holds up no shutdown.", DESIGN),
    "stack:library:release": Requirement(
        "The newest release that is installed runs; where none can, it is said which could.", "issue 4, point 2"
    ),
    "stack:library:speaks": Requirement("A stack inside this process answers as its server would.", DESIGN),
    "stack:library:surroundings": Requirement(
        "It leaves the log, signals, hooks and streams of the process alone, and leaves no threads.", "issue 4, point 2"
    ),
    "stack:library:logs": Requirement(
        "Its warnings come out in our log, in its own words and without what was asked.",
        "issue 4, point 2; configuration.md 7",
    ),
    "stack:library:run-yaml": Requirement(
        "A configuration file that a release refuses is told by line, key and fix.",
        "decisions.md 20; issue 4, point 2",
    ),
    "stack:library:vocabulary": Requirement(
        "The vocabulary that a stack would load from the network comes with the package, unchanged.", "issue 4, point 2"
    ),
}

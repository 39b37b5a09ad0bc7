"""The ground that the rooms stand on: the scripted model server, the layers, the package and its bootstrap."""

from tests.spec.registry import Requirement

REQUIREMENTS: dict[str, Requirement] = {
    "ground:model-server:answers": Requirement(
        "The scripted model server answers chat completions, whole and streamed, as OpenAI-compatible servers do.",
        "style.md 12",
    ),
    "ground:model-server:scripts": Requirement(
        "The scripted model server takes one script, one a request, or a function of the request.", "style.md 12"
    ),
    "ground:model-server:faults": Requirement(
        "The scripted model server refuses, hangs, cuts, and sends errors, garbage and huge lines, as told.",
        "style.md 12",
    ),
    "ground:model-server:cancelled": Requirement(
        "The scripted model server tells when a client leaves before its answer is complete.", "style.md 12"
    ),
    "ground:layers:arrow": Requirement("A module imports only what its layer may know, inwards.", "style.md 4"),
    "ground:layers:adapters": Requirement(
        "Adapters are imported by services and by their own room, and by nobody else.", "style.md 8"
    ),
    "ground:layers:libraries": Requirement("Each library is known in its own room only.", "style.md 4"),
    "ground:sizes:files": Requirement("A file of the package has at most 400 lines.", "style.md 2"),
    "ground:sizes:functions": Requirement("A function of the package has at most 60 lines.", "style.md 2"),
    "ground:public:names": Requirement("The package offers the names of __all__ and no others.", "style.md 13"),
    "ground:imports:light": Requirement(
        "Importing the package or its command line loads no library that is not used yet.", "style.md 8"
    ),
    "ground:words:published": Requirement(
        "No unfinished mark, registry address or path of a home directory is published.", "style.md 14"
    ),
    "ground:words:status-codes": Requirement("Below the HTTP edge nobody knows HTTPException.", "style.md 6"),
    "ground:words:swallowed": Requirement("No error is swallowed unseen.", "style.md 6"),
    "ground:wheel:serves": Requirement(
        "The wheel, installed alone with the base requirements, starts, shows its page and answers a question.",
        "decisions: libraries",
    ),
    "ground:wheel:size": Requirement("A base install takes less than 80 MB.", "decisions: libraries"),
}

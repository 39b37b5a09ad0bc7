"""What is kept."""

from tests.spec.registry import Requirement

REQUIREMENTS = {
    "store:append": Requirement("A turn that was stored is there, with its conversation.", "storage.md 4"),
    "store:history": Requirement(
        "History is oldest first, and no longer than a prompt can use.", "layout.md 5, step 3"
    ),
    "store:last-model": Requirement("The model that was really used is recorded.", "decisions.md, Keep 4"),
    "store:ownership": Requirement("A conversation of somebody else is not there.", "auth.md 4"),
    "store:details": Requirement("Passages, citations, tool results and attachments are stored.", "decisions.md 13"),
    "store:reference-table": Requirement("A database of the reference is opened and continued.", "storage.md 4"),
    "store:groups": Requirement(
        "Writes are committed in groups, and one that fails fails alone.", "lab.md 5; layout.md writer.py"
    ),
    "store:cancelled-write": Requirement("A write whose caller has left is stored all the same.", "style.md 9"),
    "store:failing": Requirement("A failing database shows in readiness.", "decisions.md 5"),
    "store:precheck": Requirement("A database that cannot be used is found at the start.", "configuration.md 2.5"),
    "store:killed": Requirement("What was reported as stored survives a kill at any moment.", "decisions.md 4"),
}

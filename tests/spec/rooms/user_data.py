"""What users leave behind as files: feedback and transcripts."""

from tests.spec.registry import Requirement

REQUIREMENTS: dict[str, Requirement] = {
    "feedback:file": Requirement("A feedback file has the reference's bytes.", "storage.md 1"),
    "transcript:file": Requirement("A transcript file has the reference's bytes.", "storage.md 2"),
    "transcript:no-answer": Requirement(
        "The transcript of a turn that broke off before a word says that there was no response.", "storage.md 2"
    ),
    "transcript:without-text": Requirement(
        "Transcripts without text keep structure, numbers, ids, models and times, and nothing that was said.",
        "issue 3, 3",
    ),
    "user-data:names:plain": Requirement(
        "An id that can be a path below the root is that path; the empty id has no level.", "storage.md 2"
    ),
    "user-data:names:hashed": Requirement(
        "An id that cannot be a path, or not in one spelling only, is one level named by its hash.", "issue 3, 3"
    ),
    "user-data:names:apart": Requirement("Two users, and two conversations, never share a directory.", "issue 3, 3"),
    "user-data:names:inside": Requirement(
        "Every directory is below the root, has names that file systems take, and is no file's.", "issue 3, 3"
    ),
    "user-data:stored": Requirement(
        "Each feedback and each turn becomes one file at its place, with the rights that the umask leaves.",
        "storage.md 1 and 2",
    ),
    "user-data:atomic": Requirement("Whoever reads while others write finds complete files only.", "storage.md 3"),
    "user-data:vanishing": Requirement(
        "Directories that are deleted while files are written into them are made again.", "storage.md 3"
    ),
    "user-data:many": Requirement("Many files can be written at once.", "issue 3, 6"),
    "user-data:killed": Requirement(
        "After a kill at any moment every file is complete, and what was reported as stored is there.",
        "issue 3, Shown when done",
    ),
    "user-data:failing": Requirement(
        "A write that fails tells the operating system's reason without a path, and leaves nothing behind.",
        "decisions.md 5",
    ),
    "user-data:health": Requirement(
        "A directory that cannot be written shows in readiness by its configuration key.", "issue 3, Bad input"
    ),
    "user-data:recovers": Requirement(
        "Readiness is good again once a trial write succeeds, although nothing was written meanwhile.",
        "issue 3, Bad input",
    ),
    "user-data:stuck": Requirement(
        "A disk that does not answer holds a bounded number of threads, and callers are told.", "style.md 9"
    ),
    "user-data:opened": Requirement(
        "Sinks are there by configuration; feedback wherever it has a directory, switched on or not.", "issue 3, 3"
    ),
    "retention:age": Requirement("Files older than the limit are deleted.", "issue 3, 3"),
    "retention:size": Requirement(
        "The oldest files are deleted from a directory that is larger than its limit.", "issue 3, 3"
    ),
    "retention:at-once": Requirement(
        "The limit of size is enforced when it is passed, not only from time to time.", "issue 3, 3"
    ),
    "retention:ours": Requirement(
        "Only files that we write are deleted; links are not followed, other files and directories stay.",
        "issue 3, 3",
    ),
    "retention:left-over": Requirement(
        "Drafts and empty directories that a killed process left behind are removed after an hour.", "issue 3, 3"
    ),
    "retention:others": Requirement(
        "Files and directories that others delete during a sweep do not disturb it; several may sweep at once.",
        "storage.md 3",
    ),
    "retention:failing": Requirement(
        "A sweep that fails is logged without a path and counted, and the next one comes.", "style.md 6"
    ),
    "retention:stops": Requirement("A sweep ends soon when the service stops.", "style.md 9"),
    "feedback:stored": Requirement(
        "Feedback is stored as it was sent: categories once each, an empty list of them as none.", "rest-api.md 5.1"
    ),
    "feedback:invalid": Requirement(
        "Feedback that says nothing, or has fields that cannot be, is refused in the contract's words.",
        "rest-api.md 5.1",
    ),
    "feedback:order": Requirement(
        "Broken JSON is told before the switch, that before the fields, and those before a missing right.",
        "rest-api.md 0.2 and 5.1",
    ),
    "feedback:switch": Requirement(
        "An admin switches feedback on and off, and is told the state before and after.", "rest-api.md 5.3"
    ),
    "feedback:switch:no-directory": Requirement(
        "Feedback that has no directory cannot be switched on.", "storage.md 1"
    ),
    "feedback:status-open": Requirement("The state of the switch is told without credentials.", "rest-api.md 5.2"),
    "feedback:failing": Requirement(
        "Feedback that cannot be stored is a 500 with the operating system's reason, counted, and shows in readiness.",
        "rest-api.md 5.1; decisions.md 5",
    ),
    "config:user-data": Requirement(
        "Limits and privacy of user data have defaults that keep everything, and refuse what makes no sense.",
        "issue 3, 3",
    ),
}

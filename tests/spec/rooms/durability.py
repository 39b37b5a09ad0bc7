"""What is never lost: kills, several processes on one set of data, and databases and disks that fail."""

from tests.spec.registry import Requirement

REQUIREMENTS = {
    "durable:kill": Requirement(
        "After a kill at any moment every turn whose end, or 200, arrived is in both views of its conversation, once.",
        "issue 3, Shown when done; decisions.md 4",
    ),
    "durable:kill:files": Requirement(
        "After a kill at any moment every answer that arrived has its transcript, every feedback that was accepted its "
        "file, and every file is complete.",
        "issue 3, Shown when done",
    ),
    "durable:kill:not-stuck": Requirement(
        "What was under way at a kill can be continued by query and stream, renamed and deleted; what was deleted "
        "stays so.",
        "issue 3, Shown when done",
    ),
    "durable:kill:topic": Requirement(
        "A topic is asked for once and never changes, kills or not; a view that missed it gets it with the next turn.",
        "issue 3, 6",
    ),
    "durable:kill:worker": Requirement(
        "A service whose worker is killed loses nothing that was promised, and goes on.", "issue 3, 6"
    ),
    "durable:kill:switch": Requirement(
        "The feedback switch goes back to the configuration also where all processes were killed.", "decisions.md 23"
    ),
    "replicas:start": Requirement(
        "Services, and workers, may start at the same moment on an empty database.", "decisions.md 23"
    ),
    "replicas:conversation": Requirement(
        "A conversation goes on in any process, with all that was said; lists and histories agree.", "issue 3, 6"
    ),
    "replicas:deleted": Requirement(
        "What one process deleted is gone in all, in both versions of the API.", "decisions.md 11, 23"
    ),
    "replicas:renamed": Requirement(
        "A name that one process gave shows in all, in both versions of the API.", "decisions.md 11, 23"
    ),
    "replicas:counted": Requirement(
        "Turns at the same time in one conversation are all kept, and counted exactly.", "issue 3, 6"
    ),
    "replicas:topic": Requirement("Several processes make the topic of a conversation once.", "issue 3, 6"),
    "replicas:load": Requirement("Load on the same conversations in all processes fails nowhere.", "issue 3, 6"),
    "replicas:deadlock": Requirement(
        "Writes about the same conversations never end in a deadlock, in whatever order they come.", "issue 3, 6"
    ),
    "replicas:switch": Requirement(
        "The feedback switch is one for all processes on a database, also for those that start later; when all have "
        "stopped, the configuration counts again.",
        "decisions.md 23",
    ),
    "faults:database-gone": Requirement(
        "While PostgreSQL is stopped, new questions are answered by query and stream, and what was not stored is "
        "counted.",
        "decisions.md 5",
    ),
    "faults:database-gone:told": Requirement(
        "While PostgreSQL is stopped, readiness names it, liveness holds, and what needs it fails with the documented "
        "body.",
        "issue 3, Bad input; rest-api.md 2 and 3",
    ),
    "faults:database-back": Requirement("When PostgreSQL is back, all works without a restart.", "decisions.md 5"),
    "faults:database-silent": Requirement(
        "While PostgreSQL does not answer, questions are answered in seconds, however many there are.", "style.md 9"
    ),
    "faults:commit-unknown": Requirement(
        "A turn whose commit broke off is stored once, whether the commit was made or not.", "decisions.md 5"
    ),
    "faults:cache-gone": Requirement(
        "A conversation cache that is gone takes nothing but the second view with it, which is whole when it is back.",
        "decisions.md 5, 11",
    ),
    "faults:switch": Requirement(
        "The feedback switch stays where it was while PostgreSQL is gone, and afterwards.", "decisions.md 23"
    ),
    "faults:disk-full": Requirement(
        "While nothing can be written, questions and follow-ups are answered, and what was not stored is counted.",
        "decisions.md 5",
    ),
    "faults:disk-full:told": Requirement(
        "While nothing can be written, readiness names every part, without a path; feedback is refused with the "
        "documented body; nothing incomplete is left.",
        "issue 3, Bad input; rest-api.md 5",
    ),
    "faults:disk-back": Requirement("When there is room again, all works without a restart.", "decisions.md 5"),
    "faults:transcripts": Requirement(
        "Answers are given although transcripts cannot be written, which is counted and shows in readiness.",
        "decisions.md 5",
    ),
    "faults:feedback": Requirement(
        "Feedback that cannot be written is refused with the reason, counted, and shows in readiness.", "rest-api.md 5"
    ),
    "faults:not-opened": Requirement(
        "A database that can no longer be opened when it is first needed is opened at a later need.", "decisions.md 5"
    ),
    "faults:locked": Requirement(
        "Questions are answered while another program holds a lock on the SQLite file.", "decisions.md 5"
    ),
    "faults:start:sqlite": Requirement(
        "A SQLite file that cannot be used ends the start with exit code 3 and the reason.", "configuration.md 6"
    ),
    "faults:start:postgres": Requirement(
        "A PostgreSQL that is not there, or has no such database, ends the start with exit code 3 and the reason.",
        "configuration.md 6",
    ),
    "faults:start:password": Requirement(
        "A wrong password ends the start with exit code 3, and is not shown.", "style.md 7"
    ),
    "faults:start:late": Requirement(
        "A PostgreSQL that is late is waited for at the start.", "decisions.md 21, for databases as well"
    ),
}

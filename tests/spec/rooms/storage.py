"""What is kept."""

from tests.spec.registry import Requirement

REQUIREMENTS = {
    "store:append": Requirement("A turn that was stored is there, with its conversation.", "storage.md 4"),
    "store:history": Requirement(
        "History is oldest first, and no longer than a prompt can use.", "layout.md 5, step 3"
    ),
    "store:last-model": Requirement("The model that was really used is recorded.", "decisions.md, Keep 4"),
    "store:instructions": Requirement(
        "A conversation keeps the system prompt of its first turn; one that the reference made has none yet.",
        "decisions.md, Keep 4",
    ),
    "store:ownership": Requirement(
        "A conversation of somebody else is not there, also not for who once asked in it.", "auth.md 4"
    ),
    "store:details": Requirement(
        "Passages, citations, tool results and attachments are stored, and come back when asked for.", "decisions.md 13"
    ),
    "store:topic": Requirement(
        "A topic is given once; a later proposal changes nothing, in no view.", "rest-api.md 1.11"
    ),
    "store:deleted": Requirement(
        "What was deleted, also during a turn, is gone from both views and stays away.", "decisions.md 11"
    ),
    "store:idempotent": Requirement(
        "A turn that is written twice is stored and counted once.", "issue 3: never lost; decisions.md 23"
    ),
    "store:text": Requirement(
        "Any text comes back as it was, however long; a NUL as a replacement character.", "issue 3, Bad input"
    ),
    "store:times": Requirement("Times are aware, in UTC, and keep their microseconds.", "storage.md 4"),
    "store:groups": Requirement(
        "Writes are committed in groups, and one that fails fails alone.", "lab.md 5; layout.md writer.py"
    ),
    "store:cancelled-write": Requirement("A write whose caller has left is stored all the same.", "style.md 9"),
    "store:failing": Requirement(
        "A database that fails to store shows in readiness until it would store again, without anybody asking.",
        "decisions.md 5",
    ),
    "store:precheck": Requirement(
        "A file that cannot be used is found at the start, and not touched.", "configuration.md 2.5"
    ),
    "store:precheck:postgres": Requirement(
        "A server that refuses is told at the start at once; one that is not there yet is waited for.",
        "configuration.md 2.5; decisions.md 21",
    ),
    "store:schema": Requirement(
        "The schema that is configured is made where it is missing, and used.", "configuration.md 2.5"
    ),
    "store:opening": Requirement(
        "An opening that fails leaves nothing open, and is tried again at the next need.", "decisions.md 5"
    ),
    "store:killed": Requirement("What was reported as stored survives a kill at any moment.", "decisions.md 4"),
    "store:connection-lost": Requirement(
        "A connection that is lost between, during or after a write loses and doubles nothing.", "issue 3: never lost"
    ),
    "store:server-gone": Requirement(
        "While a server is gone callers are told within seconds; when it is back, all works.",
        "issue 3, Bad input and faults",
    ),
    "store:indexes": Requirement(
        "Whatever is read and written is found by an index.", "issue 3, 2: cost the same with a million rows"
    ),
    "store:model": Requirement(
        "Whatever is done in whatever order, both views say the same as a model.", "decisions.md 11"
    ),
    "store:page:order": Requirement(
        "Both lists have the newest message first; equal times are in the order of ids.", "issue 3, 2; decisions.md 26"
    ),
    "store:page:limit": Requirement(
        "A page has at most as many entries as asked, and tells whether more follow.", "issue 3, 2"
    ),
    "store:page:after": Requirement(
        "A page begins after an entry of the same list, or is refused; pages together are the list.", "issue 3, 2"
    ),
    "store:page:of-all": Requirement("The list of everybody's conversations is one list.", "rest-api.md 3.1"),
    "store:page:reference-times": Requirement("Times that the reference wrote are in order with ours.", "storage.md 4"),
    "store:reference:list": Requirement(
        "Conversations that the reference left are listed with what it knew of them.", "decisions.md, Keep 2"
    ),
    "store:reference:history": Requirement(
        "Their history is what its conversation cache knows.", "decisions.md, Keep 2"
    ),
    "store:reference:continued": Requirement(
        "They are gone on with, in formats that the reference reads and can go on with itself.", "decisions.md, Keep 2"
    ),
    "store:reference:untouched": Requirement("Rows and tables that are not ours survive.", "decisions.md, Keep 2"),
    "store:adopted": Requirement(
        "A conversation that only the cache knows is its user's to go on with, and nobody else's.",
        "decisions.md 11 and Keep 2",
    ),
    "store:first-release": Requirement("A database of our first release is gone on with.", "style.md 14"),
    # The table of conversations, row by row.
    "storage:user-conversation:id": Requirement("`id` is the conversation's.", "storage.md 4, id"),
    "storage:user-conversation:user-id": Requirement("`user_id` is the owner, and stays so.", "storage.md 4, user_id"),
    "storage:user-conversation:model": Requirement(
        "`last_used_model` is the label of the last turn's model.", "storage.md 4, last_used_model"
    ),
    "storage:user-conversation:provider": Requirement(
        "`last_used_provider` is the last turn's.", "storage.md 4, last_used_provider"
    ),
    "storage:user-conversation:created-at": Requirement(
        "`created_at` is the time of the beginning, in UTC.", "storage.md 4, created_at"
    ),
    "storage:user-conversation:last-message-at": Requirement(
        "`last_message_at` is the time of the last turn, in UTC.", "storage.md 4, last_message_at"
    ),
    "storage:user-conversation:message-count": Requirement(
        "`message_count` counts the turns, those of before us as well.", "storage.md 4, message_count"
    ),
    "storage:user-conversation:topic": Requirement(
        "`topic_summary` is empty until there is a topic.", "storage.md 4, topic_summary"
    ),
    # The conversation cache, row by row: operations, types, tables.
    "cache:get": Requirement(
        "A user's turns, oldest first; what is not in their list is not found.", "storage.md 5, get"
    ),
    "cache:insert": Requirement(
        "A turn is added under who asked, and moves the record; a topic that is there is kept.",
        "storage.md 5, insert_or_append",
    ),
    "cache:delete": Requirement(
        "Deleting takes the user's turns and record, and the conversation where they own it.",
        "storage.md 5, delete; decisions.md 11",
    ),
    "cache:list": Requirement("The list has topic, or none, and exact times, newest first.", "storage.md 5, list"),
    "cache:set-topic": Requirement(
        "Renaming sets topic and time, and shows in the first view for the owner's.",
        "storage.md 5, set_topic_summary; decisions.md 11",
    ),
    "cache:ready": Requirement("Readiness is true of the cache's database too.", "storage.md 5, ready"),
    "cache:type:null": Requirement(
        "Without a type there is no cache, and the second view answers 404.", "storage.md 5, null; decisions.md 10"
    ),
    "cache:type:noop": Requirement("The type `noop` is there and keeps nothing.", "storage.md 5, noop"),
    "cache:type:memory": Requirement(
        "The type `memory` keeps the newest `max_entries` turns as long as the service runs.",
        "storage.md 5, memory; decisions.md 10",
    ),
    "cache:type:sqlite": Requirement(
        "The type `sqlite` keeps everything in the file that is named.", "storage.md 5, sqlite"
    ),
    "cache:type:postgres": Requirement(
        "The type `postgres` keeps everything in the default schema.", "storage.md 5, postgres"
    ),
    "cache:table:sqlite:cache": Requirement(
        "`cache` has the reference's columns, key, index and formats: epoch seconds and ISO-Z.", "storage.md 5.1, cache"
    ),
    "cache:table:sqlite:conversations": Requirement(
        "`conversations` has the reference's columns, key and epoch seconds.", "storage.md 5.1, conversations"
    ),
    "cache:table:postgres:cache": Requirement(
        "The same in PostgreSQL, with a timestamp without zone, in UTC.", "storage.md 5.2, cache"
    ),
    "cache:table:postgres:conversations": Requirement(
        "The same in PostgreSQL, with a timestamp without zone, in UTC.", "storage.md 5.2, conversations"
    ),
    # What each event changes, row by row.
    "storage:matrix:query": Requirement(
        "A turn makes or changes a row, adds an entry to the cache, and a transcript.", "storage.md 6, query"
    ),
    "storage:matrix:delete-v1": Requirement(
        "DELETE in the first version deletes row, turns and cache; transcripts stay.",
        "storage.md 6, DELETE v1; decisions.md 11",
    ),
    "storage:matrix:delete-v2": Requirement(
        "DELETE in the second version does the same.", "storage.md 6, DELETE v2; decisions.md 11"
    ),
    "storage:matrix:put-v2": Requirement(
        "PUT in the second version changes the topic in row and cache.", "storage.md 6, PUT v2; decisions.md 11"
    ),
    "storage:matrix:feedback": Requirement("Feedback makes a file and changes no table.", "storage.md 6, feedback"),
    # How tables come about.
    "storage:migrations:heads": Requirement(
        "The newest step of each line is the one that the code names.", "issue 3, 2: migrations"
    ),
    "storage:migrations:tables": Requirement(
        "The steps make the tables that the code describes.", "issue 3, 2: migrations"
    ),
    "storage:migrations:once": Requirement(
        "The lines of ours and of the cache go their own ways, in one database too.", "issue 3, 2: migrations"
    ),
    "storage:migrations:at-once": Requirement("Processes that start at once all find the tables.", "issue 3, 6"),
    "storage:migrations:newer": Requirement(
        "A database that a newer release used is used, with a warning.", "issue 3, 2: migrations"
    ),
    "storage:migrations:all-or-nothing": Requirement(
        "Steps that fail leave nothing behind, and say so.", "issue 3, 2: migrations"
    ),
    # What all processes on a database share.
    "switch:turned": Requirement("The feedback switch can be turned, and tells how it was.", "rest-api.md 4"),
    "switch:shared": Requirement("All processes on one database see it turned.", "decisions.md 23"),
    "switch:forgotten": Requirement(
        "It is forgotten when the last process has ended, and not before.", "decisions.md 23"
    ),
    "switch:last-known": Requirement(
        "Where the database does not answer, the last known state holds.", "decisions.md 5"
    ),
    "presence:first": Requirement(
        "The first process on a database is told so, alone; those who come meanwhile wait.", "decisions.md 23"
    ),
    "presence:killed": Requirement("A process that was killed holds no place.", "decisions.md 23"),
    "presence:back": Requirement(
        "A process whose connections were lost has its place again with the next one.", "decisions.md 23"
    ),
    "presence:no-locks": Requirement(
        "Where a file system has no locks, the service starts all the same.", "decisions.md 5"
    ),
    # The thread that writes.
    "writer:order": Requirement(
        "Statements of a group run in their order, writes about one thing in the order in which they came.",
        "layout.md writer.py",
    ),
    "writer:bounded": Requirement(
        "Groups and the writes that wait are bounded in number; one too many is refused at once.", "style.md 9"
    ),
    "writer:failing": Requirement(
        "Whoever waits is told of a failure, and the next write is tried anew.", "decisions.md 5"
    ),
    "writer:close": Requirement("What waits at the end is written.", "issue 3: never lost"),
    "writer:log": Requirement("A failed write is logged without what was to be written.", "style.md 6"),
}

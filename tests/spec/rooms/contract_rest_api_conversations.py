"""What the REST contract says of conversations and feedback."""

from tests.spec.registry import Requirement

REQUIREMENTS = {
    "rest:3:id-format": Requirement("What is no id is 400, in both versions.", "rest-api.md 3"),
    "rest:3:id-spelling": Requirement(
        "Every spelling of an id is the same conversation, told in its stored form.", "rest-api.md 3; decisions.md 14"
    ),
    "rest:3.1:body": Requirement("The list of v1 has the contract's fields, times in ISO 8601.", "rest-api.md 3.1"),
    "rest:3.1:rows": Requirement(
        "The list of v1 has the caller's own conversations.", "rest-api.md 3.1; decisions.md 7"
    ),
    "rest:3.1:others": Requirement(
        "Who has `list_other_conversations` sees all conversations in v1, and their own in v2.", "rest-api.md 3.1"
    ),
    "rest:3.1:order": Requirement(
        "The list of v1 has the newest message first, and comes in pages when asked.",
        "rest-api.md 3.1; decisions.md 26; issue 3, 2",
    ),
    "rest:3.1:500": Requirement("A list that cannot be read is told in the contract's words.", "rest-api.md 3.1"),
    "rest:3.2:body": Requirement(
        "A conversation is shown in v1 turn by turn, with what its answers rested on, times in RFC 3339.",
        "rest-api.md 3.2; decisions.md 13",
    ),
    "rest:3.2:access": Requirement(
        "A conversation that is not there or not the caller's is 403 in v1.", "rest-api.md 3.2"
    ),
    "rest:3.2:others": Requirement(
        "Who has `read_other_conversations` reads all in v1, and their own in v2.", "rest-api.md 3.2"
    ),
    "rest:3.2:404": Requirement("A conversation whose text is not with us is 404.", "rest-api.md 3.2"),
    "rest:3.2:500": Requirement(
        "A conversation that cannot be read is told in the contract's words, with nothing internal.", "rest-api.md 3.2"
    ),
    "rest:3.2:503": Requirement("History needs no provider.", "rest-api.md 3.2"),
    "rest:3.3:body": Requirement("A deletion in v1 is told with `success` and `response`.", "rest-api.md 3.3"),
    "rest:3.3:repeat": Requirement("What was deleted is 403 in v1.", "rest-api.md 3.3"),
    "rest:3.3:both": Requirement(
        "What v1 deleted is gone in v2, in the cache and for questions; transcripts stay.",
        "rest-api.md 3.3; decisions.md 11",
    ),
    "rest:3.3:access": Requirement(
        "A conversation that is not there or not the caller's is not deleted in v1.", "rest-api.md 3.3"
    ),
    "rest:3.3:others": Requirement(
        "Who has `delete_other_conversations` deletes all in v1, and their own in v2.", "rest-api.md 3.3"
    ),
    "rest:3.3:no-session": Requirement(
        "A conversation whose text is not with us is deleted all the same.", "rest-api.md 3.3; decisions.md 11"
    ),
    "rest:3.3:500": Requirement(
        "A conversation that cannot be deleted is told in the contract's words.", "rest-api.md 3.3"
    ),
    "rest:3.3:503": Requirement("Deleting needs no provider.", "rest-api.md 3.3"),
    "rest:3.4:body": Requirement(
        "The list of v2 has the contract's fields, for the caller's own conversations.", "rest-api.md 3.4"
    ),
    "rest:3.4:order": Requirement(
        "The list of v2 has the newest message first, and comes in pages when asked.", "rest-api.md 3.4; issue 3, 2"
    ),
    "rest:3.4:no-cache": Requirement("Without a cache the list of v2 is 404.", "rest-api.md 3.4; decisions.md 10"),
    "rest:3.5:body": Requirement(
        "A conversation is shown in v2 turn by turn, with model and provider, times with a Z.", "rest-api.md 3.5"
    ),
    "rest:3.5:no-cache": Requirement(
        "Without a cache the items of v2 are 404, after their ids were looked at.", "rest-api.md 3.5; decisions.md 10"
    ),
    "rest:3.5:listed": Requirement(
        "A conversation that is not in the caller's list is not shown in v2.", "rest-api.md 3.5"
    ),
    "rest:3.6:body": Requirement(
        "A deletion in v2 is told with `success` and `response`, once.", "rest-api.md 3.6; decisions.md 11"
    ),
    "rest:3.6:both": Requirement(
        "What v2 deleted is gone in v1 and for questions.", "rest-api.md 3.6; decisions.md 11"
    ),
    "rest:3.6:listed": Requirement(
        "A conversation that is not in the caller's list is not deleted in v2.", "rest-api.md 3.6"
    ),
    "rest:3.7:body": Requirement(
        "A rename is told with `success` and `message`, and counts as news.", "rest-api.md 3.7"
    ),
    "rest:3.7:both": Requirement("A rename shows in both versions.", "rest-api.md 3.7; decisions.md 11"),
    "rest:3.7:topic_summary": Requirement(
        "A topic has 1 to 1000 characters, and no field stands beside it.", "rest-api.md 3.7"
    ),
    "rest:3.7:listed": Requirement(
        "A conversation that is not in the caller's list is not renamed.", "rest-api.md 3.7"
    ),
    "rest:3.7:memory": Requirement(
        "The cache in memory is real and bounded, whatever the user's id.", "rest-api.md 3.7; decisions.md 10"
    ),
    "rest:3.7:noop": Requirement(
        "The cache that keeps nothing has an empty list, and v1 is as ever.", "rest-api.md 3.7; storage.md 5"
    ),
    "rest:5.1:order": Requirement(
        "Feedback is looked at in the order: caller, switch, fields, action.", "rest-api.md 5.1"
    ),
    "rest:5.1:conversation_id": Requirement(
        "The conversation of feedback is an id, kept as it was sent.", "rest-api.md 5.1"
    ),
    "rest:5.1:user_question": Requirement("The question is a string.", "rest-api.md 5.1"),
    "rest:5.1:llm_response": Requirement("The answer is a string.", "rest-api.md 5.1"),
    "rest:5.1:sentiment": Requirement("The sentiment is -1, 1 or null.", "rest-api.md 5.1"),
    "rest:5.1:user_feedback": Requirement(
        "The text has at most 4096 characters; an empty one is one.", "rest-api.md 5.1"
    ),
    "rest:5.1:categories": Requirement(
        "Categories are six words, each kept once, in order; an empty list is none.", "rest-api.md 5.1"
    ),
    "rest:5.1:at-least-one": Requirement("Feedback says something.", "rest-api.md 5.1"),
    "rest:5.1:unknown-fields": Requirement("Unknown fields are refused.", "rest-api.md 5.1"),
    "rest:5.1:no-ownership": Requirement(
        "Whether the conversation exists, and whose it is, is not looked at.", "rest-api.md 5.1"
    ),
    "rest:5.1:200": Requirement("Feedback that is stored is told as received.", "rest-api.md 5.1"),
    "rest:5.1:500": Requirement(
        "Feedback that cannot be stored is 500 with the system's reason, without a path, and shows in readiness.",
        "rest-api.md 5.1; decisions.md 5",
    ),
    "rest:5.2:status": Requirement("The state of the switch is told to everybody.", "rest-api.md 5.2"),
    "rest:5.3:action": Requirement("The switch is for administrators.", "rest-api.md 5.3"),
    "rest:5.3:status": Requirement(
        "The switch is off where nothing is said, takes every spelling of a boolean, and nothing else.",
        "rest-api.md 5.3",
    ),
    "rest:5.3:body": Requirement(
        "A change tells the states before and after, who made it, and when.", "rest-api.md 5.3"
    ),
    "rest:5.3:effect": Requirement("A change holds at once.", "rest-api.md 5.3"),
    "rest:5.3:replicas": Requirement(
        "A change holds for every service on the same database.", "rest-api.md 5.3; decisions.md 23"
    ),
    "rest:5.3:restart": Requirement(
        "When all services have ended the configured state holds again.", "rest-api.md 5.3; decisions.md 23"
    ),
    "rest:5.3:no-directory": Requirement(
        "Feedback without a directory cannot be switched on.", "rest-api.md 5.3; storage.md 1"
    ),
}

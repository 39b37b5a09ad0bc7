"""Both versions of the conversations API."""

from tests.spec.registry import Requirement

REQUIREMENTS = {
    "conversations:list": Requirement(
        "The list has the contract's fields, for the caller's conversations, newest message first.",
        "rest-api.md 3.1; decisions.md 26",
    ),
    "conversations:list-others": Requirement(
        "Who may list the conversations of others sees all.", "rest-api.md 3.1; auth.md 3.1"
    ),
    "conversations:pages": Requirement(
        "Both lists come in pages when asked, by `limit` and `after`; together they are the whole.", "issue 3"
    ),
    "conversations:bad-page": Requirement(
        "A page that cannot be is refused: 422 for its size, 400 for what is no id, 404 for an unknown one.", "issue 3"
    ),
    "conversations:get": Requirement(
        "A conversation is shown turn by turn, oldest first, with times in each version's form.",
        "rest-api.md 3.2, 3.5",
    ),
    "conversations:rests-on": Requirement(
        "A turn in history shows what its answer rested on, in the shapes of `/v1/query`.", "decisions.md 13, 17"
    ),
    "conversations:not-yours": Requirement(
        "A conversation that is not there or not the caller's: 403 in the first version, 404 in the second.",
        "rest-api.md 3.2, 3.3, 3.5",
    ),
    "conversations:others": Requirement(
        "Reading and deleting conversations of others are actions of the first version.", "rest-api.md 3.2, 3.3"
    ),
    "conversations:text-elsewhere": Requirement(
        "A conversation whose text is not with us cannot be retrieved.", "rest-api.md 3.2"
    ),
    "conversations:ids": Requirement(
        "Ids are taken in every spelling and answered in their stored form; what is none is told with 400.",
        "rest-api.md 3; decisions.md 14",
    ),
    "conversations:delete": Requirement(
        "A deleted conversation is gone in both versions, whichever deleted it.",
        "rest-api.md 3.3, 3.6; decisions.md 11",
    ),
    "conversations:rename": Requirement("A rename shows in both versions.", "rest-api.md 3.7; decisions.md 11"),
    "conversations:rename-rules": Requirement(
        "A topic has 1 to 1000 storable characters, and no field stands beside it.", "rest-api.md 3.7; issue 3"
    ),
    "conversations:no-cache": Requirement(
        "Without a conversation cache the second version says so, after looking at the id.", "rest-api.md 3.4, 3.5"
    ),
    "conversations:order-of-checks": Requirement(
        "Values are checked before actions, actions before ids, ids before what is stored.", "rest-api.md 0.2"
    ),
    "conversations:actions": Requirement("Every operation needs its action.", "rest-api.md 0.1"),
    "conversations:storage-failure": Requirement(
        "A database that fails is told in the contract's words.", "rest-api.md 3.1 to 3.3"
    ),
    "conversations:bad-input": Requirement(
        "NULs and endless values in paths, parameters and user ids are refused with 4xx.", "issue 3"
    ),
    "conversations:long": Requirement(
        "Long lists are encoded beside the loop, to the same bytes.", "style.md 9; lab.md 5"
    ),
}

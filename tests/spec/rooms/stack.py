"""One Llama Stack of any supported release, and what is retrieved from it and judged by it."""

from tests.spec.registry import Requirement

LAB = "lab.md 6"
USAGE = "llama-stack-usage.md 7, 9"

REQUIREMENTS = {
    "stack:version:window": Requirement(
        "A stack of another version than the supported ones is refused, in the contract's words.",
        "configuration.md 6c; decisions.md 22",
    ),
    "stack:version:unreadable": Requirement("What is no version is refused as such.", "configuration.md 6c"),
    "stack:capabilities:releases": Requirement("What each release can do is read from what it tells of itself.", LAB),
    "stack:capabilities:served": Requirement("A route without a provider behind it is nothing that is there.", LAB),
    "stack:wire:lists": Requirement("Lists of all releases give the same values.", USAGE),
    "stack:wire:tolerant": Requirement("Unknown and missing fields are no reason to fail.", USAGE),
    "stack:wire:garbage": Requirement(
        "What cannot be read fails in our words, and is never taken for a permission.", "decisions.md 5"
    ),
    "stack:wire:scores": Requirement("A score that is no number is not told.", LAB),
    "stack:wire:judgements": Requirement("A text is refused by an error of a shield, not by a warning.", LAB),
    "stack:refreshed:one": Requirement("All who need a value first wait for one load of it.", "layout.md 5, step 3"),
    "stack:refreshed:behind": Requirement(
        "An old value serves as it is while one refresh runs behind it.", "layout.md 5, step 3"
    ),
    "stack:refreshed:failed": Requirement(
        "A failed refresh keeps the value, is said once, and is tried again after a while.", "style.md 9"
    ),
    "stack:client:releases": Requirement("Every release is spoken with in its own dialect.", LAB),
    "stack:client:cached": Requirement(
        "What requests need to know of a stack is learned at the start, and costs them no call.", "layout.md 5, step 3"
    ),
    "stack:client:replaced": Requirement(
        "A stack that is replaced by another release is understood.", "decisions.md 22"
    ),
    "stack:client:refusals": Requirement(
        "A refusal of the stack becomes an error of ours, without its words.", "llama-stack-usage.md 9; decisions.md 5"
    ),
    "stack:client:unreachable": Requirement(
        "A stack that nobody reaches, or that hangs, is told as such, in the contract's words.", "rest-api.md 0.3"
    ),
    "stack:client:bounded": Requirement("An answer that is too long is not read to its end.", "style.md 9"),
    "stack:client:pages": Requirement("All vector stores are searched, also where their list has pages.", LAB),
    "stack:client:exact-match": Requirement(
        "An exact match, which 0.2 cannot tell, is found nevertheless.", "lab.md 6, measured"
    ),
    "stack:client:probe": Requirement(
        "Health names the providers that are ill, or the stack that does not answer.", "rest-api.md 6.1"
    ),
    "stack:connection:retried": Requirement(
        "A stack that is not up yet is tried again with growing pauses, then the start fails with the fix.",
        "decisions.md 21",
    ),
    "stack:connection:degraded": Requirement(
        "In degraded mode the service starts without the stack, and finds it when it comes up.", "decisions.md 21"
    ),
    "stack:connection:at-once": Requirement(
        "A wrong version or a refused key fails the start at once.", "configuration.md 6c"
    ),
    "retrieval:fusion": Requirement(
        "Rankings whose scores do not compare are merged by places.",
        "Cormack, Clarke and Buettcher, SIGIR 2009, section 2",
    ),
    "retrieval:combined": Requirement(
        "Several sources of passages are searched as one; one that fails does not hide the others.",
        "layout.md 5, step 6",
    ),
    "retrieval:stack:passages": Requirement(
        "What a stack finds is a passage with its title, address and attributes.", "decisions.md 13"
    ),
    "retrieval:stack:merged": Requirement(
        "The stores of a stack are searched as one, whatever their scores mean.", "layout.md 5, step 6"
    ),
    "retrieval:stack:faults": Requirement(
        "A store that fails or is late does not hide the others.", "layout.md 5, step 6"
    ),
    "retrieval:stack:none": Requirement("A stack without stores costs a question nothing.", "layout.md 5, step 3"),
    "shields:stack": Requirement(
        "Shields of a stack look where their names say, and judge in its words or ours.", "llama-stack-usage.md 4"
    ),
}

"""Which tools a model is offered, in which shape, and calls that it writes as text."""

from tests.spec.registry import Requirement

REQUIREMENTS: dict[str, Requirement] = {
    "tools:schema:shapes": Requirement(
        "Arguments of every shape are offered in the part of JSON Schema that all servers of models read.",
        "issue 5, 1: all schema shapes work",
    ),
    "tools:schema:null": Requirement(
        "Null is offered where it says something else than leaving the argument out.", "issue 5, 1"
    ),
    "tools:schema:references": Requirement(
        "References are put in place; those to another document and those to themselves are cut.",
        "issue 5, 1: all schema shapes work ($ref)",
    ),
    "tools:schema:bounded": Requirement("No schema makes the service work long or send much.", "issue 5, 1"),
    "tools:schema:any-json": Requirement("Whatever a server sends as a schema can be offered.", "issue 5, 1"),
    "tools:selection:relevant": Requirement(
        "Of many tools, those are offered that fit the question by meaning and by words.", "issue 5, 3: many tools"
    ),
    "tools:selection:order": Requirement(
        "As many tools are offered as configured, in their own order, the same each time.", "decisions.md 26"
    ),
    "tools:selection:named": Requirement("A tool that a question names is offered.", "issue 5, 3: many tools"),
    "tools:selection:words": Requirement(
        "Names of tools are read word by word, and forms of a word are one.", "issue 5, 3: chosen by words"
    ),
    "tools:selection:words-alone": Requirement(
        "Where texts cannot be embedded, words choose, and that is logged once.", "issue 5, 3; style.md 6"
    ),
    "tools:selection:behind": Requirement(
        "No question waits long for tools to be embedded; that goes on behind it.", "style.md 9"
    ),
    "tools:selection:bounded": Requirement("Vectors of tools are made once and kept within a bound.", "style.md 9"),
    "text-calls:forms": Requirement(
        "Calls that small models write as text are understood, in the forms of the known families.",
        "issue 5, 2: tool calls given as text by small models are understood",
    ),
    "text-calls:text": Requirement(
        "What is no call of an offered tool is answer text, to the last character.", "decisions.md 3"
    ),
    "text-calls:pieces": Requirement(
        "In which pieces an answer comes changes nothing in what it says.", "docs/decisions/0006-streams.md"
    ),
    "text-calls:flow": Requirement(
        "Text is held only while it may become a call; prose not longer than a marker.",
        "docs/decisions/0006-streams.md",
    ),
}

"""Shields that judge, and the one for what tools and documents give a model to read."""

from tests.spec.registry import Requirement

SHIELDS = "issue 5, 4"

REQUIREMENTS = {
    "shield:contract:passes": Requirement(
        "What a shield has nothing against comes out as it went in, however it was cut.", SHIELDS
    ),
    "shield:contract:objects": Requirement(
        "What a shield objects to never comes out, however it was cut, and the reason can be shown.", SHIELDS
    ),
    "shield:contract:listed": Requirement(
        "A shield says by its name where it looks, and tells callers of itself in JSON without secrets.",
        "issue 5, 4; rest-api.md 4.4",
    ),
    "shield:holding:passes": Requirement("A text that may pass comes out whole, piece by piece.", SHIELDS),
    "shield:holding:judged-first": Requirement(
        "No piece comes out that was not judged, together with what stood before it.", SHIELDS
    ),
    "shield:holding:bounded": Requirement(
        "No more than a window is held back, and half a window of new text lies between two judgements.", SHIELDS
    ),
    "shield:holding:cut": Requirement("Pieces end with a sentence or a word where they can.", SHIELDS),
    "shield:subject:judged": Requirement(
        "A question that is not about the subject is refused in words that name the subject.", SHIELDS
    ),
    "shield:subject:asked": Requirement(
        "The judge is told the subject and to sort what stands between marks that no question can forge.", SHIELDS
    ),
    "shield:subject:verdicts": Requirement(
        "Answers of small models that say more than a word are understood.", SHIELDS
    ),
    "shield:subject:undecided": Requirement(
        "A judge that cannot be asked or understood stops the question, unless the operator lets it pass.",
        "issue 5, 4; decisions.md 5",
    ),
    "shield:subject:heard": Requirement(
        "What a model says to a question of the service's own is heard whole; an answer that was cut is an error.",
        SHIELDS,
    ),
    "shield:subject:name": Requirement("A name that promises a look at answers is refused at the start.", SHIELDS),
    "shield:subject:settings": Requirement("Settings that cannot work are refused with their fix.", "decisions.md 20"),
    "shield:moderation:asked": Requirement("Each style is asked in its own protocol, with the key.", SHIELDS),
    "shield:moderation:judged": Requirement("The answers of real servers and models are understood.", SHIELDS),
    "shield:moderation:chosen": Requirement(
        "Where an operator names categories or a threshold only these count, and a server that tells none is an error.",
        SHIELDS,
    ),
    "shield:moderation:windows": Requirement(
        "An answer comes out window by window, a question is judged whole, a very long one in parts.", SHIELDS
    ),
    "shield:moderation:side-by-side": Requirement(
        "A few parts of a long text are judged side by side, each for itself and all within a bounded time.",
        "issue 5, 4; style.md 9",
    ),
    "shield:moderation:failing": Requirement(
        "A server that cannot judge stops the text in our own words, unless the operator lets it pass.",
        "issue 5, 4; decisions.md 5",
    ),
    "shield:moderation:settings": Requirement(
        "Settings that cannot work are refused with their fix.", "decisions.md 20"
    ),
    "shield:injection:attacks": Requirement("Known ways to give orders to a model are caught.", SHIELDS),
    "shield:injection:harmless": Requirement("Technical texts, and our own documentation, pass.", SHIELDS),
    "shield:injection:unseen": Requirement(
        "Characters that cannot be seen and markers of chat templates never reach a model.", SHIELDS
    ),
    "shield:injection:mark": Requirement("Where so configured only the lines with orders are taken out.", SHIELDS),
    "shield:injection:sensitivity": Requirement(
        "The operator says how soon a text is an attack, and names further patterns.", SHIELDS
    ),
    "shield:injection:bounded": Requirement(
        "A text that is too long, or takes too long, is withheld; a long one blocks nobody.", "issue 5, 4; style.md 9"
    ),
}

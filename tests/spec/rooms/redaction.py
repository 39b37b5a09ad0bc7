"""What is taken out of what is said."""

from tests.spec.registry import Requirement

SHIELDS = "issue 5, 4"

REQUIREMENTS = {
    "redaction:stream": Requirement(
        "For every pattern, text and split into pieces the same is taken out, nothing of it is ever given out, and no "
        "more is held back than the patterns look ahead.",
        SHIELDS,
    ),
    "redaction:open-ended": Requirement(
        "A secret of any length is taken out to its end, with a bounded delay.", SHIELDS
    ),
    "redaction:kinds": Requirement(
        "Keys, tokens, passwords, account and card numbers and addresses are taken out in the forms they come in.",
        SHIELDS,
    ),
    "redaction:harmless": Requirement("What only looks like a secret, and what stands for one, stays.", SHIELDS),
    "redaction:identifiers": Requirement("Numbers are taken out only if their check digits are right.", SHIELDS),
    "redaction:settings": Requirement(
        "The operator chooses kinds, adds patterns, and says what is written instead; callers see the names.", SHIELDS
    ),
    "redaction:refused": Requirement(
        "A pattern that cannot be used for a stream is refused at the start, with its key and the way out.",
        "issue 5, 4; decisions.md 20",
    ),
    "redaction:slow": Requirement(
        "Where a pattern takes too long nothing passes, and the log names the pattern.", "style.md 9; issue 5, 4"
    ),
    "redaction:long": Requirement(
        "A long text is searched in parts, so that others are not kept waiting.", "style.md 9"
    ),
}

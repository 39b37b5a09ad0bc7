"""What models mean that were asked for one word and said more: they explain, think aloud, or write JSON. Pure."""

import re

_THOUGHT = re.compile(r"^.*</think(?:ing)?>", re.DOTALL)
"""All up to the last end of a thought."""

_THINKING = re.compile(r"<think(?:ing)?>")
_ECHO = re.compile(r"\ballowed\b\W{0,6}(?:or|/|\|)\W{0,6}\brejected\b|\brejected\b\W{0,6}(?:or|/|\|)\W{0,6}\ballowed\b")
_ASKED_FOR = re.compile(
    r"(?P<negated>\b(?:not|isn't|n't|never|cannot|can't)(?:\s+be)?\s+)?\b(?P<word>allowed|rejected)\b"
)
_YES = r"allow|yes|valid|true|accept(?:ed|able)?|approved?|permitted|relevant|on[ -]topic|ok(?:ay)?|safe"
_NO = (
    r"not[ _](?:allowed|valid|relevant|permitted|related)|reject|no|invalid|false|den(?:y|ied)|disallow(?:ed)?|"
    r"refused?|irrelevant|unrelated|off[ -]topic|unsafe"
)
_IN_JSON = re.compile(rf'"[^"\\]{{1,40}}"\s*:\s*"?(?:(?P<no>{_NO})|(?P<yes>{_YES}))\b')
_AT_AN_END = re.compile(
    rf"^\W*(?:(?:answer|verdict|result|output|decision)\W{{1,5}})?(?:(?P<no>{_NO})|(?P<yes>{_YES}))\b"
    rf"|(?:^|[:\n]|\bis)\W{{0,5}}(?:(?P<no_last>{_NO})|(?P<yes_last>{_YES}))\W*$"
)


def after_thought(said: str) -> str | None:
    """What was said after thinking aloud; None where the thinking did not come to an end."""
    rest = _THOUGHT.sub("", said)
    return None if _THINKING.search(rest) else rest


def allows(said: str) -> bool | None:
    """Whether a model asked for ALLOWED or REJECTED allows; None where it says neither, or nothing clear.

    The word asked for counts wherever it stands, the last one where both do: what comes before is reasoning, or a
    quotation. Other words count as JSON values, and at the beginning or the end.
    """
    rest = after_thought(said)
    if rest is None:
        return None
    rest = _ECHO.sub(" ", rest.lower().replace("’", "'"))
    words = list(_ASKED_FOR.finditer(rest))
    if words:
        last = words[-1]
        return (last["word"] == "allowed") is not bool(last["negated"])
    found = _IN_JSON.search(rest) or _AT_AN_END.search(rest.strip())
    if found is None:
        return None
    groups = found.groupdict()
    return not (groups.get("no") or groups.get("no_last"))

"""Which releases we speak with: the two limits in one place, and how versions compare.

Form and order are those of PEP 440, with which semantic versions agree where both can be written.
"""

import re
from math import inf

from lightspeed_stack.errors import StackNotSupported

MINIMAL = "0.2.17"
MAXIMAL = "1.5.0"
"""The newest release that our own suite runs against."""

LONGEST = 100
"""Characters of what is taken for a version."""

SHOWN = 40

_FORM = re.compile(
    r"""v?
        (?P<release>\d+(?:\.\d+)*)
        (?:[-_.]?(?P<phase>alpha|beta|preview|pre|rc|a|b|c)[-_.]?(?P<before>\d*))?
        (?:-(?P<number>\d+)|[-_.]?(?P<post>post|rev|r)[-_.]?(?P<after>\d*))?
        (?:[-_.]?(?P<dev>dev)[-_.]?(?P<night>\d*))?
        (?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?   # a build, which makes no difference
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_PHASES = {"a": 0, "alpha": 0, "b": 1, "beta": 1, "c": 2, "rc": 2, "pre": 2, "preview": 2}
_BEFORE_ALL, _NONE = -1, 3

type Order = tuple[tuple[int, ...], tuple[int, int], int, float]


def check(version: str) -> None:
    """Raise StackNotSupported, in the contract's words (configuration.md 6c), for a version outside of the window."""
    if order(version) is None:
        shown = "".join(sign if sign.isprintable() else "?" for sign in version[:SHOWN])
        raise StackNotSupported(f"Llama Stack tells a version that cannot be read: '{shown}'")
    if is_before(version, MINIMAL):
        raise StackNotSupported(f"Llama Stack version >= {MINIMAL} is required, but {version} is used")
    if is_before(MAXIMAL, version):
        raise StackNotSupported(f"Llama Stack version <= {MAXIMAL} is required, but {version} is used")


def order(version: str) -> Order | None:
    """What versions are sorted by; None for what is no version. A release stands between its previews and its posts."""
    match = _FORM.fullmatch(version.strip()) if len(version) <= LONGEST else None
    if match is None:
        return None
    numbers = [int(part) for part in match["release"].split(".")]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    after = int(match["number"] or match["after"] or 0) if match["number"] or match["post"] else -1
    dev = int(match["night"] or 0) if match["dev"] else inf
    if match["phase"]:
        phase = (_PHASES[match["phase"].lower()], int(match["before"] or 0))
    else:
        phase = (_BEFORE_ALL if match["dev"] and after < 0 else _NONE, 0)
    return tuple(numbers), phase, after, dev


def is_before(version: str, other: str) -> bool:
    """Whether one version is older than another; what is no version is older than none."""
    place, limit = order(version), order(other)
    return place is not None and limit is not None and place < limit

"""Names of headings inside a page, as code forges make them: the guide sets them, sources link to them."""

import unicodedata
from collections.abc import MutableMapping

_KEPT = frozenset("-_")


def slug(text: str, seen: MutableMapping[str, int]) -> str:
    """The anchor of a heading whose text, without markup, is ``text``.

    Lower case; letters, digits, marks, hyphens and underscores stay, white space becomes hyphens, the rest goes. The
    second heading of a page with the same anchor gets ``-1``, the third ``-2``. ``seen`` is the page's memory: an
    empty dictionary for its first heading, handed on from one to the next, and changed here.

    Source: the algorithm of github-slugger, which follows what GitHub does with Markdown files.
    """
    words = (" " if character.isspace() else character for character in text.strip().lower())
    base = "".join(kept for kept in words if kept == " " or kept in _KEPT or _is_word(kept)).replace(" ", "-")
    name = base
    while name in seen:
        seen[base] += 1
        name = f"{base}-{seen[base]}"
    seen[name] = 0
    return name


def _is_word(character: str) -> bool:
    """Whether a character is a letter or digit of any script, or a mark that belongs to one."""
    return unicodedata.category(character)[0] in "LMN"

"""What may be sent as a header to a server of tools: everything else is left out, wherever it comes from."""

import re

from lightspeed_stack.config.tools import HEADER_NAME, OWN_HEADERS

MAX_VALUE = 16 * 1024
"""Characters of a header's value. Servers refuse longer ones, mostly far shorter ones."""

_NAME = re.compile(HEADER_NAME)

# Source: RFC 9110, section 5.5 (field-value), without obs-text: what is not ASCII has no agreed meaning there.
_VALUE = re.compile(r"[\t\x20-\x7e]+")


def header_name(name: object) -> str | None:
    """The name in lower case; None where nobody may set a header of this name."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return None
    lower = name.lower()
    return None if lower in OWN_HEADERS else lower


def header_value(value: object) -> str | None:
    """The value without white space around it; None where it is empty, or cannot be the value of a header."""
    if not isinstance(value, str):
        return None
    stripped = value.strip(" \t\r\n")
    return stripped if len(stripped) <= MAX_VALUE and _VALUE.fullmatch(stripped) else None

"""What tools are called: by servers as they like, by models in a narrow alphabet and each name once.

A tool keeps its own name where it can. Where several servers have a tool of one name, the first server in the order of
the configuration keeps it, and the tools of the others are called ``SERVER_TOOL``. What counts is every name that a
server is known to have had, not whether it answers just now: so a tool is not called otherwise because another server
is down, and all replicas that have seen the same servers call it the same.
"""

import hashlib
import re
from collections.abc import Collection, Mapping

MAX_NAME = 64
"""Characters. Source: OpenAI, API reference, function tools: ``name``."""

DIGEST = 8
"""Characters of a digest at the end of a name that had to be cut, or that somebody else has."""

_OTHERS = re.compile(r"[^a-zA-Z0-9_-]")


def callable_name(name: str) -> str:
    """The name as a model may call it: other characters are ``_``, a long one ends in a digest of all of it."""
    plain = _OTHERS.sub("_", name) or "_"
    return plain if len(plain) <= MAX_NAME else _marked(plain, name)


def given_names(servers: Mapping[str, Collection[str]], *, taken: Collection[str] = ()) -> dict[tuple[str, str], str]:
    """Server and tool → the name for models, each given once.

    ``servers`` are all known tools by server, in the order in which servers have a right to a name; the order of a
    server's own tools does not count. ``taken`` are names that this service needs for itself.
    """
    given: dict[tuple[str, str], str] = {}
    used = set(taken)
    later: list[tuple[str, str]] = []
    for server, tools in servers.items():
        # Of one server's tools whose names look alike, the one that is called just so keeps the name.
        for tool in sorted(tools, key=lambda tool: (tool != callable_name(tool), tool)):
            name = callable_name(tool)
            if name in used:
                later.append((server, tool))
            else:
                used.add(name)
                given[server, tool] = name
    # After all the others, so that nobody loses its own name to a made one.
    for server, tool in later:
        name = callable_name(f"{server}_{tool}")
        if name in used:
            name = _marked(name, f"{server}\n{tool}")
        if name not in used:  # else somebody made up a name with this digest in it, and loses a tool by it
            used.add(name)
            given[server, tool] = name
    return given


def _marked(name: str, whole: str) -> str:
    digest = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST]
    return f"{name[: MAX_NAME - DIGEST - 1]}_{digest}"

"""What a release can do, read from what it tells of itself (pure).

Source: the route lists of llama-stack 0.2.22 and 0.7.3 and of ogx 1.0.2 and 1.5.0. Up to 0.2 a list names the routes of
the configured APIs alone, and some of those not at all (``/v1/models``, ``/v1/shields``, ``/v1/vector-dbs``); later it
names all that the release knows, whether served or not. So a thing can be done where its route is listed and a provider
of its API is there.
"""

import re
from collections.abc import Collection, Iterable
from typing import Literal

from lightspeed_stack.stack.base import Capabilities
from lightspeed_stack.stack.versions import is_before

type Route = tuple[str, str]
"""Method and path, whose parameters stand in braces."""

OLD = "/v1/openai/v1"
NEW = "/v1"
MOVED = "0.3.0"
"""The first release that has the new path."""

_PARAMETER = re.compile(r"\{[^}]*\}")


def capabilities(version: str, routes: Iterable[Route], apis: Collection[str]) -> Capabilities:
    """``apis`` are those that a provider is configured for: ``inference``, ``safety``, ``vector_io`` …"""
    listed = {(method.upper(), _PARAMETER.sub("{}", path)) for method, path in routes}
    openai = _openai(version, listed)
    safety = "safety" in apis
    return Capabilities(
        version=version,
        openai=openai,
        embeddings="inference" in apis and ("POST", f"{openai}/embeddings") in listed,
        moderations=safety and ("POST", f"{openai}/moderations") in listed,
        shields=safety and ("POST", "/v1/safety/run-shield") in listed,
        stores=_stores(openai, listed) if "vector_io" in apis else "none",
    )


def _openai(version: str, listed: Collection[Route]) -> str:
    """Below which path it speaks OpenAI's protocol. Releases between have both, and drop the old one."""
    for prefix in (NEW, OLD):
        if any(("POST", f"{prefix}/{noun}") in listed for noun in ("chat/completions", "vector_stores", "moderations")):
            return prefix
    # Nothing of it is served, or not listed: only its age is known.
    return OLD if is_before(version, MOVED) else NEW


def _stores(openai: str, listed: Collection[Route]) -> Literal["none", "databases", "stores"]:
    # Up to 0.2 every vector store is a vector database too, and older databases are no stores.
    if openai == OLD and ("POST", "/v1/vector-io/query") in listed:
        return "databases"
    return "stores" if ("POST", f"{openai}/vector_stores/{{}}/search") in listed else "none"

"""Servers of tools: what is known of one before it is asked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class HeaderSource(StrEnum):
    """Words that stand for the value of an authorization header; everything else is the path of a file."""

    KUBERNETES = "kubernetes"
    CLIENT = "client"
    OAUTH = "oauth"


@dataclass(frozen=True, slots=True)
class Approval:
    """Which tools a human has to approve: those in ``always``, none in ``never``, and the rest where ``others``."""

    always: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()
    others: bool = False

    def needed(self, tool: str) -> bool:
        return tool in self.always or (self.others and tool not in self.never)


@dataclass(frozen=True, slots=True)
class ToolServer:
    """A server of tools.

    ``authorization_headers``: header name → a word of ``HeaderSource``, or the path of a file that holds the value.
    ``headers`` are the names of headers of a request that are passed on. ``timeout`` in seconds for one call, None for
    the service's own.
    """

    name: str
    url: str
    provider_id: str = "model-context-protocol"
    authorization_headers: Mapping[str, str] = field(default=MappingProxyType({}), repr=False)
    headers: tuple[str, ...] = ()
    timeout: float | None = None
    approval: Approval = Approval()

    @property
    def address(self) -> str:
        """Where it is, for everybody to see: without names, passwords and keys, of which a query may be one."""
        bare = re.sub(r"^([^/?#]*://)?[^/?#]*@", r"\1", self.url)  # an address of the configuration may be anything
        return re.split(r"[?#]", bare, maxsplit=1)[0]

    def supplied_by_client(self, source: HeaderSource) -> tuple[str, ...]:
        """The names of the authorization headers with this source, in their given order."""
        return tuple(name for name, value in self.authorization_headers.items() if value == source)

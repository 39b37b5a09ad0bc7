"""What goes wrong between us and an MCP server: a closed set, with our words for callers and for models.

Above: whoever speaks with a server. Nothing here carries what a server said but ``Fault.said``, which is for a model
only, and ``Fault.challenge``, which is for a client that looks for a token.
"""

import traceback
from enum import IntEnum
from pathlib import PurePath

from lightspeed_stack.tools.base import SkipReason
from lightspeed_stack.tools.mcp_values import ServerSkipped

SAID_AT_MOST = 500
"""Characters of a server's own error that a model gets to read."""

CHALLENGE_AT_MOST = 4096


class FaultKind(IntEnum):
    """The values are JSON-RPC error codes, in which the HTTP layer tells faults through the SDK; no server sends them.

    ``UNREACHABLE``: no connection, so nothing was sent. ``BUSY``: all connections are in use, so nothing was sent.
    ``BAD_HEADERS``: what was to be sent is no header. ``SESSION_GONE``: the session is not known any more.
    ``NOT_HERE``: nothing at the address speaks this transport. ``ERROR``: a JSON-RPC error of the server.
    """

    UNREACHABLE = -47_001
    TIMEOUT = -47_002
    BUSY = -47_003
    BAD_HEADERS = -47_004
    UNAUTHORIZED = -47_005
    SESSION_GONE = -47_006
    NOT_HERE = -47_007
    STATUS = -47_008
    BROKEN_OFF = -47_009
    GARBAGE = -47_010
    TOO_LONG = -47_011
    OTHER_VERSION = -47_012
    STALE_LIST = -47_013
    ERROR = -47_014
    NOT_INSTALLED = -47_015
    CLOSED = -47_016


REASONS = {
    FaultKind.UNREACHABLE: SkipReason.UNREACHABLE,
    FaultKind.BUSY: SkipReason.UNREACHABLE,
    FaultKind.CLOSED: SkipReason.UNREACHABLE,
    FaultKind.TIMEOUT: SkipReason.TIMEOUT,
    FaultKind.UNAUTHORIZED: SkipReason.UNAUTHORIZED,
    FaultKind.NOT_INSTALLED: SkipReason.NOT_INSTALLED,
}
"""All others are BROKEN."""

SENTENCES = {
    FaultKind.UNREACHABLE: "The server cannot be reached.",
    FaultKind.TIMEOUT: "The server did not answer in time.",
    FaultKind.BUSY: "Too many calls of this server's tools are under way.",
    FaultKind.BAD_HEADERS: "A header for the server is not valid.",
    FaultKind.UNAUTHORIZED: "The server refused the credentials.",
    FaultKind.SESSION_GONE: "The server ended the session.",
    FaultKind.NOT_HERE: "There is no MCP server at the configured address.",
    FaultKind.STATUS: "The server answered with HTTP status {status}.",
    FaultKind.BROKEN_OFF: "The server broke the connection.",
    FaultKind.GARBAGE: "The server's answer is not valid.",
    FaultKind.TOO_LONG: "The server's answer is too long.",
    FaultKind.OTHER_VERSION: "The server speaks no version of the protocol that this service knows.",
    FaultKind.STALE_LIST: "The server's tools have changed.",
    FaultKind.ERROR: "The server reported an error.",
    FaultKind.NOT_INSTALLED: "This service is not equipped for MCP servers.",
    FaultKind.CLOSED: "The server is not in use any more.",
}

NEVER_RUN = frozenset({FaultKind.UNREACHABLE, FaultKind.SESSION_GONE, FaultKind.STALE_LIST})
"""A call that ends so was surely not run, and may do better the next time."""

OF_THE_HEADERS = frozenset({FaultKind.UNAUTHORIZED, FaultKind.BAD_HEADERS, FaultKind.BUSY})
"""These say nothing of the server."""


class Fault(Exception):
    """``status`` is the HTTP status where that is what is wrong; ``code`` that of the server's JSON-RPC error, and
    ``said`` its own words, for a model only.
    """

    def __init__(
        self,
        kind: FaultKind,
        *,
        status: int | None = None,
        challenge: str | None = None,
        code: int | None = None,
        said: str = "",
    ) -> None:
        super().__init__(kind.name)
        self.kind = kind
        self.status = status
        self.code = code
        self.challenge = challenge
        self.said = said[:SAID_AT_MOST]

    @property
    def reason(self) -> SkipReason:
        return REASONS.get(self.kind, SkipReason.BROKEN)

    @property
    def sentence(self) -> str:
        """For callers and the log."""
        return SENTENCES[self.kind].format(status=self.status)

    @property
    def for_model(self) -> str:
        """The sentence, and what the server says of it: a model must learn what was wrong with its call."""
        return f"{self.sentence} It says: {self.said}" if self.said else self.sentence

    @property
    def never_run(self) -> bool:
        return self.kind in NEVER_RUN

    @property
    def of_the_headers(self) -> bool:
        """Whether it comes from what was sent, rather than from the server."""
        return self.kind in OF_THE_HEADERS

    def skipped(self) -> ServerSkipped:
        return ServerSkipped(self.reason, self.sentence, self.challenge)


def challenge_of(header: object) -> str | None:
    """A ``WWW-Authenticate`` that may be passed on; None for what is no header's value."""
    if not isinstance(header, str) or not header.isascii() or not header.isprintable():
        return None
    return header if 0 < len(header) <= CHALLENGE_AT_MOST else None


def frames(error: BaseException) -> str:
    """Where an error came from, innermost first, without its words: they may hold what was sent or answered."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    places = [
        f"{it.name} ({PurePath(it.filename).name}:{it.lineno})" for it in traceback.extract_tb(error.__traceback__)
    ]
    return f"{type(error).__name__} in {' < '.join(reversed(places))}"

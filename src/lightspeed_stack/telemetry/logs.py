"""Logs: one line an event on stderr, no secrets, no prompts.

What is logged is written by us as constant text with identifiers; nothing that a user or a model said is passed in.
"""

import logging
import sys

COLOURS = {"WARNING": "\033[33m", "ERROR": "\033[31m", "CRITICAL": "\033[31m"}


class _Formatter(logging.Formatter):
    def __init__(self, *, colour: bool) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._colour = colour

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        line = super().formatMessage(record).replace("\n", "\\n").replace("\r", "\\r")
        colour = COLOURS.get(record.levelname) if self._colour else None
        return f"{colour}{line}\033[0m" if colour else line


def configure(*, verbose: bool = False, colour: bool = True, access: bool = True) -> None:
    """Set up the root logger of this process; colours only on a terminal."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(colour=colour and sys.stderr.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("lightspeed_stack", "uvicorn"):
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.getLogger("uvicorn.access").setLevel(logging.INFO if access else logging.WARNING)

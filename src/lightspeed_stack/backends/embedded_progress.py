"""Progress of a fetch for people: a bar on a terminal, a line every ten per cent in a log.

Above: ``embedded.prepare`` for the command ``serve``, and ``cli.model``. Below: ``embedded_fetch``.
"""

import sys
from pathlib import Path
from typing import TextIO

from lightspeed_stack.backends.embedded_fetch import ensure_model
from lightspeed_stack.backends.embedded_models import Settings

WIDTH = 30
CLEAR = "\r\x1b[K"


class Bar:
    """A ``Progress`` that writes to ``out``; ``live`` draws over one line."""

    def __init__(self, out: TextIO, *, live: bool) -> None:
        self._out = out
        self._live = live
        self._last: tuple[str, int] = ("", -1)

    def __call__(self, done: int, total: int, what: str) -> None:
        percent = 100 * done // total if total else 0
        step = percent if self._live else percent - percent % 10
        if (what, step) == self._last:
            return
        self._last = (what, step)
        figures = f"{percent:3d} %  {done / 1e6:,.0f} of {total / 1e6:,.0f} MB" if total else ""
        if self._live:
            filled = WIDTH * percent // 100
            end = "\n" if total and done == total else ""
            self._write(f"{CLEAR}[{'#' * filled}{'.' * (WIDTH - filled)}] {figures}  {what}{end}")
        else:
            self._write(f"{what} {figures}".rstrip() + "\n")

    def notice(self, text: str) -> None:
        """Say something on a line of its own."""
        self._write(f"{CLEAR if self._live else ''}{text}\n")

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def fetch_for(settings: Settings) -> Path:
    """The model's file, fetched with a bar on standard error if need be.

    Raises ConfigurationError and BackendUnavailable as ``ensure_model``.
    """
    bar = Bar(sys.stderr, live=sys.stderr.isatty())
    return ensure_model(settings, progress=bar, notice=bar.notice)

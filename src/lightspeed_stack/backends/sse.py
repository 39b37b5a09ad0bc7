"""Server-sent events, as far as chat-completions servers send them: one ``data:`` line an event.

Source: WHATWG HTML, section 9.2 "Server-sent events". Comment lines, ``event:``, ``id:`` and ``retry:`` are passed
over; line ends may be LF or CRLF and may fall anywhere between two reads.
"""

from lightspeed_stack.errors import BackendFailed

MAX_LINE = 4 * 1024 * 1024
"""Bytes. A line without an end is bounded, so that a broken server cannot fill our memory."""


class SseParser:
    """Cuts a byte stream into the payloads of its ``data:`` lines."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Payloads of the lines that ``chunk`` completes, in order.

        Raises BackendFailed when a line grows beyond MAX_LINE bytes.
        """
        if self._rest:
            chunk = self._rest + chunk
        lines = chunk.split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > MAX_LINE:
            raise BackendFailed("The model provider sent a line without an end.")
        return [line[5:].strip() for line in lines if line.startswith(b"data:")]

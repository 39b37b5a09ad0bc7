"""A stack inside a process, seen from inside. Run by an interpreter that has a release beside our package.

``python inside.py RUN.yaml MISTAKEN.yaml…`` tries the mistaken ones, then runs the first. It says one line of JSON.
"""

import json
import logging
import signal
import sys
import threading
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from lightspeed_stack.errors import AssistantError, StackUnavailable
from lightspeed_stack.stack.library import open_library
from lightspeed_stack.telemetry import logs
from lightspeed_stack.transport.in_process import InProcessTransport

PROMPT = "what is my illness?"


def surroundings() -> dict[str, Any]:
    """What a library has no business with."""
    root = logging.getLogger()
    ours = {name: logging.getLogger(name) for name in ("lightspeed_stack", "uvicorn", "uvicorn.access", "asyncio")}
    return {
        "root handlers": list(root.handlers),
        "root level": root.level,
        "root filters": list(root.filters),
        "last resort": logging.lastResort,
        "record factory": logging.getLogRecordFactory(),
        "our loggers": {name: (it.level, it.propagate, list(it.handlers)) for name, it in ours.items()},
        "warnings": warnings.showwarning,
        "structlog": "structlog" in sys.modules and sys.modules["structlog"].is_configured(),
        "signals": [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)],
        "hooks": (sys.excepthook, threading.excepthook, sys.unraisablehook),
        "streams": (sys.stdout, sys.stderr),
    }


def changed(before: dict[str, Any]) -> list[str]:
    return [name for name, now in surroundings().items() if now != before[name]]


def transport(file: str) -> InProcessTransport:
    return InProcessTransport(
        partial(open_library, Path(file)),
        read_timeout=30,
        max_duration=60,
        start_timeout=120,
        unavailable=StackUnavailable,
        name="llama-stack",
    )


async def ask(opened: InProcessTransport, path: str, body: dict[str, Any] | None = None) -> tuple[int, str]:
    sent = None if body is None else json.dumps(body).encode()
    async with opened.request("GET" if body is None else "POST", path, sent) as response:
        return response.status, b"".join([piece async for piece in response.chunks()]).decode()


def chat(model: str, *, stream: bool = True) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": PROMPT}], "stream": stream}


async def main() -> dict[str, Any]:
    logs.configure(colour=False)
    before = surroundings()
    told: dict[str, Any] = {"refused": {}}
    for file in sys.argv[2:]:
        try:
            async with transport(file):
                told["refused"][Path(file).stem] = ("started", "")
        except AssistantError as error:
            told["refused"][Path(file).stem] = (type(error).__name__, error.cause)
    async with transport(sys.argv[1]) as opened:
        told["changed by the start"] = changed(before)
        told["version"] = await ask(opened, "/v1/version")
        told["whole"] = await ask(opened, "/v1/chat/completions", chat("openai/fake-llm", stream=False))
        told["streamed"] = await ask(opened, "/v1/chat/completions", chat("openai/fake-llm"))
        told["broken"] = await ask(opened, "/v1/chat/completions", chat("openai/other"))
        told["unknown model"] = await ask(opened, "/v1/chat/completions", chat("nobody/nothing"))
        told["unknown store"] = await ask(opened, "/v1/vector_stores/vs_0/search", {"query": PROMPT})
        told["not valid"] = await ask(opened, "/v1/chat/completions", {"messages": PROMPT})
        body = json.dumps(chat("openai/fake-llm")).encode()
        async with opened.request("POST", "/v1/chat/completions", body) as response:
            told["left"] = bool(await anext(aiter(response.chunks())))
    told["changed by requests"] = changed(before)
    told["threads"] = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    return told


if __name__ == "__main__":
    print(json.dumps(anyio.run(main)))  # noqa: T201 - the answer

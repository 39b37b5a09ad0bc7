"""What runs in the child process: llama.cpp's own server, and the two watches that end it with its parent.

Above: ``embedded_process`` starts it as ``python -m lightspeed_stack.backends.embedded_child``. The first line of
standard input is a JSON object (``ChildOrders``); standard input then stays open as long as the parent lives. One JSON
line comes out of standard output: ``{"listening": url}`` or ``{"failed": reason}``. Everything else that llama.cpp
says goes to standard error; its verbosity is so low that prompts are not among it.
"""

import ctypes
import json
import os
import signal
import sys
from typing import Any

PR_SET_PDEATHSIG = 1
"""Source: prctl(2), <linux/prctl.h>."""

NICENESS = 5
PROMPT_CACHE_MIB = 256
BATCH = 128
"""Prompt tokens read at once. The server notices a caller who left between two batches; larger ones are not faster."""

ERRORS_ONLY = 1
"""llama.cpp's verbosity that prints errors, which carry token counts but no text."""

EXIT_FAILED = 3


def main() -> int:
    """Serve until the parent closes standard input or dies."""
    # Ctrl-C reaches the whole terminal's group: the parent shuts down in order and then ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders: dict[str, Any] = json.loads(sys.stdin.readline())
    _die_with(orders["parent"])
    os.nice(NICENESS)
    # llama.cpp may write to standard output; the parent reads protocol there and nothing else.
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        server = _serve(orders)
    except (RuntimeError, ImportError, OSError) as error:
        print(json.dumps({"failed": str(error)}), file=report, flush=True)
        return EXIT_FAILED
    print(json.dumps({"listening": server.listening_address}), file=report, flush=True)
    while sys.stdin.readline():
        pass
    # The server's threads may be in the middle of a generation that nobody reads any more.
    os._exit(0)


def _serve(orders: dict[str, Any]) -> Any:
    """Load the model and listen on a free port of 127.0.0.1; returns when it is ready. Raises RuntimeError."""
    from xllamacpp import CommonParams, Server

    params = CommonParams()
    params.verbosity = ERRORS_ONLY
    params.model.path = orders["model"]
    params.model_alias = {orders["name"]}
    params.n_ctx = orders["context_window"]
    params.n_predict = orders["max_tokens"]
    params.n_parallel = 1
    params.n_batch = params.n_ubatch = BATCH
    params.cpuparams.n_threads = orders["threads"]
    params.cpuparams_batch.n_threads = orders["threads"]
    params.hostnames = ["127.0.0.1"]
    params.port = 0  # the kernel chooses, so nobody can take the port in between
    params.n_threads_http = orders["connections"]
    params.api_keys = [orders["api_key"]]
    params.use_jinja = True
    params.cache_prompt = True
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.ui = False
    params.offline = True
    return Server(params)


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however that ends. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # It may have died before the call above.
        if os.getppid() != parent:
            sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())

"""A Llama Stack or OGX inside this process, as an ASGI application that speaks what its server would.

Above: ``services`` runs it in ``transport.in_process``, and ``client`` speaks with it as with a server. Below: the
release that is installed (``library_release``), its configuration file (``library_config``), its parts (``library_ogx``
since 0.3, ``library_llama_stack`` before), its routes (``library_app``) and its log (``library_logs``).
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from lightspeed_stack.stack import library_llama_stack, library_ogx
from lightspeed_stack.stack.library_app import application
from lightspeed_stack.stack.library_config import read_run_config, starting
from lightspeed_stack.stack.library_engines import closed_engines
from lightspeed_stack.stack.library_logs import relay_libraries, relay_stack
from lightspeed_stack.stack.library_release import installed

WITHOUT_NETWORK = {
    "TIKTOKEN_CACHE_DIR": str(Path(__file__).parent / "vocabulary"),
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # up to 0.2
}
"""Variables that keep a stack from loading a vocabulary, or prices, when it starts; an operator's own values win."""

type Application = Callable[..., Awaitable[None]]


@asynccontextmanager
async def open_library(config_path: Path) -> AsyncIterator[Application]:
    """Start the stack that a ``run.yaml`` describes; leaving ends it. It is for a thread and a loop of its own.

    Importing a release takes seconds, and keeps the loop it happens in from everything else.

    Raises ConfigurationError with what must be installed or changed, and StackUnavailable where a database or another
    server that the stack needs for its start does not answer.
    """
    release = installed()
    for name, value in WITHOUT_NETWORK.items():
        os.environ.setdefault(name, value)
    relay_stack(release.package)
    running = library_llama_stack.running if release.made_of_functions else library_ogx.running
    run = read_run_config(release, config_path)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(closed_engines(release.package))
        with starting(run):
            parts = await stack.enter_async_context(running(release.package, run.config, run.registry))
            served = application(release.package, parts)
        relay_libraries()
        yield served

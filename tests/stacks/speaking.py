"""Ask a stack for what no question asks for. Prints what it said, as JSON.

python speaking.py RUN_YAML    the stack runs inside this process
python speaking.py URL         it is a server
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from lightspeed_stack.backends.base import Generation, ToolCallDelta, ToolSpec
from lightspeed_stack.backends.llama_stack import LlamaStackBackend
from lightspeed_stack.config.assistant import LlamaStackSection
from lightspeed_stack.domain.chat import Message
from lightspeed_stack.services.llama_stack import open_stack
from lightspeed_stack.stack.base import Stack

LOOK = ToolSpec("look", "Looks.", '{"type": "object", "properties": {"a": {"type": "integer"}}}')


@asynccontextmanager
async def opened(place: str) -> AsyncIterator[Stack]:
    given = {"url": place} if "://" in place else {"use_as_library_client": True, "library_client_config_path": place}
    async with open_stack(LlamaStackSection.model_validate(given)) as stack:
        yield stack


async def said(place: str) -> dict[str, Any]:
    async with opened(place) as stack:
        can = await stack.capabilities()
        told: dict[str, Any] = {"version": can.version, "moderations": None}
        told["vectors"] = await stack.embed("openai/embed", ["a pump", "a banana"])
        if can.moderations:
            verdicts = [await stack.moderate("openai/guard", text) for text in ("a bomb", "a pump")]
            told["moderations"] = [verdict is not None for verdict in verdicts]
        generation = Generation("openai/fake-llm", (Message("user", "look"),), tools=(LOOK,))
        async with LlamaStackBackend(stack).stream(generation) as deltas:
            pieces = [it async for it in deltas if isinstance(it, ToolCallDelta)]
        told["call"] = [next(it.name for it in pieces if it.name), "".join(it.arguments for it in pieces)]
        return told


# Of the other process of a library: it starts workers, which import this again.
if __name__ == "__main__":
    print(json.dumps(asyncio.run(said(sys.argv[1]))))  # noqa: T201 - what it is for

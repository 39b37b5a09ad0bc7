"""Servers of tools in a process of their own: one that is well, and every kind of one that is not.

Prints a JSON object of names and URLs when all listen, and serves until it is stopped.
"""

import json
from contextlib import AsyncExitStack

import anyio
from tests.servers.mcp_server import Faults, mcp_server

WELL = "well"
ILL = {
    "hung": Faults(hang=True),
    "hung-later": Faults(hang_after_list=True),
    "lying": Faults(bad_shapes=True, wrong_id=True, only={"tools/call"}),
    "garbage": Faults(garbage=True),
    "endless": Faults(huge_body=True),
    "crashing": Faults(crash_on_call=True),
    "slow": Faults(slow=3.0),
}


async def serve() -> None:
    async with AsyncExitStack() as stack:
        urls = {"down": "http://127.0.0.1:9/mcp"}
        for name, faults in {WELL: Faults(), **ILL}.items():
            server = await stack.enter_async_context(mcp_server(faults=faults, tools=["add", "text", "structured"]))
            urls[name] = server.url
        print(json.dumps(urls), flush=True)
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(serve)

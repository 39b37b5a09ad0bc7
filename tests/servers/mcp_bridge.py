"""A bridge from HTTP to an MCP server that speaks on its standard input and output only.

``python tests/servers/mcp_bridge.py --port 0 COMMAND ARGUMENT…`` starts the command, prints the address, and serves
until it is stopped. Tools are listed and called through one session with the command; what a client cancels is
cancelled there. It needs nothing but the SDK, so any environment that has it can run this file.
"""

import argparse
import os
import socket
from typing import Any

import anyio
import uvicorn
from mcp import Client, StdioServerParameters
from mcp.server import Server, ServerRequestContext
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams

type Context = ServerRequestContext[Any, Any]


def server_before(child: Client) -> Server[Any]:
    """A server that passes on what it is asked."""

    async def list_tools(_context: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        return await child.list_tools(cursor=params.cursor if params else None, cache_mode="bypass")

    async def call_tool(_context: Context, params: CallToolRequestParams) -> CallToolResult:
        return await child.call_tool(params.name, params.arguments)

    return Server(
        "bridge",
        # It has no rules of its own for headers, and would list the tools before each call to find that out.
        get_tool_input_schema=lambda _name: None,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def serve(command: str, arguments: list[str], port: int) -> None:
    # The whole environment: by itself the SDK passes on hardly more than the home and the path.
    parameters = StdioServerParameters(command=command, args=arguments, env=dict(os.environ))
    async with Client(parameters) as child:
        with socket.create_server(("127.0.0.1", port)) as listening:
            app = server_before(child).streamable_http_app(stateless_http=True)
            print(f"bridge at http://127.0.0.1:{listening.getsockname()[1]}/mcp", flush=True)  # noqa: T201
            await uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none")).serve([listening])


def main() -> None:
    parser = argparse.ArgumentParser(description="A bridge from HTTP to an MCP server on standard input and output.")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("command")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    anyio.run(serve, options.command, options.arguments, options.port)


if __name__ == "__main__":
    main()

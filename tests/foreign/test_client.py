"""Our client speaks with servers that others wrote."""

import pytest

from lightspeed_stack.tools.mcp import McpClient, McpLimits
from tests.foreign.cases import CASES, SERVERS, Case, assert_in_order, named
from tests.foreign.conftest import Foreign
from tests.spec.registry import requirement

TOOLS = {
    "everything": 12,  # and those that depend on what a client can do
    "everything-sse": 12,
    "time": 2,
    "fetch": 1,
    "git": 12,
}


PATIENT = McpLimits(first_wait=30)
"""A process that has just been started may take its time."""


@requirement("mcp:foreign:list")
@pytest.mark.parametrize("server", SERVERS)
async def test_it_lists_their_tools(foreign: Foreign, server: str) -> None:
    async with McpClient(server, foreign.urls[server], limits=PATIENT) as client:
        tools = {tool.name: tool for tool in await client.tools({})}
    assert len(tools) >= TOOLS[server]
    for case in CASES:
        if case.server == server:
            tool = tools[case.tool]
            assert tool.description
            assert tool.schema["type"] == "object"
            assert case.arguments.keys() <= tool.schema.get("properties", {}).keys()


@requirement("mcp:foreign:call")
@pytest.mark.parametrize("case", CASES, ids=named)
async def test_it_calls_their_tools(foreign: Foreign, case: Case) -> None:
    async with McpClient(case.server, foreign.urls[case.server], limits=PATIENT) as client:
        outcome = await client.call({}, case.tool, case.filled(foreign.places), timeout=30)
    assert outcome.failed is case.failed, outcome
    assert_in_order(case.says, outcome.content)

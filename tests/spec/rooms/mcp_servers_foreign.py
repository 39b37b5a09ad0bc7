"""The MCP servers of the tests: the scripted one, and those that others wrote."""

from tests.spec.registry import Requirement

GROUND = "style.md 12"
FOREIGN = "issue 5, shown when done; lab.md 7"

REQUIREMENTS = {
    "ground:mcp-server:kinds": Requirement(
        "The scripted MCP server lists and calls its tools over each protocol generation and transport.", GROUND
    ),
    "ground:mcp-server:changes": Requirement("The scripted MCP server tells listeners that its tools changed.", GROUND),
    "ground:mcp-server:cancels": Requirement(
        "The scripted MCP server sees cancelled calls, and closes while calls hang.", GROUND
    ),
    "ground:mcp-server:refuses": Requirement("The scripted MCP server wants a token, and can lose sessions.", GROUND),
    "ground:mcp-server:faults": Requirement("The scripted MCP server plays its faults.", GROUND),
    "mcp:foreign:list": Requirement("Our client lists the tools of servers that others wrote.", FOREIGN),
    "mcp:foreign:call": Requirement(
        "Our client calls the tools of servers that others wrote, whatever the shape of what they answer.", FOREIGN
    ),
    "mcp:foreign:query": Requirement(
        "An answer has the calls of such tools: name, server, arguments and result, which the model saw.",
        f"{FOREIGN}; rest-api.md 1.9",
    ),
    "mcp:foreign:stream": Requirement(
        "A stream has an event for each call of such a tool and for each result.", f"{FOREIGN}; rest-api.md 2.3"
    ),
    "mcp:foreign:together": Requirement("One answer can use the tools of several servers at once.", FOREIGN),
}

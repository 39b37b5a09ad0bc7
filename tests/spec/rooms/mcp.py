"""The client of one MCP server."""

from tests.spec.registry import Requirement

CLIENT = "issue 5, 1"
FAULTS = "issue 5, 1 and shown when done"

REQUIREMENTS = {
    "mcp:client:list": Requirement(
        "Tools are listed over both generations of the protocol and both transports, with their schemas as sent.",
        CLIENT,
    ),
    "mcp:client:list:shapes": Requirement("A tool of a wrong shape is left out; the others stay.", CLIENT),
    "mcp:client:list:bounds": Requirement(
        "A list has an end: in pages, tools, characters and bytes, whatever the server sends.", CLIENT
    ),
    "mcp:client:call": Requirement(
        "A tool's result is text for a model: texts, data, pictures by their size, resources; failures as such.", CLIENT
    ),
    "mcp:client:call:large": Requirement("A result of ten million characters comes in full.", CLIENT),
    "mcp:client:call:bounds": Requirement("A result that is longer than allowed is cut or refused.", CLIENT),
    "mcp:client:call:refused": Requirement(
        "A model is told what the server says of a call that it refuses, at some length.", CLIENT
    ),
    "mcp:client:call:timeout": Requirement(
        "A call that takes too long is an outcome, and the server is told to stop.", CLIENT
    ),
    "mcp:client:call:cancelled": Requirement("Cancelling a call stops the tool on its server.", "issue 5, 2"),
    "mcp:client:call:alone": Requirement("A call that fails or hangs does not end another one.", FAULTS),
    "mcp:client:warm": Requirement(
        "What was connected once is used again: one call is one request, over a connection that is open.", CLIENT
    ),
    "mcp:client:warm:lazy": Requirement(
        "The library of the protocol is loaded when a server is first needed; without it a server is skipped.",
        "lab.md 5; issue 5, 1",
    ),
    "mcp:client:changes": Requirement(
        "A list is looked at again when the server says that it changed, behind the queries.", CLIENT
    ),
    "mcp:client:headers": Requirement(
        "A server gets the headers that were given for a call and no others; nothing is shared between two sets.",
        "issue 5, 1; decisions.md 6",
    ),
    "mcp:client:sessions:bounded": Requirement(
        "Sessions are bounded in number and closed when nobody uses them, but for the warm one.", CLIENT
    ),
    "mcp:client:unauthorized": Requirement(
        "A refusal concerns the headers that were refused, and brings the server's challenge.", CLIENT
    ),
    "mcp:client:transports": Requirement(
        "The transport follows from the address, and from what answers there.",
        "MCP 2025-11-25, transports, backward compatibility",
    ),
    "mcp:client:redirects": Requirement(
        "A redirect is followed within the server's origin only, and no cookie is kept.", CLIENT
    ),
    "mcp:client:ill": Requirement(
        "Nobody waits for a server that is known to be ill, and it is used again when it is well.", FAULTS
    ),
    "mcp:client:ill:shown": Requirement(
        "Why a server is skipped is told with a reason of a closed set, and logged once.", FAULTS
    ),
    "mcp:client:ill:not-for-all": Requirement(
        "Headers with which a server fails do not make it ill for those with whose headers it works.", FAULTS
    ),
    "mcp:client:faults": Requirement(
        "A hung, slow, lying, crashing or endless server is skipped or an outcome, never an error.", FAULTS
    ),
    "mcp:client:restart": Requirement(
        "A session that a server forgot is opened anew, and the call is made; nothing runs twice.", CLIENT
    ),
    "mcp:client:secrets": Requirement(
        "No header, argument, result, session or address of a server is in the log, at any level.",
        "issue 5, shown when done",
    ),
    "mcp:client:declines": Requirement("A server that asks for input is declined.", CLIENT),
    "mcp:client:left": Requirement("A client that is left closes its sessions, and says so to whoever comes.", CLIENT),
}

"""Servers of tools: who is told what, which there are, and what their tools are called."""

from tests.spec.registry import Requirement

HEADERS = "issue 5, 1; decisions.md 6; rest-api.md 1.6"
REGISTRY = "issue 5, 3"

REQUIREMENTS = {
    "tools:headers:sources": Requirement(
        "A header that proves who asks comes from where the configuration says, or the server takes no part.", HEADERS
    ),
    "tools:headers:no-token-by-default": Requirement(
        "No server gets a caller's token unless it is configured for it, or the request gives it.", HEADERS
    ),
    "tools:headers:request": Requirement(
        "MCP-HEADERS add headers for a server by its name or URL, and replace none of the operator's.", HEADERS
    ),
    "tools:headers:passed-on": Requirement("Headers of a request are passed on where a server lists them.", HEADERS),
    "tools:headers:sendable": Requirement(
        "What cannot be a header, or belongs to the protocol, is left out, and the log shows none of it.", HEADERS
    ),
    "tools:headers:asked-for": Requirement(
        "A missing OAuth token is an error only where the request asked for that server.", HEADERS
    ),
    "tools:files:value": Requirement("A file gives a header's value, or the reason why it does not.", "issue 5, 1"),
    "tools:files:rotated": Requirement("A file that is replaced is read again within seconds.", "issue 5, 1"),
    "tools:files:quiet": Requirement(
        "A file that cannot be used is logged once a change, without its path and content.", "issue 5, last section"
    ),
    "tools:names:alphabet": Requirement(
        "Names of tools are what models can say: 64 letters, digits, `_` and `-`.", "issue 5, 1"
    ),
    "tools:names:once": Requirement(
        "Two tools never have one name, and neither depends on the order of lists.", REGISTRY
    ),
    "tools:names:stable": Requirement(
        "A tool keeps its name while servers come and go; the first server configured has the right to one.", REGISTRY
    ),
    "tools:configured": Requirement(
        "Servers are what the configuration says, with names given once.", "configuration.md 2.6; issue 5, 1"
    ),
    "tools:source:all-modes": Requirement(
        "What a server gets is what its configuration and the request say, and nothing else.", HEADERS
    ),
    "tools:source:unauthorized": Requirement(
        "A server that was asked for and wants a token answers for itself: 401 with its own challenge.", "issue 5, 1"
    ),
    "tools:source:others": Requirement(
        "A server that hangs, lies or is down is skipped with a reason, and the others' tools are there.", "issue 5, 1"
    ),
    "tools:source:order": Requirement(
        "Tools come in the order of the configuration, then of each server.", "decisions.md 26"
    ),
    "tools:source:cheap": Requirement("A list that has not changed is not converted again.", "layout.md 5, step 3"),
    "tools:source:tool": Requirement("A tool tells its server, without what its address hides.", "rest-api.md 4.3"),
    "tools:source:calls": Requirement(
        "A call goes to the server that has the tool; what is wrong with it is told to the model.", "issue 5, 2"
    ),
    "tools:servers:configured": Requirement(
        "The configuration's servers come first, and cannot be removed or registered.", REGISTRY
    ),
    "tools:servers:registered": Requirement("A registered server is used at once, until it is removed.", REGISTRY),
    "tools:servers:replicas": Requirement("What one replica registers or removes the others follow.", REGISTRY),
    "tools:servers:limit": Requirement("Only so many servers can be registered.", REGISTRY),
    "tools:servers:store-down": Requirement("While the store fails, the servers that are known stay.", REGISTRY),
    "tools:servers:no-files": Requirement(
        "No file of the service's machine goes to a server that a caller registered.", "issue 5, last section"
    ),
    "tools:servers:breakdown": Requirement(
        "A client that breaks down is replaced, and takes no other with it.", "issue 5, 1; style.md 9"
    ),
    "tools:servers:leave": Requirement(
        "Leaving the registry closes all sessions with servers, whatever the reason.", "style.md 9"
    ),
    "tools:servers:warm": Requirement(
        "Servers are connected and listed before the first question; a query never probes.", "issue 5, 1"
    ),
}

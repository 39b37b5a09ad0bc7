"""The registry of servers of tools: how it is kept, and the routes around it."""

from tests.spec.registry import Requirement

REQUIREMENTS = {
    "servers:store:kept": Requirement(
        "A server that was registered is kept as it was given, also through a new start, until it is removed.",
        "issue 5, 3",
    ),
    "servers:store:order": Requirement("Registered servers are listed by name.", "issue 5, 3; decisions.md 26"),
    "servers:store:taken": Requirement(
        "A name that is taken stays with the server that has it; any replica may remove it.", "issue 5, 3"
    ),
    "servers:store:at-once": Requirement(
        "Of several replicas that register one name at once, one does, and each is told the truth.",
        "issue 5, 3; decisions.md 23",
    ),
    "servers:store:failing": Requirement("A database that fails is told as such.", "issue 5, 3; decisions.md 5"),
    "servers:register:values": Requirement(
        "A server is registered by its name and address, and what the configuration can say of one.", "issue 5, 3"
    ),
    "servers:register:refused": Requirement(
        "A bad value is refused with its field and the fix; files of this machine and credentials in an address are "
        "none that a caller may name.",
        "issue 5, 3; decisions.md 6",
    ),
    "servers:register": Requirement(
        "What was answered as registered is stored, used and listed, for all replicas, until it is deleted.",
        "issue 5, 3; decisions.md 23",
    ),
    "servers:register:exists": Requirement(
        "A name that the configuration or a caller has given is not given again.", "issue 5, 3"
    ),
    "servers:list": Requirement(
        "Servers are listed in the configuration's order, then by name, without credentials.",
        "issue 5, 3; decisions.md 26",
    ),
    "servers:delete": Requirement(
        "Only servers that callers registered can be deleted; an unknown one is told.", "issue 5, 3"
    ),
    "servers:rights": Requirement("Each route of the registry needs its own action.", "issue 5, 3; rest-api.md 0.2"),
    "servers:client-options": Requirement(
        "Callers are told which headers each server wants of them, and of no others.", "issue 5, 3"
    ),
    "tool-access:nothing": Requirement(
        "A request that brings nothing for servers of tools pays nothing for them.", "issue 5; lab.md 5"
    ),
    "tool-access:by-server": Requirement(
        "`MCP-HEADERS` are taken as sent; what cannot be understood, or is too much, is ignored without being logged.",
        "rest-api.md 1.6",
    ),
    "tool-access:passed-on": Requirement(
        "Headers of a request that some server is configured to get are passed on, and no others.", "issue 5, 1"
    ),
    "tool-access:secret": Requirement("What a request brings for servers is neither logged nor shown.", "issue 5"),
    "tools:schemas": Requirement(
        "Parameters are listed from schemas of all shapes; references elsewhere and circles are not followed.",
        "issue 5, 1; rest-api.md 4.3",
    ),
    "tools:skipped": Requirement(
        "Servers whose tools are missing from the list are named beside it, with the reason.", "issue 5, 1"
    ),
    "tools:authorization": Requirement(
        "Where a server that was asked for wants a token, its own words to get one are passed on with 401.",
        "issue 5, 1",
    ),
}

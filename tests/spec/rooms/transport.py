"""How requests reach a server."""

from tests.spec.registry import Requirement

REQUIREMENTS = {
    "transport:http:exchange": Requirement(
        "A request goes out as given, an answer comes with its status, and nothing ties one to the next.",
        "llama-stack-usage.md 1; style.md 3",
    ),
    "transport:http:unreachable": Requirement(
        "A server that is not reached, breaks off or takes too long is told in the contract's two texts.",
        "rest-api.md 0.3",
    ),
    "transport:http:pool": Requirement(
        "Connections are kept and used again, but for those whose answer was not read to its end.", "style.md 9"
    ),
    "transport:http:sent-once": Requirement(
        "Nothing is sent twice, except where a connection from the pool was closed.",
        "transport/base.py; RFC 9110, section 9.2.2",
    ),
    "transport:http:proxy": Requirement(
        "A proxy of the environment is used, but not on the way to this machine.", "lab.md 5"
    ),
    "transport:http:ca": Requirement("A certificate file that cannot be used stops the start.", "decisions.md 20"),
}

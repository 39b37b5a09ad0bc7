"""The terminal."""

from tests.spec.registry import Requirement

REQUIREMENTS = {
    "cli:help": Requirement("Help names all flags and commands.", "configuration.md 4"),
    "cli:version": Requirement("The version is told.", "configuration.md 9"),
    "cli:dump": Requirement("-d writes configuration.json, secrets masked, and wins over -g.", "configuration.md 4"),
    "cli:generate": Requirement("-g writes a Llama Stack configuration.", "configuration.md 4, 5"),
    "cli:bad-configuration": Requirement(
        "A bad configuration ends with 1 and a line a problem, with its fix.", "decisions.md 20"
    ),
    "cli:port-in-use": Requirement("A port in use ends with 1, and is named with the fix.", "configuration.md 2.2"),
    "cli:listens": Requirement("It listens on every address of its host.", "configuration.md 2.2"),
    "cli:start-fails": Requirement("A start that fails ends with 3 and the reason.", "configuration.md 6"),
    "cli:missing-model": Requirement("A model file that cannot be used is named with the fix.", "lab.md 2"),
    "cli:stops": Requirement("A signal stops the service.", "configuration.md 6"),
    "cli:stops-in-mid-stream": Requirement(
        "A stream that a stop cuts ends in an error event, and what was said is kept.", "decisions.md 2, 4"
    ),
    "cli:tls": Requirement("TLS works with a protected key, and a bad certificate is told.", "decisions.md 15"),
    "cli:unreachable-provider": Requirement(
        "A provider that is down shows in readiness and does not keep the service from starting.", "rest-api.md 6.1"
    ),
    "cli:workers": Requirement("Several workers serve one port.", "configuration.md 2.2"),
    "cli:commands": Requirement("Commands have their own help.", "layout.md 3"),
}

"""The documentation: what it says is tried."""

from tests.spec.registry import Requirement

REQUIREMENTS: dict[str, Requirement] = {
    "docs:blocks:kinds": Requirement(
        "Every code block of the documentation is of a kind that is run, checked, or marked as text.", "style.md 12"
    ),
    "docs:blocks:yaml": Requirement(
        "Every YAML block is a configuration, or a part of one, that the service accepts.", "style.md 12"
    ),
    "docs:blocks:json": Requirement("Every JSON block is JSON.", "style.md 12"),
    "docs:blocks:sh": Requirement(
        "Every shell command of the documentation works in a fresh clone beside a running service.", "style.md 12"
    ),
    "docs:blocks:clone": Requirement("The documentation clones the repository once, in the tutorial.", "style.md 12"),
    "docs:examples:load": Requirement(
        "Every example is accepted, and its page names the environment variables that it reads.", "style.md 7"
    ),
    "docs:examples:answer": Requirement(
        "An example with model servers answers by its default model, with its key.", "style.md 12"
    ),
    "docs:examples:postgres": Requirement(
        "The example with PostgreSQL answers with two workers, and keeps conversations, feedback and transcripts.",
        "issue 3; style.md 12",
    ),
    "docs:reference:operations": Requirement(
        "The page of the REST API has every operation, with its action and its statuses.", "issue 3; style.md 12"
    ),
    "docs:reference:errors": Requirement(
        "The page of errors has every error that a caller can get, with its status.", "issue 3; style.md 12"
    ),
    "docs:reference:metrics": Requirement("The page of metrics has every metric, with its type.", "style.md 12"),
    "docs:links:resolve": Requirement(
        "Every relative link leads to a file, and its anchor to a heading in it.", "style.md 12"
    ),
    "docs:links:reachable": Requirement("Every page can be reached from README.md.", "style.md 12"),
    "deploy:containerfile": Requirement(
        "The image's steps install a service that starts, as the contract packages it.", "configuration.md 9"
    ),
}

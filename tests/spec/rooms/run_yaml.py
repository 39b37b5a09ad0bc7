"""The configuration of a Llama Stack or OGX (``run.yaml``) of any release: generated, understood, examined."""

from tests.spec.registry import Requirement

ISSUE = "the issue of Llama Stack: run.yaml"

REQUIREMENTS: dict[str, Requirement] = {
    "run-yaml:generated:new-schema": Requirement(
        "A file of the new schema gets vector stores, providers over the operator's own files, and their model.", ISSUE
    ),
    "run-yaml:generated:idempotent": Requirement(
        "In the new schema too, a second run changes nothing, and references to the environment stay.", ISSUE
    ),
    "run-yaml:generated:embedding-model": Requirement(
        "The embedding model of a store is one that the file registers, or is registered with a provider of the file.",
        ISSUE,
    ),
    "run-yaml:generated:stored": Requirement(
        "What is in a FAISS file is found again: under the namespace it was stored with, or the file is refused.", ISSUE
    ),
    "run-yaml:generated:loads": Requirement(
        "Generated files are accepted by the loaders of the releases they are for.", ISSUE
    ),
    "run-yaml:read": Requirement(
        "A file of any generation is understood: schema, providers, models, shields, stores, and where data is kept.",
        ISSUE,
    ),
    "run-yaml:environment": Requirement(
        "References to the environment count as they do in the stack; what a variable would switch on is named.",
        "configuration.md 1.1; lab.md 6",
    ),
    "run-yaml:identifiers": Requirement("A model has the name that each generation registers it under.", "lab.md 6"),
    "run-yaml:garbage": Requirement("No content of the file raises anything but a configuration error.", "style.md 6"),
    "run-yaml:secrets": Requirement("No value of a provider's configuration is shown.", "decisions.md 5"),
    "run-yaml:faults": Requirement(
        "What does not fit together in a file, or does not do what it seems to, is told with the fix.", "lab.md 6"
    ),
    "run-yaml:upgrade": Requirement(
        "What a later release refuses, passes over or takes otherwise is told with what to write instead.", ISSUE
    ),
    "run-yaml:releases": Requirement("What is known of the releases is what their packages say.", "lab.md 6"),
    "doctor:configuration": Requirement(
        "The doctor tells of the configuration what its loader does, and where models answer.", "style.md 7"
    ),
    "doctor:stack": Requirement(
        "The doctor tells what a stack offers, what is not used, and what is wrong with its file.", ISSUE
    ),
    "doctor:fitting": Requirement(
        "The doctor tells where the configuration names what the stack's file does not have.", ISSUE
    ),
    "doctor:upgrade": Requirement("The doctor tells the steps to each later release, each step once.", ISSUE),
    "doctor:command": Requirement(
        "The command ends with 1 where something cannot start, and prints text or JSON, without secrets.", "style.md 7"
    ),
}

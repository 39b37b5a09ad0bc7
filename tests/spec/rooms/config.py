"""The configuration file: its keys and rules, what it says when it is wrong, and what is written from it."""

from tests.spec.registry import Requirement

REQUIREMENTS: dict[str, Requirement] = {
    "config:keys:contract": Requirement(
        "The configuration knows the 98 keys of the reference, with their defaults and in their order.",
        "configuration.md 2",
    ),
    "config:keys:additions": Requirement(
        "Our own keys for providers, limits and retrieval have defaults, so old files keep working.",
        "decisions.md",
    ),
    "config:keys:unknown": Requirement(
        "An unknown key is refused at every level, with the nearest known key as the fix.", "configuration.md 1"
    ),
    "config:keys:minimal": Requirement(
        "The reference's minimal files load, with a server and with the library.", "configuration.md 8"
    ),
    "config:values:coerced": Requirement(
        "Scalars are coerced as the reference does: text into numbers and booleans, never numbers into text.",
        "configuration.md 1",
    ),
    "config:values:immutable": Requirement(
        "A loaded configuration cannot be changed; its lists are tuples.", "style.md 7"
    ),
    "config:rules:contract": Requirement(
        "Every rule of the contract refuses what it should with the contract's message, at the key at fault.",
        "configuration.md 2",
    ),
    "config:rules:admin-alone": Requirement(
        "An access rule with `admin` and other actions is refused when the file is loaded.", "configuration.md 2.8"
    ),
    "config:llama-stack:optional": Requirement(
        "The section llama_stack may be left out or null once a provider is configured, and is required otherwise.",
        "decisions.md",
    ),
    "config:llama-stack:scheme": Requirement(
        "The URL of a Llama Stack server without a scheme is refused with the URL to write instead.", "style.md 7"
    ),
    "config:environment:expanded": Requirement(
        "References to environment variables are replaced in every value as Llama Stack 0.2.22 does.",
        "configuration.md 1.1",
    ),
    "config:environment:unset": Requirement(
        "A reference to a variable that is unset or empty is an error that names the variable, the key and its line.",
        "configuration.md 1.1",
    ),
    "config:environment:disabled": Requirement(
        "List items whose provider_id becomes __disabled__ are dropped; errors still name the places of the file.",
        "configuration.md 1.1",
    ),
    "config:errors:located": Requirement(
        "A problem is told in two lines: file, line, dotted key and what is wrong, then how to fix it.",
        "decisions.md 20",
    ),
    "config:errors:all-at-once": Requirement(
        "All problems of a file are told at once, in the order of the file.", "decisions.md 20"
    ),
    "config:errors:file": Requirement(
        "A file that is missing, a directory, not UTF-8, empty, no mapping or no YAML is a problem of the same form.",
        "decisions.md 20",
    ),
    "config:errors:duplicates": Requirement(
        "A key that is given twice in a mapping is refused, with both lines.", "decisions.md 20"
    ),
    "config:errors:bounded": Requirement(
        "A file that is too large, too deep, or grows through aliases is refused before it is built.", "style.md 7"
    ),
    "config:errors:garbage": Requirement(
        "No content of the file raises anything but a configuration error.", "decisions.md 20"
    ),
    "config:secrets:hidden": Requirement(
        "The value of a secret stands in no error message, no representation and no dump.", "configuration.md 2"
    ),
    "config:dump:contract": Requirement(
        "The dump is JSON, indented by 4, complete, in the contract's order, with secrets masked and no last newline.",
        "configuration.md 4",
    ),
    "config:dump:one-function": Requirement(
        "The tree that /v1/config shows is the dump, parsed.", "configuration.md 2.1"
    ),
    "config:profiles:loaded": Requirement(
        "Prompts come from a Python or a YAML profile, which takes precedence over system_prompt_path.",
        "decisions.md 24",
    ),
    "config:profiles:broken": Requirement(
        "A profile that cannot be used is a problem of the configuration.", "decisions.md 24"
    ),
    "config:system-prompt:file": Requirement(
        "The content of system_prompt_path, without white space at its end, overwrites system_prompt.",
        "configuration.md 2.9",
    ),
    "config:providers:secret": Requirement(
        "A provider's key is given in the file or by the name of an environment variable, which must be set.",
        "decisions.md",
    ),
    "config:providers:checked": Requirement(
        "Provider ids are unique and without slash, and provider URLs are http or https without credentials.",
        "decisions.md",
    ),
    "config:providers:settings": Requirement(
        "A provider's extra keys are checked by its adapter's settings, with line and key.", "layout.md 6"
    ),
    "config:run-yaml:generated": Requirement(
        "The generator adds each knowledge source to vector_dbs and providers.vector_io, keys sorted, items indented.",
        "configuration.md 5",
    ),
    "config:run-yaml:idempotent": Requirement(
        "The generator run on its own output changes nothing.", "configuration.md 5"
    ),
    "config:run-yaml:errors": Requirement(
        "The generator tells what is wrong with its input or output and leaves the old output in place.",
        "configuration.md 5",
    ),
    "config:reference:current": Requirement(
        "The reference page of the configuration is what the generator writes.", "layout.md 6"
    ),
    "config:start:light": Requirement(
        "Loading a configuration imports neither the web framework nor the JSONPath parser.", "layout.md 6"
    ),
    "config:tools:servers": Requirement(
        "A server of tools is refused at load where a header may not be set or its value has no known source, without "
        "showing the value; a tool's approval is 'always', 'never' or lists.",
        "issue 5, 1",
    ),
    "config:shields:checked": Requirement(
        "Ids of shields are given once, and their extra keys are checked by the adapter, with line and key.",
        "issue 5, 4; layout.md 6",
    ),
}

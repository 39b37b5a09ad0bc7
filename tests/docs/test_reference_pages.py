"""The reference pages against what they are about: operations, errors, metrics, and where a start can end."""

import json
from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families
from scripts.generate_openapi_schema import DOCUMENT

from lightspeed_stack import errors
from lightspeed_stack.api.problems import PLAIN, status_of
from lightspeed_stack.domain.identity import Action
from lightspeed_stack.telemetry.metrics import Metrics
from tests.blackbox.operations import OPERATIONS, OURS
from tests.docs.pages import REPOSITORY, rows
from tests.spec.registry import requirement

REFERENCE = REPOSITORY / "docs" / "reference"

SAID_OF_ALL = {"200", "400", "401", "403", "500"}
"""Statuses that the page tells of all operations at once."""

NOT_TOLD = (errors.ConfigurationError, errors.KnowledgeError)
"""A start ends with the one, and the other leaves an answer without documentation: no caller is told."""


def operations() -> dict[str, list[str]]:
    """The page's rows by method and path."""
    return {row[0].strip("`"): row[1:] for row in rows(REFERENCE / "rest-api.md", "Method and path")}


@requirement("docs:reference:operations")
def test_the_page_has_every_operation_with_its_statuses() -> None:
    declared = {
        f"{method.upper()} {path}": sorted(operation["responses"].keys() - SAID_OF_ALL)
        for path, item in json.loads(DOCUMENT.read_text("utf-8"))["paths"].items()
        for method, operation in item.items()
    }
    told = {place: [status for status in row[2].split(", ") if status] for place, row in operations().items()}
    assert told == declared


@requirement("docs:reference:operations")
def test_the_page_has_the_action_of_every_operation() -> None:
    needed = {
        place: "none" if operation.action is None else f"`{Action[operation.action].value}`"
        for place, operation in (OPERATIONS | OURS).items()
    }
    assert {place: row[1] for place, row in operations().items()} == needed


def every(kind: type[errors.AssistantError]) -> Iterator[type[errors.AssistantError]]:
    yield kind
    for subclass in kind.__subclasses__():
        yield from every(subclass)


@requirement("docs:reference:errors")
def test_the_page_has_every_error_with_its_status() -> None:
    told = [
        (int(status), response.partition(" …")[0]) for status, response, *_ in rows(REFERENCE / "errors.md", "Status")
    ]
    missing = [
        (status, kind.response)
        for kind in every(errors.AssistantError)
        if not issubclass(kind, (*NOT_TOLD, *PLAIN))
        for status in [status_of(kind.__new__(kind))]
        if not any(it == status and kind.response.startswith(words) for it, words in told)
    ]
    assert missing == []


@requirement("docs:reference:metrics")
def test_the_page_has_every_metric_with_its_type() -> None:
    exposed, _ = Metrics().expose("")
    families = {
        it.name + ("_total" if it.type == "counter" else ""): it.type
        for it in text_string_to_metric_families(exposed.decode())
        if it.name.startswith("ls_") and not it.name.endswith("_created")
    }
    assert {row[0].strip("`"): row[1] for row in rows(REFERENCE / "metrics.md", "Name")} == families

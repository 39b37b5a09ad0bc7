"""The OpenAPI document against that of the reference service, and against itself."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from scripts.generate_openapi_schema import DOCUMENT, document

from tests.docs.openapi_comparison import missing
from tests.servers.openai_server import openai_server
from tests.servers.service import configuration, running
from tests.spec.registry import requirement

type Json = dict[str, Any]

REFERENCE = Path(__file__).with_name("openapi-skeleton.json")

A_CHECKED_STRING = "addresses of the configuration are shown as plain strings; they were checked when they were read"
A_MASKED_SECRET = "secrets stand in the answer, masked; they are not only written"
DIFFERENCES = {
    "LlamaStackConfiguration.api_key": A_MASKED_SECRET,
    "PostgreSQLDatabaseConfiguration.password writeOnly": A_MASKED_SECRET,
    "AuthenticationConfiguration.k8s_cluster_api": A_CHECKED_STRING,
    "JwkConfiguration.url format": A_CHECKED_STRING,
    "JwkConfiguration.url minLength": A_CHECKED_STRING,
    "Configuration required": "there is no llama_stack where providers of our own are configured",
    "QueryRequest additionalProperties": "unknown fields are ignored: consoles send extras",
    "ReferencedDocument.doc_url": "an address is shown as the document gave it, which may be relative",
}
"""Where our document does not contain the reference's, and why."""


OURS = {
    "GET /v1/mcp-servers",
    "POST /v1/mcp-servers",
    "DELETE /v1/mcp-servers/{name}",
    "GET /v1/mcp-auth/client-options",
}
"""Operations that the reference does not have."""


@cache
def ours() -> Json:
    whole: Json = json.loads(document())
    return whole


def operations() -> Iterator[tuple[str, Json]]:
    for path, item in ours()["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


@requirement("openapi:contains")
def test_our_document_contains_the_references() -> None:
    found = dict(missing(json.loads(REFERENCE.read_text("utf-8")), ours()))
    assert {place: why for place, why in found.items() if place not in DIFFERENCES} == {}
    assert DIFFERENCES.keys() - found.keys() == set(), "these are no differences any more"


@requirement("openapi:contains")
def test_it_has_the_24_operations_and_ours_and_no_other() -> None:
    reference = json.loads(REFERENCE.read_text("utf-8"))
    theirs = {f"{method.upper()} {path}" for path, item in reference["paths"].items() for method in item}
    assert len(theirs) == 24
    assert {place for place, _ in operations()} == theirs | OURS


def without(*path: str) -> Callable[[Json], None]:
    """A change that takes something out of a document."""

    def change(whole: Json) -> None:
        place: Any = whole
        for step in path[:-1]:
            place = place[int(step)] if isinstance(place, list) else place[step]
        del place[int(path[-1]) if isinstance(place, list) else path[-1]]

    return change


def put(value: object, *path: str) -> Callable[[Json], None]:
    """A change that puts something else into a document."""

    def change(whole: Json) -> None:
        place: Any = whole
        for step in path[:-1]:
            place = place[int(step)] if isinstance(place, list) else place[step]
        place[path[-1]] = value

    return change


ITEM, SCHEMAS = ("paths", "/v1/conversations/{conversation_id}", "get"), ("components", "schemas")
QUERY = (*SCHEMAS, "QueryRequest")


@requirement("openapi:comparison")
@pytest.mark.parametrize(
    ("change", "place"),
    [
        (without("paths", "/metrics"), "GET /metrics"),
        (without(*ITEM), "GET /v1/conversations/{conversation_id}"),
        (put("other", *ITEM, "operationId"), "GET /v1/conversations/{conversation_id} operationId"),
        (put(["other"], *ITEM, "tags"), "GET /v1/conversations/{conversation_id} tags"),
        (put([], *ITEM, "parameters"), "GET /v1/conversations/{conversation_id} conversation_id"),
        (without(*ITEM, "responses", "503"), "GET /v1/conversations/{conversation_id} 503"),
        (
            without("paths", "/v1/streaming_query", "post", "responses", "200", "content", "text/plain"),
            "POST /v1/streaming_query 200 text/plain",
        ),
        (put(False, "paths", "/v1/query", "post", "requestBody", "required"), "POST /v1/query body required"),
        (without(*SCHEMAS, "ByokRag"), "ByokRag"),
        (without(*QUERY, "properties", "no_tools"), "QueryRequest.no_tools"),
        (put([], *QUERY, "required"), "QueryRequest required"),
        (put("integer", *QUERY, "properties", "query", "type"), "QueryRequest.query type"),
        (without(*QUERY, "properties", "attachments", "anyOf", "0"), "QueryRequest.attachments"),
        (put(["admin"], *SCHEMAS, "Action", "enum"), "Action enum"),
        (
            put(1, *SCHEMAS, "ServiceConfiguration", "properties", "port", "default"),
            "ServiceConfiguration.port default",
        ),
        (put("0.4.0", "info", "version"), "info.version"),
    ],
)
def test_the_comparison_finds_what_is_missing(change: Callable[[Json], None], place: str) -> None:
    changed = deepcopy(ours())
    change(changed)
    found = [where for where, _ in missing(json.loads(REFERENCE.read_text("utf-8")), changed)]
    assert [where for where in found if where not in DIFFERENCES] == [place]


@requirement("openapi:current")
def test_the_document_that_is_checked_in_is_current() -> None:
    assert DOCUMENT.read_text("utf-8") == document(), "run make schema"


@requirement("openapi:declared")
def test_every_operation_declares_what_it_can_answer() -> None:
    open_to_everybody = {"GET /v1/feedback/status"}
    for place, operation in operations():
        declared = set(operation["responses"])
        expected = {"201" if place == "POST /v1/mcp-servers" else "200", "500"}
        if place not in open_to_everybody:
            expected |= {"400", "401", "403"}
        if "requestBody" in operation:
            expected |= {"413", "422"}
        if "parameters" in operation:
            expected |= {"422"}
        assert expected <= declared, place
        assert operation["summary"], place
        assert operation["description"], place


@requirement("openapi:declared")
def test_every_reference_leads_to_a_component_and_every_component_is_needed() -> None:
    names = set(ours()["components"]["schemas"])
    used = {value.removeprefix("#/components/schemas/") for key, value in leaves(ours()) if key == "$ref"}
    assert used == names


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """All values of a document that are neither objects nor lists, with their keys."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, key)
    else:
        yield key, value


@requirement("openapi:links")
def test_links_lead_to_operations_and_their_parameters() -> None:
    known = {
        operation["operationId"]: {parameter["name"] for parameter in operation.get("parameters", ())}
        for _, operation in operations()
    }
    links = {
        (operation["operationId"], link["operationId"]): set(link.get("parameters", ()))
        for _, operation in operations()
        for response in operation["responses"].values()
        for link in response.get("links", {}).values()
    }
    assert {target for _, target in links} <= known.keys()
    assert all(parameters <= known[target] for (_, target), parameters in links.items())
    of_an_answer = {target for origin, target in links if origin == "query_endpoint_handler_v1_query_post"}
    assert {target for target in known if "conversation_id" in known[target]} <= of_an_answer


@requirement("openapi:served")
async def test_the_document_is_made_when_it_is_asked_for(tmp_path: Path) -> None:
    rules = "authorization: {access_rules: [{role: nobody, actions: [info]}]}"
    async with openai_server() as model, running(configuration(model.url, tmp_path, more=rules), tmp_path) as service:
        assert service.app.openapi_schema is None
        title = {"title": "test service - OpenAPI"}
        expected = {**ours(), "info": {**ours()["info"], **title}}
        for _ in range(2):
            async with service.http.get("/openapi.json") as response:
                assert (response.status, response.content_type) == (200, "application/json")
                assert await response.json() == expected

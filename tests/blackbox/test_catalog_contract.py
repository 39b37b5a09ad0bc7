"""rest-api.md 4: what there is, read only."""

from typing import Any

import pytest

from tests.blackbox.stand import Serving, Stand, detail
from tests.servers.openai_server import UNAUTHORIZED, Refusal
from tests.spec.registry import requirement

type Json = dict[str, Any]

GONE = "http://127.0.0.1:9/v1"


@requirement("rest:4.1:body")
async def test_info(stand: Stand) -> None:
    versions = {"service_version": "0.3.0", "llama_stack_version": "not used", "ogx_version": "not used"}
    assert (await stand.get("/v1/info")).told == (200, {"name": "test", **versions})


@requirement("rest:4.1:name")
async def test_info_tells_the_configured_name(serving: Serving) -> None:
    async with serving(name="my assistant \N{SNOWMAN}") as stand:
        assert (await stand.get("/v1/info")).body["name"] == "my assistant \N{SNOWMAN}"
        document = (await stand.get("/openapi.json")).body
        assert document["info"]["title"] == "my assistant \N{SNOWMAN} service - OpenAPI"


@requirement("rest:4.2:body")
async def test_models(serving: Serving) -> None:
    async with serving(models=("fake-llm", {"id": "big/er", "object": "model", "max_model_len": 8192})) as stand:
        answer = await stand.get("/v1/models")
    entry = {"api_model_type": "llm", "model_type": "llm", "provider_id": "fake", "type": "model"}
    first = {"identifier": "fake/fake-llm", "metadata": {}, "provider_resource_id": "fake-llm", **entry}
    metadata = {"context_window": 8192}
    second = {"identifier": "fake/big/er", "metadata": metadata, "provider_resource_id": "big/er", **entry}
    assert answer.told == (200, {"models": [first, second]})


@requirement("rest:4.2:unreachable")
async def test_models_of_a_provider_that_is_gone(serving: Serving) -> None:
    async with serving(model_url=GONE) as stand:
        told = detail("Unable to connect to the model provider", "Connection error.")
        assert (await stand.get("/v1/models")).told == (500, told)


@requirement("rest:4.2:failure")
@pytest.mark.parametrize("refusal", [UNAUTHORIZED, Refusal(500, "canary"), Refusal(200, "", body="canary")])
async def test_models_that_cannot_be_listed(serving: Serving, refusal: Refusal) -> None:
    async with serving() as stand:
        stand.model.models_refusal = refusal
        answer = await stand.get("/v1/models")
        assert (answer.status, answer.detail["response"]) == (500, "Unable to retrieve list of models")
        assert answer.detail["cause"]
        assert b"canary" not in answer.raw
        stand.model.models_refusal = None
        assert (await stand.get("/v1/models")).status == 200


@requirement("rest:4.2:order")
async def test_lists_keep_the_configured_order(serving: Serving) -> None:
    async with serving() as other:
        providers = [{"id": id_, "type": "openai", "url": other.model.url} for id_ in ("b", "a")]
        inference = {"providers": providers, "default_provider": "a"}
        async with serving(inference=inference) as stand:
            models = (await stand.get("/v1/models")).body["models"]
            listed = (await stand.get("/v1/providers")).body["providers"]["inference"]
    assert [it["identifier"] for it in models] == [f"{id_}/{name}" for id_ in ("b", "a") for name in other.model.models]
    assert [it["provider_id"] for it in listed] == ["b", "a"]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("tools", marks=requirement("rest:4.3:body")),
        pytest.param("shields", marks=requirement("rest:4.4:body")),
    ],
)
async def test_tools_and_shields_where_there_are_none(stand: Stand, name: str) -> None:
    assert (await stand.get(f"/v1/{name}")).told == (200, {name: []})


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/v1/info", marks=requirement("rest:4.1:no-provider")),
        pytest.param("/v1/tools", marks=requirement("rest:4.3:no-provider")),
        pytest.param("/v1/shields", marks=requirement("rest:4.4:no-provider")),
        pytest.param("/v1/providers", marks=requirement("rest:4.5:no-provider")),
        pytest.param("/v1/providers/fake", marks=requirement("rest:4.6:no-provider")),
        pytest.param("/v1/config", marks=requirement("rest:4.7:no-provider")),
    ],
)
async def test_what_needs_no_provider_answers_without_one(serving: Serving, path: str) -> None:
    async with serving(model_url=GONE) as stand:
        assert (await stand.get(path)).status == 200


@requirement("rest:4.5:body")
async def test_providers(stand: Stand, knowing: Stand) -> None:
    inference = {"inference": [{"provider_id": "fake", "provider_type": "remote::openai"}]}
    assert (await stand.get("/v1/providers")).told == (200, {"providers": inference})
    stores = {"vector_io": [{"provider_id": "guide", "provider_type": "inline::sqlite"}]}
    assert (await knowing.get("/v1/providers")).told == (200, {"providers": {**inference, **stores}})


@requirement("rest:4.6:body")
@pytest.mark.parametrize(("id_", "api"), [("fake", "inference"), ("guide", "vector_io")])
async def test_one_provider(knowing: Stand, id_: str, api: str) -> None:
    answer = await knowing.get(f"/v1/providers/{id_}")
    assert (answer.status, set(answer.body)) == (200, {"api", "config", "health", "provider_id", "provider_type"})
    assert (answer.body["api"], answer.body["provider_id"]) == (api, id_)
    assert answer.body["health"]["status"] == "OK"
    assert answer.body["config"]


@requirement("rest:4.6:unknown")
@pytest.mark.parametrize("id_", ["nope", "FAKE", "fake%20"])
async def test_an_unknown_provider(stand: Stand, id_: str) -> None:
    answer = await stand.get(f"/v1/providers/{id_}")
    assert answer.told == (404, detail(f"Provider with id '{id_.replace('%20', ' ')}' not found"))


@requirement("rest:4.6:secrets")
async def test_secrets_of_a_provider_are_masked(serving: Serving) -> None:
    async with serving() as other:
        extra = {"headers": {"X-Key": "canary"}}
        provider = {"id": "fake", "type": "openai", "url": other.model.url, "api_key": "canary", "extra": extra}
        async with serving(inference={"providers": [provider]}) as stand:
            for path in ("/v1/providers/fake", "/v1/config"):
                answer = await stand.get(path)
                assert b"canary" not in answer.raw
                assert b"**********" in answer.raw


@requirement("rest:4.7:body")
async def test_the_configuration(stand: Stand) -> None:
    body = (await stand.get("/v1/config")).body
    tree = body.pop("configuration")
    assert tree == body
    names = ["name", "service", "llama_stack", "user_data_collection", "database", "mcp_servers", "authentication"]
    names += ["authorization", "customization", "inference", "conversation_cache", "byok_rag"]
    assert set(names) <= set(tree)
    assert tree["service"]["port"] == 8080, "defaults are filled in"
    assert (tree["user_data_collection"]["feedback_enabled"], tree["customization"]) == (True, None)
    postgres = tree["database"]["postgres"]
    assert postgres is None or postgres["password"] == "**********"


@requirement("rest:4.7:denied")
async def test_the_configuration_is_not_for_everybody(serving: Serving) -> None:
    async with serving(authorization={"access_rules": [{"role": "*", "actions": ["info"]}]}) as stand:
        told = {"detail": "Insufficient permissions for action: Action.GET_CONFIG"}
        assert (await stand.get("/v1/config")).told == (403, told)

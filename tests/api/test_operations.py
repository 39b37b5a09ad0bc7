"""What operators ask: information, health, metrics, configuration, and the edges around every route."""

import re
import sqlite3
from pathlib import Path

import aiohttp
import pytest

from tests.api.conftest import Stand
from tests.servers.openai_server import UNAUTHORIZED, Script, openai_server
from tests.servers.service import configuration, running
from tests.spec.registry import requirement


@requirement("ops:info")
async def test_info(stand: Stand) -> None:
    async with stand.http.get("/v1/info") as response:
        assert await response.json() == {
            "name": "test",
            "service_version": "0.3.0",
            "llama_stack_version": "not used",
            "ogx_version": "not used",
        }


@requirement("ops:models")
async def test_models_are_listed_as_llama_stack_lists_them(stand: Stand) -> None:
    stand.model.models = ("fake-llm", {"id": "big", "object": "model", "max_model_len": 8192})
    async with stand.http.get("/v1/models") as response:
        first, second = (await response.json())["models"]
    assert first == {
        "identifier": "fake/fake-llm",
        "metadata": {},
        "api_model_type": "llm",
        "provider_id": "fake",
        "type": "model",
        "provider_resource_id": "fake-llm",
        "model_type": "llm",
    }
    assert second["metadata"] == {"context_window": 8192}


@requirement("ops:models")
async def test_only_allowed_models_are_offered(tmp_path: Path) -> None:
    async with openai_server(models=("fake-llm", "secret")) as model:
        yaml = configuration(model.url, tmp_path, inference="      allowed_models: [fake-llm]")
        async with running(yaml, tmp_path) as service:
            async with service.http.get("/v1/models") as response:
                assert [it["provider_resource_id"] for it in (await response.json())["models"]] == ["fake-llm"]
            body = {"query": "?", "provider": "fake", "model": "secret"}
            async with service.http.post("/v1/query", json=body) as response:
                assert response.status == 400


@requirement("ops:models")
async def test_models_of_an_ill_provider(stand: Stand) -> None:
    stand.model.models_refusal = UNAUTHORIZED
    async with stand.http.get("/v1/models") as response:
        assert response.status == 500
        assert set((await response.json())["detail"]) == {"response", "cause"}


@requirement("ops:providers")
async def test_providers(stand: Stand) -> None:
    async with stand.http.get("/v1/providers") as response:
        assert await response.json() == {
            "providers": {"inference": [{"provider_id": "fake", "provider_type": "remote::openai"}]}
        }


@requirement("ops:config")
async def test_the_configuration_is_shown_flat_and_as_a_tree_without_secrets(tmp_path: Path) -> None:
    async with openai_server(api_key="canary-k3y") as model:
        yaml = configuration(model.url, tmp_path, inference="      api_key: canary-k3y")
        async with running(yaml, tmp_path) as service:
            async with service.http.get("/v1/config") as response:
                text = await response.text()
                body = await response.json()
    assert "canary-k3y" not in text
    assert body.pop("configuration") == body
    assert list(body)[:3] == ["name", "service", "llama_stack"]
    assert body["inference"]["providers"][0]["api_key"] == "**********"


@requirement("ops:health")
@pytest.mark.parametrize("path", ["/liveness", "/v1/liveness", "/liveness/", "/readiness", "/v1/readiness"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_probes_answer_under_every_name(stand: Stand, path: str, method: str) -> None:
    async with stand.http.request(method, path, allow_redirects=False) as response:
        assert response.status == 200
        body = await response.read()
    assert (body != b"") is (method == "GET")


@requirement("ops:health")
async def test_what_the_probes_say(stand: Stand) -> None:
    async with stand.http.get("/liveness") as response:
        assert await response.json() == {"alive": True}
    async with stand.http.get("/readiness") as response:
        assert await response.json() == {"ready": True, "reason": "All providers are healthy", "providers": []}


@requirement("ops:ill")
async def test_readiness_names_the_part_that_is_ill(stand: Stand) -> None:
    stand.model.models_refusal = UNAUTHORIZED
    async with stand.http.get("/readiness") as response:
        assert response.status == 503
        assert await response.json() == {
            "ready": False,
            "reason": "Providers not healthy: fake",
            "providers": [
                {
                    "provider_id": "fake",
                    "status": "Error",
                    "message": "Unable to get an answer from the model: "
                    "The model provider refused the configured credentials.",
                }
            ],
        }
    async with stand.http.get("/liveness") as response:
        assert response.status == 200


@requirement("ops:authorized")
@pytest.mark.parametrize(
    ("query", "user_id"), [("", "00000000-0000-0000-0000-000"), ("?user_id=alice", "alice"), ("?user_id=", "")]
)
async def test_who_the_caller_is(stand: Stand, query: str, user_id: str) -> None:
    async with stand.http.post(f"/authorized{query}") as response:
        assert await response.json() == {
            "user_id": user_id,
            "username": "lightspeed-user",
            "skip_userid_check": True,
        }


async def scrape(http: aiohttp.ClientSession) -> dict[str, float]:
    """Samples by name and labels."""
    async with http.get("/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        text = await response.text()
    return {
        match[1]: float(match[2]) for match in re.finditer(r"^(ls_\S+(?:\{[^}]*\})?) (\S+)$", text, flags=re.MULTILINE)
    }


@requirement("ops:metrics")
async def test_metrics_count_what_happened(stand: Stand) -> None:
    stand.model.scripts = Script(("Hi",), usage=(11, 12))
    for path in ("/v1/query", "/v1/streaming_query"):
        async with stand.http.post(path, json={"query": "?"}) as response:
            await response.read()
    stand.model.scripts = Script(("Hi",), cut_after=1)
    for path in ("/v1/query", "/v1/streaming_query"):
        async with stand.http.post(path, json={"query": "?"}) as response:
            await response.read()
    async with stand.http.get("/v1/nothing"):
        pass
    samples = await scrape(stand.http)
    model = '{model="fake-llm",provider="fake"}'
    assert samples[f"ls_llm_calls_total{model}"] == 3  # a stream counts when it is handed over
    assert samples["ls_llm_calls_failures_total"] == 2
    assert samples["ls_llm_validation_errors_total"] == 0
    assert samples[f"ls_llm_token_sent_total{model}"] == 22
    assert samples[f"ls_llm_token_received_total{model}"] == 24
    assert samples['ls_rest_api_calls_total{path="/v1/query",status_code="200"}'] == 1
    assert samples['ls_rest_api_calls_total{path="/v1/query",status_code="500"}'] == 1
    assert samples['ls_rest_api_calls_total{path="/v1/streaming_query",status_code="200"}'] == 2
    assert samples['ls_response_duration_seconds_count{path="/v1/query"}'] == 2
    assert samples['ls_provider_model_configuration{model="fake/fake-llm",provider="fake"}'] == 1
    assert not any("nothing" in name for name in samples)


@requirement("ops:metrics")
async def test_metrics_are_there_although_the_provider_is_not(stand: Stand) -> None:
    stand.model.models_refusal = UNAUTHORIZED
    samples = await scrape(stand.http)
    assert "ls_llm_calls_failures_total" in samples
    assert 'ls_rest_api_calls_total{path="/metrics",status_code="200"}' not in await scrape(stand.http)


@requirement("ops:unstored")
async def test_an_answer_that_cannot_be_stored_is_given_and_counted(stand: Stand) -> None:
    async with stand.http.post("/v1/query", json={"query": "?"}) as response:
        assert response.status == 200
    with sqlite3.connect(stand.folder / "conversations.db") as connection:
        connection.execute("ALTER TABLE lightspeed_turn RENAME TO elsewhere")
    connection.close()
    for path in ("/v1/query", "/v1/streaming_query"):
        async with stand.http.post(path, json={"query": "?"}) as response:
            assert response.status == 200
            assert "end." in await response.text()
    assert (await scrape(stand.http))['ls_degraded_total{what="turn"}'] == 2
    async with stand.http.get("/readiness") as response:
        assert response.status == 503
        assert (await response.json())["providers"] == [
            {"provider_id": "database", "status": "Error", "message": "The last write to the database failed."}
        ]


@requirement("ops:not-found")
async def test_unknown_paths_and_methods(stand: Stand) -> None:
    async with stand.http.get("/v1/nothing") as response:
        assert (response.status, await response.json()) == (404, {"detail": "Not Found"})
    async with stand.http.get("/v1/query") as response:
        assert (response.status, await response.json()) == (405, {"detail": "Method Not Allowed"})
        assert response.headers["Allow"] == "POST"


@requirement("ops:trailing-slash")
async def test_a_trailing_slash_is_answered_directly(stand: Stand) -> None:
    async with stand.http.post("/v1/query/", json={"query": "?"}, allow_redirects=False) as response:
        assert response.status == 200


@requirement("ops:cors")
async def test_cors_also_on_errors(stand: Stand) -> None:
    origin = {"Origin": "https://console.example.com"}
    headers = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-Mine"}
    async with stand.http.options("/v1/query", headers=headers) as response:
        assert (response.status, await response.text()) == (200, "OK")
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Access-Control-Max-Age"] == "600"
    async with stand.http.post("/v1/query", json={"query": ""}, headers=origin) as response:
        assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (422, "*")


@requirement("ops:access-rules")
async def test_access_rules_hold_with_noop(tmp_path: Path) -> None:
    rules = "authorization: {access_rules: [{role: '*', actions: [query, info]}]}"
    async with openai_server() as model, running(configuration(model.url, tmp_path, more=rules), tmp_path) as service:
        async with service.http.post("/v1/query", json={"query": "?"}) as response:
            assert response.status == 200
        async with service.http.get("/v1/config") as response:
            assert response.status == 403
            assert await response.json() == {"detail": "Insufficient permissions for action: Action.GET_CONFIG"}
        async with service.http.post("/v1/query", json={"query": ""}) as response:
            assert response.status == 422, "a bad body is told before a missing right"
        for field in ("model", "provider"):
            body = {"query": "?", field: ""}
            async with service.http.post("/v1/query", json=body) as response:
                assert response.status == 403
                detail = (await response.json())["detail"]
                assert set(detail) == {"response"}
                assert "MODEL_OVERRIDE" in detail["response"]


@requirement("ops:openapi")
async def test_the_service_describes_itself(stand: Stand) -> None:
    async with stand.http.get("/openapi.json") as response:
        document = await response.json()
    assert document["info"]["title"] == "test service - OpenAPI"
    assert document["info"]["version"] == "0.3.0"
    operations = {
        (method, path): operation["operationId"]
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    assert operations[("post", "/v1/query")] == "query_endpoint_handler_v1_query_post"
    assert operations[("get", "/readiness")] == "readiness_probe_get_method_readiness_get"

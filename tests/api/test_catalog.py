"""What there is to answer with: one provider, tools, shields. The lists of models and providers are in operations."""

import json
from pathlib import Path

import pytest

from tests.api.conftest import Stand
from tests.servers.openai_server import UNAUTHORIZED, openai_server
from tests.servers.service import configuration, running
from tests.spec.registry import requirement


@requirement("providers:one")
async def test_one_provider(tmp_path: Path) -> None:
    async with openai_server(api_key="canary-k3y") as model:
        inference = "      api_key: canary-k3y\n      extra: {headers: {X-Key: canary-h3ader}}"
        async with running(configuration(model.url, tmp_path, inference=inference), tmp_path) as service:
            async with service.http.get("/v1/providers/fake") as response:
                assert response.status == 200
                text, body = await response.text(), await response.json()
    assert "canary" not in text
    config = body.pop("config")
    assert (config["id"], config["url"], config["api_key"]) == ("fake", model.url, "**********")
    assert body == {
        "api": "inference",
        "health": {"status": "OK", "message": None},
        "provider_id": "fake",
        "provider_type": "remote::openai",
    }


@requirement("providers:one")
async def test_a_store_of_knowledge_is_a_provider(tmp_path: Path) -> None:
    more = f"rag: {{stores: [{{name: manual, path: {tmp_path}/manual.db}}, {{name: fake, path: {tmp_path}/fake.db}}]}}"
    async with openai_server() as model, running(configuration(model.url, tmp_path, more=more), tmp_path) as service:
        async with service.http.get("/v1/providers/manual") as response:
            body = await response.json()
        assert (body["api"], body["provider_type"]) == ("vector_io", "inline::sqlite")
        assert body["config"] == {"name": "manual", "path": f"{tmp_path}/manual.db"}
        assert body["health"]["status"] == "Error", "there is no such file"
        async with service.http.get("/v1/providers/fake") as response:
            assert (await response.json())["api"] == "inference", "the first of the list that /v1/providers shows"


@requirement("providers:one")
async def test_a_provider_that_is_ill(stand: Stand) -> None:
    stand.model.models_refusal = UNAUTHORIZED
    async with stand.http.get("/v1/providers/fake") as response:
        assert response.status == 200
        health = (await response.json())["health"]
    assert health["status"] == "Error"
    assert "refused the configured credentials" in health["message"]


@requirement("providers:unknown")
@pytest.mark.parametrize(
    ("given", "told"),
    [("nope", "nope"), ("a%00b", "a\0b"), ("x" * 5000, "x" * 200 + "…"), ("%20", " "), ("%F0%9F", "\ufffd")],
)
async def test_a_provider_that_is_not_there(stand: Stand, given: str, told: str) -> None:
    async with stand.http.get(f"/v1/providers/{given}") as response:
        assert response.status == 404
        assert await response.json() == {"detail": {"response": f"Provider with id '{told}' not found"}}


@requirement("models:failure")
async def test_a_list_of_models_that_cannot_be_had(stand: Stand) -> None:
    stand.model.models_refusal = UNAUTHORIZED
    async with stand.http.get("/v1/models") as response:
        assert response.status == 500
        assert await response.json() == {
            "detail": {
                "response": "Unable to retrieve list of models",
                "cause": "The model provider refused the configured credentials.",
            }
        }


@requirement("models:failure")
async def test_models_of_a_server_that_is_away(tmp_path: Path) -> None:
    async with running(configuration("http://127.0.0.1:1/v1", tmp_path), tmp_path) as service:
        async with service.http.get("/v1/models") as response:
            assert response.status == 500
            assert (await response.json())["detail"]["response"] == "Unable to connect to the model provider"


@requirement("tools:list", "shields:list")
async def test_nothing_is_listed_where_there_is_nothing(stand: Stand) -> None:
    for name in ("tools", "shields"):
        async with stand.http.get(f"/v1/{name}") as response:
            assert (response.status, await response.json()) == (200, {name: []})


@requirement("tools:list", "shields:list", "providers:one")
async def test_lists_need_their_actions(tmp_path: Path) -> None:
    rules = "authorization: {access_rules: [{role: '*', actions: [info]}]}"
    async with openai_server() as model, running(configuration(model.url, tmp_path, more=rules), tmp_path) as service:
        for path, action in (
            ("/v1/tools", "GET_TOOLS"),
            ("/v1/shields", "GET_SHIELDS"),
            ("/v1/providers/nope", "GET_PROVIDER"),
        ):
            async with service.http.get(path) as response:
                assert response.status == 403
                told = {"detail": f"Insufficient permissions for action: Action.{action}"}
                assert await response.json() == told


@requirement("problems:allow")
@pytest.mark.parametrize(
    ("method", "path", "methods"),
    [
        ("POST", "/v1/conversations/nope", "DELETE, GET"),
        ("POST", "/v2/conversations/nope/", "DELETE, GET, PUT"),
        ("DELETE", "/v1/feedback/status", "GET, PUT"),
        ("OPTIONS", "/readiness", "GET, HEAD"),
        ("HEAD", "/v1/models", "GET"),
        ("GET", "/v1/query", "POST"),
    ],
)
async def test_a_wrong_method_is_told_all_that_are_right(stand: Stand, method: str, path: str, methods: str) -> None:
    async with stand.http.request(method, path) as response:
        assert (response.status, response.headers["Allow"]) == (405, methods)
        if method != "HEAD":
            assert await response.json() == {"detail": "Method Not Allowed"}


DEEP = 100_000
BODIES = {
    "deep": b'{"query": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "deep-objects": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "hardly-deep": b'{"query": ' + b"[" * 400 + b"]" * 400 + b"}",
    "nan": b'{"query": NaN}',
    "infinite": b'{"query": [1e999, -Infinity]}',
    "endless-number": b'{"query": ' + b"9" * 5000 + b"}",
    "nul": b'{"query": "a\\u0000b"}',
    "raw-nul": b'{"query": "a\0b"}',
    "surrogate": b'{"query": "\\ud83d"}',
    "not-utf-8": b'{"query": "\xff\xfe"}',
    "utf-16": '{"query": 1}'.encode("utf-16"),
    "nul-key": b'{"\\u0000": 1}',
    "many-items": b'{"query": "?", "attachments": [' + b"0," * 100_000 + b"0]}",
    "many-fields": b'{"query": "?", "attachments": [{' + b",".join(b'"%d":0' % n for n in range(100_000)) + b"}]}",
    "many-keys": b'{"topic_summary": 1' + b"".join(b',"%d":0' % n for n in range(100_000)) + b"}",
    "empty": b"",
    "null": b"null",
    "text": b'"query"',
}


@requirement("problems:bodies")
@pytest.mark.parametrize("name", BODIES)
async def test_bodies_that_nobody_should_send(stand: Stand, name: str) -> None:
    path = "/v2/conversations/5e3d0c5e-6f0b-4a53-9d0f-7b1d2f4c8a10"
    for method, target in (("POST", "/v1/query"), ("POST", "/v1/streaming_query"), ("PUT", path)):
        headers = {"Content-Type": "application/json"}
        async with stand.http.request(method, target, data=BODIES[name], headers=headers) as response:
            assert response.status in {400, 422}
            text = await response.text()
        assert len(text) < 40_000
        json.loads(text, parse_constant=pytest.fail)

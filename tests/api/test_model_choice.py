"""Who may choose a model, and under which name what was used is kept and counted (rest-api.md 1.3, 1.8)."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.servers.openai_server import Script, openai_server
from tests.servers.service import configuration, running
from tests.spec.registry import requirement

type Json = dict[str, Any]

RULES = "authorization: {access_rules: [{role: '*', actions: [query, streaming_query, info]}]}"


@requirement("admit:override")
@pytest.mark.parametrize("path", ["/v1/query", "/v1/streaming_query"])
@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 200),
        ({"model": None, "provider": None}, 200),
        ({"model": "fake-llm", "provider": "fake"}, 403),
        ({"model": "gone", "provider": "fake"}, 403),
        ({"model": ""}, 403),
        ({"provider": ""}, 403),
    ],
)
async def test_who_may_not_choose_may_not_name(tmp_path: Path, path: str, fields: Json, status: int) -> None:
    async with openai_server() as model, running(configuration(model.url, tmp_path, more=RULES), tmp_path) as service:
        async with service.http.post(path, json={"query": "?", **fields}) as response:
            assert response.status == status
            if status == 403:
                detail = (await response.json())["detail"]
                assert set(detail) == {"response"}
                assert "MODEL_OVERRIDE" in detail["response"]


@requirement("admit:label", "usage:truncated")
async def test_the_name_without_its_provider_is_kept_and_counted(tmp_path: Path) -> None:
    async with openai_server(Script(("Hi",), finish_reason="length"), models=("fake-llm", "other")) as model:
        async with running(configuration(model.url, tmp_path), tmp_path) as service:
            body = {"query": "?", "model": "fake/other", "provider": "fake"}
            async with service.http.post("/v1/query", json=body) as response:
                answer = await response.json()
            follow_up = {"query": "?", "conversation_id": answer["conversation_id"]}
            async with service.http.post("/v1/streaming_query", json=follow_up) as response:
                stream = await response.read()
            async with service.http.get("/metrics") as response:
                assert 'ls_llm_calls_total{model="other",provider="fake"} 2.0' in await response.text()
    assert answer["truncated"] is True
    assert b'"truncated": true' in stream
    assert [chat["model"] for chat in model.chats] == ["other", "other"], "a conversation keeps its model"
    with sqlite3.connect(tmp_path / "conversations.db") as connection:
        assert connection.execute("SELECT last_used_provider, last_used_model FROM user_conversation").fetchall() == [
            ("fake", "other")
        ]
        assert connection.execute("SELECT provider, model, truncated FROM lightspeed_turn").fetchall() == [
            ("fake", "other", 1),
            ("fake", "other", 1),
        ]
    connection.close()

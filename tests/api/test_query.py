"""``POST /v1/query`` as its clients see it."""

import io
import json
import logging
import uuid
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.api.conftest import Stand
from tests.servers.openai_server import (
    CONTEXT_LENGTH_EXCEEDED,
    RATE_LIMITED,
    SERVER_ERROR,
    UNAUTHORIZED,
    Refusal,
    Script,
    ScriptedCall,
    openai_server,
)
from tests.servers.service import configuration, running
from tests.spec.registry import requirement

type Json = dict[str, Any]


async def ask(stand: Stand, query: str = "Hello?", **fields: object) -> tuple[int, Json]:
    async with stand.http.post("/v1/query", json={"query": query, **fields}) as response:
        assert response.content_type == "application/json"
        return response.status, await response.json()


@requirement("query:response")
async def test_an_answer_has_all_fields_of_the_contract(stand: Stand) -> None:
    stand.model.scripts = Script(("Hello", " world"), usage=(11, 12))
    status, body = await ask(stand)
    assert status == 200
    assert str(uuid.UUID(body.pop("conversation_id")))
    assert body == {
        "response": "Hello world",
        "rag_chunks": [],
        "tool_calls": [],
        "tool_results": [],
        "referenced_documents": [],
        "truncated": False,
        "input_tokens": 11,
        "output_tokens": 12,
        "available_quotas": {},
    }


@requirement("query:follow-up")
async def test_a_follow_up_knows_what_was_said(stand: Stand) -> None:
    stand.model.scripts = [Script(("One.",)), Script(("Two.",))]
    _, first = await ask(stand, "First?")
    # Every spelling of the id is the same conversation.
    status, second = await ask(stand, "Second?", conversation_id=first["conversation_id"].replace("-", "").upper())
    assert (status, second["conversation_id"]) == (200, first["conversation_id"])
    assert [(it["role"], it["content"]) for it in stand.model.chats[1]["messages"]] == [
        ("system", "You are a helpful assistant"),
        ("user", "First?"),
        ("assistant", "One."),
        ("user", "Second?"),
    ]


@requirement("query:keeps-prompt")
async def test_a_conversation_keeps_its_system_prompt(stand: Stand) -> None:
    _, first = await ask(stand, system_prompt="Be brief.")
    await ask(stand, system_prompt="Be long.", conversation_id=first["conversation_id"])
    assert [chat["messages"][0]["content"] for chat in stand.model.chats] == ["Be brief.", "Be brief."]


@requirement("query:unknown-fields")
async def test_unknown_fields_are_ignored(stand: Stand) -> None:
    assert (await ask(stand, mode="troubleshooting"))[0] == 200


@requirement("query:short-way")
@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "application/x+json"])
async def test_all_kinds_of_json_are_read_alike(stand: Stand, content_type: str) -> None:
    stand.model.scripts = Script(("Hi",), usage=(1, 1))
    data = b'{"query": "Hello?", "no_tools": "yes", "extra": {"a": [1]}}'
    async with stand.http.post("/v1/query", data=data, headers={"Content-Type": content_type}) as response:
        assert response.status == 200
        assert (await response.json())["response"] == "Hi"
    assert stand.model.chats[0]["messages"][-1] == {"role": "user", "content": "Hello?"}


@requirement("query:unknown-conversation")
async def test_an_unknown_conversation_is_not_found(stand: Stand) -> None:
    status, body = await ask(stand, conversation_id=str(uuid.uuid4()))
    assert status == 404
    assert body == {
        "detail": {"response": "Conversation not found", "cause": "The requested conversation does not exist."}
    }
    assert stand.model.chats == []


@requirement("query:foreign-conversation")
async def test_a_conversation_of_somebody_else_is_not_found(stand: Stand) -> None:
    async with stand.http.post("/v1/query?user_id=alice", json={"query": "Mine?"}) as response:
        conversation_id = (await response.json())["conversation_id"]
    body = {"query": "Mine?", "conversation_id": conversation_id}
    async with stand.http.post("/v1/query?user_id=bob", json=body) as response:
        assert response.status == 404
    async with stand.http.post("/v1/query?user_id=alice", json=body) as response:
        assert response.status == 200


INVALID = [
    ({}, ["body", "query"], "missing", "Field required"),
    ({"query": 1}, ["body", "query"], "string_type", "Input should be a valid string"),
    ({"query": ""}, ["body", "query"], "value_error", "Value error, query is empty; write a question into it"),
    ({"query": " \n"}, ["body", "query"], "value_error", "Value error, query is empty; write a question into it"),
    (
        {"query": "?", "conversation_id": "nope"},
        ["body", "conversation_id"],
        "value_error",
        "Value error, Improper conversation ID 'nope'",
    ),
    (
        {"query": "?", "provider": "p"},
        ["body"],
        "value_error",
        "Value error, Model must be specified if provider is specified",
    ),
    (
        {"query": "?", "model": "m"},
        ["body"],
        "value_error",
        "Value error, Provider must be specified if model is specified",
    ),
    (
        {"query": "?", "media_type": "text/html"},
        ["body"],
        "value_error",
        "Value error, media_type must be either 'application/json' or 'text/plain'",
    ),
    (
        {
            "query": "?",
            "attachments": [{"attachment_type": "log", "content_type": "text/plain", "content": "x", "y": 1}],
        },
        ["body", "attachments", 0, "y"],
        "extra_forbidden",
        "Extra inputs are not permitted",
    ),
]


@requirement("query:validation")
@pytest.mark.parametrize("path", ["/v1/query", "/v1/streaming_query"])
@pytest.mark.parametrize(("body", "loc", "kind", "message"), INVALID)
async def test_an_invalid_body_names_the_field(
    stand: Stand, path: str, body: Json, loc: list[str | int], kind: str, message: str
) -> None:
    async with stand.http.post(path, json=body) as response:
        assert response.status == 422
        (problem,) = (await response.json())["detail"]
    assert (problem["loc"], problem["type"], problem["msg"]) == (loc, kind, message)


@requirement("query:validation")
@pytest.mark.parametrize("path", ["/v1/query", "/v1/streaming_query"])
async def test_malformed_json_is_told(stand: Stand, path: str) -> None:
    async with stand.http.post(path, data=b'{"query": ', headers={"Content-Type": "application/json"}) as response:
        assert response.status == 422
        assert (await response.json())["detail"][0]["type"] == "json_invalid"


@requirement("query:too-long")
@pytest.mark.parametrize("path", ["/v1/query", "/v1/streaming_query"])
async def test_a_question_of_a_megabyte_is_refused(stand: Stand, path: str) -> None:
    async with stand.http.post(path, json={"query": "x" * 1_000_000}) as response:
        assert response.status == 413
        detail = (await response.json())["detail"]
    assert detail["response"] == "Prompt is too long"
    assert "1000000 characters" in detail["cause"]
    assert "inference.max_question_length" in detail["cause"]
    assert stand.model.chats == []


@requirement("query:too-long")
async def test_a_huge_body_is_refused_before_it_is_read(stand: Stand) -> None:
    async def endless() -> Any:
        for _ in range(80):
            yield b" " * 65_536

    for data in (io.BytesIO(b" " * 5_000_000), endless()):
        async with stand.http.post("/v1/query", data=data) as response:
            assert response.status == 413
            assert "service.max_body_size" in (await response.json())["detail"]["cause"]


@requirement("query:attachments")
async def test_attachments_reach_the_model(stand: Stand) -> None:
    attachment = {"attachment_type": "log", "content_type": "application/json", "content": '{"level": "error"}'}
    assert (await ask(stand, "Why?", attachments=[attachment]))[0] == 200
    assert '{"level": "error"}' in stand.model.chats[0]["messages"][-1]["content"]


@requirement("query:attachments")
async def test_attachments_of_an_unknown_kind_are_refused(stand: Stand) -> None:
    attachment = {"attachment_type": "virus", "content_type": "text/plain", "content": "x"}
    status, body = await ask(stand, attachments=[attachment])
    assert status == 422
    assert body == {
        "detail": {
            "response": "Unable to process this request",
            "cause": "Attachment with improper type virus detected",
        }
    }


@requirement("query:model-not-found")
@pytest.mark.parametrize(("model", "provider"), [("nope", "fake"), ("fake-llm", "nope")])
async def test_a_model_that_is_not_offered_is_refused(stand: Stand, model: str, provider: str) -> None:
    status, body = await ask(stand, model=model, provider=provider)
    assert status == 400
    assert body["detail"] == {
        "response": "Unable to process this request",
        "cause": f"Model {model} from provider {provider} not found in available models",
    }


@requirement("query:model-chosen")
@pytest.mark.parametrize("model", ["other", "fake/other"])
async def test_the_model_of_the_request_answers(tmp_path: Path, model: str) -> None:
    async with openai_server(models=("fake-llm", "other")) as server:
        async with running(configuration(server.url, tmp_path), tmp_path) as service:
            async with service.http.post(
                "/v1/query", json={"query": "?", "model": model, "provider": "fake"}
            ) as response:
                assert response.status == 200
    assert server.chats[0]["model"] == "other"


FAILURES = [
    (Refusal(503, "Loading"), 500, "Unable to connect to the model provider", "The model provider is not ready."),
    (UNAUTHORIZED, 500, "Unable to get an answer from the model", "refused the configured credentials"),
    (CONTEXT_LENGTH_EXCEEDED, 413, "Prompt is too long", "context window"),
    (RATE_LIMITED, 429, "The model provider is busy", "limits requests"),
    (SERVER_ERROR, 500, "Unable to get an answer from the model", "reported an error"),
]


@requirement("query:provider-failures")
@pytest.mark.parametrize("path", ["/v1/query", "/v1/streaming_query"])
@pytest.mark.parametrize(("refusal", "status", "told", "cause"), FAILURES)
async def test_a_provider_that_refuses_is_told_with_a_real_status(
    stand: Stand, path: str, refusal: Refusal, status: int, told: str, cause: str
) -> None:
    stand.model.scripts = Script(refusal=refusal)
    async with stand.http.post(path, json={"query": "?"}) as response:
        assert (response.status, response.content_type) == (status, "application/json")
        detail = (await response.json())["detail"]
        assert response.headers.get("Retry-After") == ("7" if status == 429 else None)
    assert detail["response"] == told
    assert cause in detail["cause"]


@requirement("query:provider-unreachable")
@pytest.mark.parametrize("path", ["/v1/query", "/v1/streaming_query"])
async def test_a_provider_that_is_gone_is_told(tmp_path: Path, path: str) -> None:
    async with openai_server() as server:
        gone = server.url
    async with running(configuration(gone, tmp_path), tmp_path) as service:
        async with service.http.post(path, json={"query": "?"}) as response:
            assert response.status == 500
            assert (await response.json())["detail"] == {
                "response": "Unable to connect to the model provider",
                "cause": "Connection error.",
            }


@requirement("query:partial-failure")
async def test_half_an_answer_is_not_given_as_an_answer(stand: Stand) -> None:
    stand.model.scripts = Script(("Half", " of it"), cut_after=1)
    status, body = await ask(stand)
    assert (status, body["detail"]["cause"]) == (500, "Connection error.")


@requirement("query:unoffered-tools")
async def test_a_model_that_calls_tools_unasked_is_answered(stand: Stand) -> None:
    stand.model.scripts = [Script((), tool_calls=(ScriptedCall("c1", "rm", '{"all": true}'),)), Script(("No.",))]
    _, body = await ask(stand)
    assert body["response"] == "No."
    assert body["tool_calls"] == [
        {
            "tool_name": "rm",
            "arguments": {"all": True},
            "result": {"response": "Unknown tool `rm` was called."},
            "id": "c1",
            "name": "rm",
            "args": {"all": True},
            "type": "tool_call",
            "server_name": None,
        }
    ]


@requirement("query:leaving")
async def test_a_client_that_leaves_stops_the_model_and_what_was_said_is_kept(stand: Stand) -> None:
    _, first = await ask(stand, "First?")
    stand.model.scripts = Script(("Half", " of it"), hang_after=1)
    stand.model.hanging = anyio.Event()
    async with anyio.create_task_group() as tasks:
        body = {"conversation_id": first["conversation_id"]}
        tasks.start_soon(lambda: ask(stand, "Second?", **body))
        with anyio.fail_after(10):
            await stand.model.hanging.wait()
        tasks.cancel_scope.cancel()
    with anyio.fail_after(10):
        await stand.model.cancelled.wait()
    stand.model.scripts = Script(("Three.",))
    said: list[str] = []
    for _ in range(100):  # the turn is recorded after the client is gone
        await ask(stand, "Third?", **body)
        said = [it["content"] for it in stand.model.chats[-1]["messages"]]
        if "Half" in said:
            break
    assert said[3:5] == ["Second?", "Half"]


@requirement("query:nothing-logged")
@pytest.mark.parametrize("path", ["/v1/query", "/v1/streaming_query"])
async def test_neither_questions_nor_answers_nor_keys_are_logged(
    tmp_path: Path, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    scripts = [
        Script(("canary-answer",)),
        Script(("canary-answer",), cut_after=1),
        Script(refusal=Refusal(400, "canary-refusal")),
        Script(error_after=0, error_message="canary-error"),
    ]
    async with openai_server(scripts, api_key="canary-key") as model:
        yaml = configuration(model.url, tmp_path, inference="      api_key: canary-key")
        async with running(yaml, tmp_path) as service:
            for _ in scripts:
                body = {"query": "canary-question", "system_prompt": "canary-prompt"}
                headers = {"Authorization": "Bearer canary-token"}
                async with service.http.post(path, json=body, headers=headers) as response:
                    text = await response.text()
                assert "canary-refusal" not in text
                assert "canary-error" not in text
                assert "canary-key" not in text
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("lightspeed", "uvicorn"))]
    assert ours
    assert not [line for line in ours if "canary" in line]


@requirement("query:surrogates")
async def test_text_that_is_no_unicode_is_answered(stand: Stand) -> None:
    async with stand.http.post(
        "/v1/query", data=json.dumps({"query": "lone \ud800 surrogate"}), headers={"Content-Type": "application/json"}
    ) as response:
        assert response.status == 422
        assert "lone surrogate" in (await response.json())["detail"][0]["msg"]

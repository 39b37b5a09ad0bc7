"""rest-api.md 1.1 to 1.4: what ``POST /v1/query`` takes, gives and refuses."""

import uuid
from typing import Any

import pytest

from tests.blackbox.stand import HELLO, UNKNOWN, Answer, Serving, Stand, detail
from tests.servers.openai_server import (
    CONTEXT_LENGTH_EXCEEDED,
    MODEL_NOT_FOUND,
    RATE_LIMITED,
    SERVER_ERROR,
    UNAUTHORIZED,
    Refusal,
    Script,
)
from tests.spec.registry import requirement
from tests.telemetry.scraping import scrape

type Json = dict[str, Any]

EMPTY = "Value error, query is empty; write a question into it"
NO_STRING = "Input should be a valid string"
MEDIA_TYPE = "Value error, media_type must be either 'application/json' or 'text/plain'"
LOG: Json = {"attachment_type": "log", "content_type": "text/plain", "content": "disk full"}
NOT_FOUND = "The requested conversation does not exist."


def attached(**fields: object) -> Json:
    return {"attachments": [{**LOG, **fields}]}


# 1.1: request


@requirement("rest:2:request")
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"query": "\N{SNOWMAN}" * 1000}, marks=requirement("rest:1.1:query"), id="query"),
        pytest.param({"conversation_id": ""}, marks=requirement("rest:1.1:conversation_id"), id="no-conversation"),
        pytest.param({"conversation_id": None}, marks=requirement("rest:1.1:conversation_id"), id="null-conversation"),
        pytest.param({"provider": None, "model": ""}, marks=requirement("rest:1.1:provider"), id="no-provider"),
        pytest.param({"provider": "", "model": None}, marks=requirement("rest:1.1:model"), id="no-model"),
        pytest.param({"provider": "fake", "model": "other"}, marks=requirement("rest:1.1:model"), id="model"),
        pytest.param({"system_prompt": None}, marks=requirement("rest:1.1:system_prompt"), id="no-prompt"),
        pytest.param({"system_prompt": "Be brief."}, marks=requirement("rest:1.1:system_prompt"), id="prompt"),
        pytest.param({"attachments": None}, marks=requirement("rest:1.1:attachments"), id="no-attachments"),
        pytest.param({"attachments": []}, marks=requirement("rest:1.1:attachments"), id="empty-attachments"),
        pytest.param({"attachments": [LOG, LOG]}, marks=requirement("rest:1.1:attachments"), id="attachments"),
        pytest.param({"no_tools": None}, marks=requirement("rest:1.1:no_tools"), id="null-no_tools"),
        pytest.param({"no_tools": True}, marks=requirement("rest:1.1:no_tools"), id="no_tools"),
        pytest.param({"no_tools": "yes"}, marks=requirement("rest:1.1:no_tools"), id="lax-no_tools"),
        pytest.param({"media_type": None}, marks=requirement("rest:1.1:media_type"), id="no-media-type"),
        pytest.param({"media_type": ""}, marks=requirement("rest:1.1:media_type"), id="empty-media-type"),
        pytest.param({"media_type": "text/plain"}, marks=requirement("rest:1.1:media_type"), id="media-type"),
        pytest.param({"mode": "ask", "x": [1]}, marks=requirement("rest:1.1:unknown-fields"), id="unknown-fields"),
    ],
)
async def test_fields_that_are_taken(stand: Stand, fields: Json) -> None:
    answer = await stand.call("POST", "/v1/query", {"query": "?", **fields})
    assert (answer.status, answer.content_type) == (200, "application/json"), "media_type is for streams only"
    assert (await stand.call("POST", "/v1/streaming_query", {"query": "?", **fields})).status == 200


@requirement("rest:2:request")
@pytest.mark.parametrize(
    ("fields", "loc", "message"),
    [
        pytest.param({"query": 1}, ["query"], NO_STRING, marks=requirement("rest:1.1:query"), id="query"),
        pytest.param({"query": None}, ["query"], NO_STRING, marks=requirement("rest:1.1:query"), id="null-query"),
        pytest.param({"query": ""}, ["query"], EMPTY, marks=requirement("rest:1.1:query"), id="empty-query"),
        pytest.param(
            {"conversation_id": "no-id"},
            ["conversation_id"],
            "Value error, Improper conversation ID 'no-id'",
            marks=requirement("rest:1.1:conversation_id"),
            id="conversation_id",
        ),
        pytest.param(
            {"provider": "fake"},
            [],
            "Value error, Model must be specified if provider is specified",
            marks=requirement("rest:1.1:provider"),
            id="provider",
        ),
        pytest.param(
            {"model": "other", "provider": ""},
            [],
            "Value error, Provider must be specified if model is specified",
            marks=requirement("rest:1.1:model"),
            id="model",
        ),
        pytest.param(
            {"system_prompt": 1},
            ["system_prompt"],
            NO_STRING,
            marks=requirement("rest:1.1:system_prompt"),
            id="system_prompt",
        ),
        pytest.param(
            {"attachments": LOG},
            ["attachments"],
            "Input should be a valid list",
            marks=requirement("rest:1.1:attachments"),
            id="attachments",
        ),
        pytest.param(
            {"no_tools": "perhaps"},
            ["no_tools"],
            "Input should be a valid boolean, unable to interpret input",
            marks=requirement("rest:1.1:no_tools"),
            id="no_tools",
        ),
        pytest.param(
            {"media_type": "text/html"}, [], MEDIA_TYPE, marks=requirement("rest:1.1:media_type"), id="media_type"
        ),
        pytest.param(
            {"attachments": [{"content_type": "text/plain", "content": ""}]},
            ["attachments", 0, "attachment_type"],
            "Field required",
            marks=requirement("rest:1.1:attachment"),
            id="attachment_type",
        ),
        pytest.param(
            attached(content_type=None),
            ["attachments", 0, "content_type"],
            NO_STRING,
            marks=requirement("rest:1.1:attachment"),
            id="content_type",
        ),
        pytest.param(
            attached(content={}),
            ["attachments", 0, "content"],
            NO_STRING,
            marks=requirement("rest:1.1:attachment"),
            id="content",
        ),
        pytest.param(
            attached(name="x"),
            ["attachments", 0, "name"],
            "Extra inputs are not permitted",
            marks=requirement("rest:1.1:attachment"),
            id="unknown-field",
        ),
    ],
)
async def test_fields_that_are_refused(stand: Stand, fields: Json, loc: list[Any], message: str) -> None:
    for path in ("/v1/query", "/v1/streaming_query"):
        problem = (await stand.call("POST", path, {"query": "?", **fields})).problem
        assert (problem["loc"], problem["msg"]) == (["body", *loc], message)
    assert stand.model.chats == []


@requirement("rest:1.1:query-length")
async def test_a_question_over_the_configured_length(stand: Stand) -> None:
    answer = await stand.query("x" * 131_073)
    assert (answer.status, answer.detail["response"]) == (413, "Prompt is too long")


@requirement("rest:1.1:conversation_id-spelling")
async def test_every_spelling_of_a_conversation_id(stand: Stand) -> None:
    id_ = (await stand.ask())["conversation_id"]
    for spelling in (id_.replace("-", ""), id_.upper(), f"{{{id_}}}", f"urn:uuid:{id_}"):
        assert (await stand.ask(conversation_id=spelling))["conversation_id"] == id_
    for later in ("0" * 48, f"conv_{'0' * 48}"):
        assert (await stand.query(conversation_id=later)).status == 404, "a well-formed id of later releases"


# 1.2: response


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("response", "Hello you", marks=requirement("rest:1.2:response")),
        pytest.param("rag_chunks", [], marks=requirement("rest:1.2:rag_chunks")),
        pytest.param("tool_calls", [], marks=requirement("rest:1.2:tool_calls")),
        pytest.param("referenced_documents", [], marks=requirement("rest:1.2:referenced_documents")),
        pytest.param("truncated", False, marks=requirement("rest:1.2:truncated")),
        pytest.param("input_tokens", 11, marks=requirement("rest:1.2:input_tokens")),
        pytest.param("output_tokens", 12, marks=requirement("rest:1.2:output_tokens")),
        pytest.param("available_quotas", {}, marks=requirement("rest:1.2:available_quotas")),
    ],
)
async def test_what_an_answer_holds(stand: Stand, field: str, value: object) -> None:
    assert (await stand.ask())[field] == value


@requirement("rest:1.2:conversation_id")
async def test_an_answer_tells_its_conversation(stand: Stand) -> None:
    first, second = await stand.ask(), await stand.ask()
    assert str(uuid.UUID(first["conversation_id"])) == first["conversation_id"] != second["conversation_id"]


@requirement("rest:1.2:response", "rest:1.2:truncated")
async def test_answers_that_are_empty_or_cut(stand: Stand) -> None:
    stand.model.scripts = Script(())
    assert (await stand.ask())["response"] == ""
    stand.model.scripts = Script(("Half",), finish_reason="length")
    assert (await stand.ask())["truncated"] is True


# 1.3: errors


@requirement("rest:1.3:authentication")
async def test_a_caller_who_is_nobody(stand: Stand) -> None:
    answer = await stand.of("\0").query()
    assert (answer.status, answer.body) == (400, {"detail": answer.detail})
    assert isinstance(answer.detail, str)


@requirement("rest:1.3:action", "rest:1.3:override")
async def test_a_caller_who_may_not(serving: Serving) -> None:
    rules = {"access_rules": [{"role": "*", "actions": ["streaming_query"]}]}
    async with serving(authorization=rules) as stand:
        told = {"detail": "Insufficient permissions for action: Action.QUERY"}
        assert (await stand.query()).told == (403, told)
        for field in ("model", "provider"):
            answer = await stand.query(at="/v1/streaming_query", **{field: ""})
            assert (answer.status, set(answer.detail)) == (403, {"response"})
            for word in ("MODEL_OVERRIDE", "model and provider fields"):
                assert word in answer.detail["response"]


@requirement("rest:1.3:unknown-conversation")
async def test_a_conversation_that_is_not_the_callers(stand: Stand) -> None:
    theirs = (await stand.of(f"{stand.user}-2").ask())["conversation_id"]
    for id_ in (UNKNOWN, theirs):
        answer = await stand.query(conversation_id=id_)
        assert answer.told == (404, detail("Conversation not found", NOT_FOUND))


@requirement("rest:1.3:no-session")
async def test_a_conversation_whose_text_is_in_a_llama_stack_goes_on_without_it(stand: Stand) -> None:
    id_ = str(uuid.uuid4())
    stand.place.execute(
        "INSERT INTO user_conversation (id, user_id, last_used_model, last_used_provider, message_count, topic_summary)"
        " VALUES (?, ?, 'other', 'fake', 3, 'Old Topic')",
        id_,
        stand.user,
    )
    assert (await stand.ask("And now?", conversation_id=id_))["conversation_id"] == id_
    assert [it["role"] for it in stand.asked] == ["system", "user"]
    entry = await stand.entry(id_)
    assert (entry["message_count"], entry["topic_summary"]) == (4, "Old Topic")


@requirement("rest:1.3:unknown-model")
@pytest.mark.parametrize(("model", "provider"), [("nope", "fake"), ("other", "nope"), ("OTHER", "fake")])
async def test_a_model_that_is_not_offered(stand: Stand, model: str, provider: str) -> None:
    cause = f"Model {model} from provider {provider} not found in available models"
    answer = await stand.query(model=model, provider=provider)
    assert answer.told == (400, detail("Unable to process this request", cause))


@requirement("rest:1.3:no-model")
async def test_no_model_at_all(serving: Serving) -> None:
    async with serving(models=(), inference={"default_provider": None, "default_model": None}) as stand:
        answer = await stand.query()
    assert answer.told == (400, detail("Unable to process this request", "No LLM model found in available models"))


@requirement("rest:1.3:attachment")
async def test_an_attachment_of_a_kind_that_is_not_allowed(stand: Stand) -> None:
    answer = await stand.query(**attached(attachment_type="virus"))
    cause = "Attachment with improper type virus detected"
    assert answer.told == (422, detail("Unable to process this request", cause))


@requirement("rest:1.3:system-prompt")
async def test_a_system_prompt_that_is_not_allowed(serving: Serving) -> None:
    async with serving(customization={"disable_query_system_prompt": True}) as stand:
        answer = await stand.query(system_prompt="Be brief.")
    assert (answer.status, set(answer.detail)) == (422, {"response"})


@requirement("rest:1.3:validation")
async def test_a_body_that_is_not_valid(stand: Stand) -> None:
    assert (await stand.query(1)).problem["loc"] == ["body", "query"]


@requirement("rest:1.3:unreachable")
async def test_a_provider_that_is_gone_is_told_and_counted(serving: Serving) -> None:
    async with serving(model_url="http://127.0.0.1:9/v1") as stand:
        answer = await stand.query()
        assert answer.told == (500, detail("Unable to connect to the model provider", "Connection error."))
        assert (await scrape(stand.http)).value("ls_llm_calls_failures_total") == 1


FAILED = "Unable to get an answer from the model"


@requirement("rest:1.3:other-failure")
@pytest.mark.parametrize(
    ("script", "status", "response"),
    [
        (Script(refusal=UNAUTHORIZED), 500, FAILED),
        (Script(refusal=MODEL_NOT_FOUND), 400, "Unable to process this request"),
        (Script(refusal=CONTEXT_LENGTH_EXCEEDED), 413, "Prompt is too long"),
        (Script(refusal=RATE_LIMITED), 429, "The model provider is busy"),
        (Script(refusal=SERVER_ERROR), 500, FAILED),
        (Script(refusal=Refusal(418, "canary")), 500, FAILED),
        (Script(refusal=Refusal(200, "", body="canary")), 500, FAILED),
        (Script(error_after=1, error_message="canary"), 500, FAILED),
        (Script(cut_after=1), 500, "Unable to connect to the model provider"),
        (Script(garbage_after=1), 500, FAILED),
    ],
    ids=["key", "model", "length", "busy", "5xx", "4xx", "no-stream", "in-band", "cut", "garbage"],
)
async def test_every_other_failure_is_told_in_json(stand: Stand, script: Script, status: int, response: str) -> None:
    stand.model.scripts = script
    answer = await stand.query("canary?")
    assert (answer.status, answer.detail["response"]) == (status, response)
    assert b"canary" not in answer.raw
    stand.model.scripts = HELLO
    await stand.ask()


# 1.4: attachments

TYPES = ["alert", "api object", "configuration", "error message", "event", "log", "stack trace"]
CONTENT_TYPES = ["text/plain", "application/json", "application/yaml", "application/xml"]


@pytest.mark.parametrize(
    "fields",
    [
        *(pytest.param({"attachment_type": it}, marks=requirement("rest:1.4:types"), id=it) for it in TYPES),
        *(
            pytest.param({"content_type": it}, marks=requirement("rest:1.4:content-types"), id=it)
            for it in CONTENT_TYPES
        ),
    ],
)
async def test_kinds_of_attachments_that_are_taken(stand: Stand, fields: Json) -> None:
    content = '{"a": "<b>\\n"}'
    await stand.ask("Why?", **attached(**fields, content=content))
    assert content in stand.asked[-1]["content"]


@requirement("rest:1.4:order")
@pytest.mark.parametrize(
    ("offences", "cause"),
    [
        ([{}, {"content_type": "a/b"}, {"attachment_type": "c"}], "improper content type a/b"),
        ([{"content_type": "a/b", "attachment_type": "c"}], "improper type c"),
        ([{"attachment_type": "Log"}], "improper type Log"),
        ([{"content_type": "text/plain; charset=utf-8"}], "improper content type text/plain; charset=utf-8"),
    ],
)
async def test_the_first_offence_is_told(stand: Stand, offences: list[Json], cause: str) -> None:
    answer = await stand.query(attachments=[{**LOG, **offence} for offence in offences])
    assert answer.told == (422, detail("Unable to process this request", f"Attachment with {cause} detected"))


@requirement("rest:1.4:late")
async def test_attachments_are_looked_at_last(serving: Serving) -> None:
    bad = attached(attachment_type="virus")

    def told(answer: Answer) -> str:
        return f"{answer.detail['response']} {answer.detail.get('cause')}"

    async with serving(customization={"disable_query_system_prompt": True}) as stand:
        assert "nope" in told(await stand.query(model="nope", provider="fake", system_prompt="?", **bad))
        assert "system prompt" in told(await stand.query(system_prompt="?", **bad))
        assert "virus" in told(await stand.query(**bad))


@requirement("rest:1.4:rendering")
async def test_attachments_stand_in_the_prompt_in_their_order(stand: Stand) -> None:
    await stand.ask("Why?", attachments=[{**LOG, "content": f"number {number}"} for number in range(3)])
    asked = stand.asked[-1]["content"]
    assert asked.index("number 0") < asked.index("number 1") < asked.index("number 2") < asked.index("Why?")


@requirement("rest:1.4:none")
async def test_a_question_without_attachments_is_asked_as_it_is(stand: Stand) -> None:
    await stand.ask("Why?", attachments=[])
    assert stand.asked[-1] == {"role": "user", "content": "Why?"}

"""``/v1/feedback`` and its status, over a real socket; one test for each row of the contract."""

import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.api.test_operations import scrape
from tests.servers.openai_server import openai_server
from tests.servers.service import configuration, running
from tests.spec.registry import requirement

TALK = "12345678-abcd-0000-0123-456789abcdef"
LATER = "0123456789abcdef" * 3
VALID = {"conversation_id": TALK, "user_question": "q", "llm_response": "r", "sentiment": 1}
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{6})?\+00:00"
STATUS_OFF = {"functionality": "feedback", "status": {"enabled": False}}
DISABLED = {"detail": "Forbidden: Feedback is disabled"}


@asynccontextmanager
async def serving(folder: Path, *, section: str | None = None, more: str = "") -> AsyncIterator[aiohttp.ClientSession]:
    section = section or f"{{feedback_enabled: true, feedback_storage: {folder}/feedback}}"
    async with openai_server() as model:
        yaml = configuration(model.url, folder, more=more)
        yaml = yaml.replace("user_data_collection: {}", f"user_data_collection: {section}")
        async with running(yaml, folder) as service:
            yield service.http


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    async with serving(tmp_path) as session:
        yield session


def stored(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in (folder / "feedback").glob("*.json")]


async def sent(http: aiohttp.ClientSession, **changes: object) -> tuple[int, Any]:
    async with http.post("/v1/feedback", json={**VALID, **changes}) as response:
        return response.status, await response.json()


async def switch(http: aiohttp.ClientSession, body: object) -> tuple[int, Any]:
    async with http.put("/v1/feedback/status?user_id=alice", json=body) as response:
        return response.status, await response.json()


async def is_on(http: aiohttp.ClientSession) -> bool:
    async with http.get("/v1/feedback/status") as response:
        assert response.status == 200
        body = await response.json()
    assert body == {"functionality": "feedback", "status": {"enabled": body["status"]["enabled"]}}
    return bool(body["status"]["enabled"])


@requirement("feedback:stored")
async def test_feedback_is_stored(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    async with http.post("/v1/feedback?user_id=alice", json=VALID) as response:
        assert (response.status, await response.json()) == (200, {"response": "feedback received"})
    (one,) = stored(tmp_path)
    assert re.fullmatch(TIME, one.pop("timestamp"))
    assert one == {
        "user_id": "alice",
        "conversation_id": TALK,
        "user_question": "q",
        "llm_response": "r",
        "sentiment": 1,
        "user_feedback": None,
        "categories": None,
    }


@requirement("feedback:stored")
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"sentiment": -1}, {"sentiment": -1}),
        ({"sentiment": "1"}, {"sentiment": 1}),
        ({"sentiment": None, "user_feedback": ""}, {"sentiment": None, "user_feedback": ""}),
        ({"user_feedback": "x" * 4096}, {"user_feedback": "x" * 4096}),
        ({"categories": []}, {"categories": None}),
        (
            {"sentiment": None, "categories": ["unsafe", "other", "unsafe"]},
            {"sentiment": None, "categories": ["unsafe", "other"]},
        ),
        (
            {"categories": ["incorrect", "not_relevant", "incomplete", "outdated_information", "unsafe", "other"]},
            {"categories": ["incorrect", "not_relevant", "incomplete", "outdated_information", "unsafe", "other"]},
        ),
        ({"conversation_id": TALK.replace("-", "")}, {"conversation_id": TALK.replace("-", "")}),
        ({"conversation_id": TALK.upper()}, {"conversation_id": TALK.upper()}),
        ({"conversation_id": f"conv_{LATER}"}, {"conversation_id": f"conv_{LATER}"}),
        ({"user_question": "", "llm_response": "ü"}, {"user_question": "", "llm_response": "ü"}),
        ({"user_question": "x" * 1_000_000}, {"user_question": "x" * 1_000_000}),
    ],
    ids=str,
)
async def test_what_is_kept_of_what_is_given(
    http: aiohttp.ClientSession, tmp_path: Path, given: dict[str, Any], kept: dict[str, Any]
) -> None:
    assert await sent(http, **given) == (200, {"response": "feedback received"})
    (one,) = stored(tmp_path)
    assert {key: one[key] for key in kept} == kept


NOTHING_SAID = "Value error, At least one form of feedback must be provided"


@requirement("feedback:invalid")
@pytest.mark.parametrize(
    ("given", "loc", "told"),
    [
        ({"conversation_id": "x-1"}, ["conversation_id"], "Value error, Improper conversation ID x-1"),
        ({"conversation_id": ""}, ["conversation_id"], "Value error, Improper conversation ID "),
        ({"sentiment": 0}, ["sentiment"], "Value error, Improper sentiment value of 0, needs to be -1 or 1"),
        ({"sentiment": 10**400}, ["sentiment"], "Value error, Improper sentiment value of 1000"),
        ({"user_feedback": "x" * 4097}, ["user_feedback"], "String should have at most 4096 characters"),
        ({"categories": ["helpful"]}, ["categories", 0], "Input should be 'incorrect', 'not_relevant'"),
        ({"categories": "unsafe"}, ["categories"], "Input should be a valid list"),
        ({"sentiment": None}, [], NOTHING_SAID),
        ({"sentiment": None, "categories": []}, [], NOTHING_SAID),
        ({"mode": "ask"}, ["mode"], "Extra inputs are not permitted"),
        ({"user_question": None}, ["user_question"], "Input should be a valid string"),
        ({"user_question": "a\0b"}, ["user_question"], "Value error, the text has a NUL character"),
        ({"llm_response": "\ud800"}, ["llm_response"], "Value error, the text is not Unicode"),
        ({"user_feedback": "\udfff"}, ["user_feedback"], "Input should be a valid string"),
    ],
    ids=[
        "no-id",
        "empty-id",
        "zero",
        "huge",
        "long",
        "category",
        "no-list",
        "nothing",
        "empty",
        "extra",
        "null",
        "nul",
        "surrogate",
        "half",
    ],
)
async def test_what_is_refused(
    http: aiohttp.ClientSession, tmp_path: Path, given: dict[str, Any], loc: list[str | int], told: str
) -> None:
    status, body = await sent(http, **given)
    assert status == 422
    (problem,) = body["detail"]
    assert problem["loc"] == ["body", *loc]
    assert problem["msg"].startswith(told)
    assert stored(tmp_path) == []


@requirement("feedback:invalid")
@pytest.mark.parametrize("field", ["conversation_id", "user_question", "llm_response"])
async def test_what_must_be_there(http: aiohttp.ClientSession, field: str) -> None:
    body = {key: value for key, value in VALID.items() if key != field}
    async with http.post("/v1/feedback", json=body) as response:
        assert response.status == 422
        (problem,) = (await response.json())["detail"]
    assert (problem["type"], problem["loc"]) == ("missing", ["body", field])


@requirement("feedback:order")
async def test_the_order_of_checks(tmp_path: Path) -> None:
    """Broken JSON, then the switch, then the fields, then the right."""
    rules = "authorization: {access_rules: [{role: '*', actions: [info]}]}"
    section = f"{{feedback_storage: {tmp_path}/feedback}}"
    json_type = {"Content-Type": "application/json"}
    async with serving(tmp_path, section=section, more=rules) as http:
        async with http.post("/v1/feedback", data="{", headers=json_type) as response:
            assert response.status == 422
            assert (await response.json())["detail"][0]["type"] == "json_invalid"
        async with http.post("/v1/feedback", json={}) as response:
            assert (response.status, await response.json()) == (403, DISABLED)
        assert await sent(http) == (403, DISABLED)
        assert (await switch(http, {"wrong": 1}))[0] == 422
        assert await switch(http, {"status": True}) == (
            403,
            {"detail": "Insufficient permissions for action: Action.ADMIN"},
        )
        assert not await is_on(http)
    section = f"{{feedback_enabled: true, feedback_storage: {tmp_path}/feedback}}"
    database = f"{tmp_path}/conversations.db"
    os.unlink(database)  # noqa: PTH108 - what the switch was set to
    async with serving(tmp_path, section=section, more=rules) as http:
        assert (await sent(http, sentiment=5))[0] == 422
        assert await sent(http) == (403, {"detail": "Insufficient permissions for action: Action.FEEDBACK"})
    assert stored(tmp_path) == []


@requirement("feedback:switch")
async def test_the_switch(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    assert await is_on(http)
    for body, previous, updated in [
        ({"status": False}, True, False),
        ({"status": False}, False, False),
        ({"status": True}, False, True),
        ({}, True, False),
        ({"status": "yes"}, False, True),
    ]:
        status, told = await switch(http, body)
        assert status == 200
        assert re.fullmatch(TIME, told["status"].pop("timestamp"))
        assert told == {"status": {"previous_status": previous, "updated_status": updated, "updated_by": "alice"}}
        assert await is_on(http) is updated
        assert (await sent(http))[0] == (200 if updated else 403)
    assert len(stored(tmp_path)) == 2


@requirement("feedback:switch")
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"status": "perhaps"}, "bool_parsing"),
        ({"status": None}, "bool_type"),
        ({"enabled": True}, "extra_forbidden"),
        ([], "model_attributes_type"),
    ],
)
async def test_a_switch_that_cannot_be_read_changes_nothing(
    http: aiohttp.ClientSession, body: object, kind: str
) -> None:
    status, told = await switch(http, body)
    assert (status, told["detail"][0]["type"]) == (422, kind)
    assert await is_on(http)


@requirement("feedback:switch:no-directory")
async def test_feedback_without_a_directory_cannot_be_switched_on(tmp_path: Path) -> None:
    async with serving(tmp_path, section="{}") as http:
        status, told = await switch(http, {"status": True})
        assert status == 422
        assert "user_data_collection.feedback_storage" in told["detail"]["cause"]
        assert told["detail"]["response"] == "Feedback cannot be switched on"
        assert not await is_on(http)
        assert await sent(http) == (403, DISABLED)
        assert (await switch(http, {"status": False}))[0] == 200
    assert stored(tmp_path) == []


@requirement("feedback:switch")
async def test_feedback_that_was_off_can_be_switched_on(tmp_path: Path) -> None:
    async with serving(tmp_path, section=f"{{feedback_storage: {tmp_path}/feedback}}") as http:
        assert not await is_on(http)
        assert await sent(http) == (403, DISABLED)
        assert (await switch(http, {"status": True}))[0] == 200
        assert (await sent(http))[0] == 200
    assert len(stored(tmp_path)) == 1


@requirement("feedback:failing")
async def test_feedback_that_cannot_be_stored(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    assert (await sent(http))[0] == 200
    (tmp_path / "feedback").rename(tmp_path / "elsewhere")
    (tmp_path / "feedback").write_text("in the way")
    assert await sent(http) == (
        500,
        {"detail": {"response": "Error storing user feedback", "cause": "[Errno 20] Not a directory"}},
    )
    assert (await scrape(http))['ls_degraded_total{what="feedback"}'] == 1
    async with http.get("/readiness") as response:
        assert response.status == 503
        assert (await response.json())["providers"] == [
            {
                "provider_id": "feedback",
                "status": "Error",
                "message": "user_data_collection.feedback_storage cannot be written: [Errno 20] Not a directory",
            }
        ]


@requirement("feedback:status-open", "feedback:order")
async def test_the_status_is_told_to_everybody(tmp_path: Path) -> None:
    """Even to whom says who they are in a way that cannot be read; everything else asks that first."""
    async with serving(tmp_path, section="{}") as http:
        async with http.get("/v1/feedback/status?user_id=%00") as response:
            assert (response.status, await response.json()) == (200, STATUS_OFF)
        async with http.post("/v1/feedback?user_id=%00", json={}) as response:
            assert response.status == 400, "not that feedback is off, nor that the body is empty"
        async with http.put("/v1/feedback/status?user_id=%00", json={"wrong": 1}) as response:
            assert response.status == 400

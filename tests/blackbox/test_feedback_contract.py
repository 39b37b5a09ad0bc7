"""rest-api.md 5: feedback, and its switch."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.blackbox.operations import FEEDBACK
from tests.blackbox.stand import UNKNOWN, Answer, Serving, Stand, detail
from tests.spec.registry import requirement

type Json = dict[str, Any]

BARE: Json = {name: value for name, value in FEEDBACK.items() if name != "sentiment"}
RECEIVED = {"response": "feedback received"}
CATEGORIES = ["incorrect", "not_relevant", "incomplete", "outdated_information", "unsafe", "other"]
NOTHING_SAID = "Value error, At least one form of feedback must be provided"
NO_STRING = "Input should be a valid string"
OFF = {"detail": "Forbidden: Feedback is disabled"}


async def say(stand: Stand, body: object, **query: Any) -> Answer:
    return await stand.call("POST", "/v1/feedback", body, **query)


async def turn(stand: Stand, body: object) -> Answer:
    return await stand.call("PUT", "/v1/feedback/status", body)


@pytest.mark.parametrize(
    ("fields", "stored"),
    [
        pytest.param({"sentiment": 1}, {"sentiment": 1}, marks=requirement("rest:5.1:sentiment"), id="good"),
        pytest.param({"sentiment": -1}, {"sentiment": -1}, marks=requirement("rest:5.1:sentiment"), id="bad"),
        pytest.param(
            {"user_feedback": "x" * 4096},
            {"user_feedback": "x" * 4096},
            marks=requirement("rest:5.1:user_feedback"),
            id="text",
        ),
        pytest.param(
            {"user_feedback": ""}, {"user_feedback": ""}, marks=requirement("rest:5.1:user_feedback"), id="empty-text"
        ),
        pytest.param(
            {"categories": CATEGORIES}, {"categories": CATEGORIES}, marks=requirement("rest:5.1:categories"), id="all"
        ),
        pytest.param(
            {"categories": ["other", "unsafe", "other"]},
            {"categories": ["other", "unsafe"]},
            marks=requirement("rest:5.1:categories"),
            id="twice",
        ),
        pytest.param(
            {"categories": [], "sentiment": 1},
            {"categories": None, "sentiment": 1},
            marks=requirement("rest:5.1:categories"),
            id="none",
        ),
        pytest.param(
            {"user_question": "", "sentiment": 1},
            {"user_question": "", "sentiment": 1},
            marks=requirement("rest:5.1:user_question"),
            id="no-question",
        ),
        pytest.param(
            {"llm_response": "\N{SNOWMAN}\n", "sentiment": 1},
            {"llm_response": "\N{SNOWMAN}\n", "sentiment": 1},
            marks=requirement("rest:5.1:llm_response"),
            id="response",
        ),
        pytest.param(
            {"conversation_id": UNKNOWN.upper(), "sentiment": 1},
            {"conversation_id": UNKNOWN.upper(), "sentiment": 1},
            marks=requirement("rest:5.1:conversation_id"),
            id="conversation",
        ),
    ],
)
async def test_feedback_that_is_taken(stand: Stand, fields: Json, stored: Json) -> None:
    assert (await say(stand, {**BARE, **fields})).told == (200, RECEIVED)
    (kept,) = stand.feedback()
    timestamp = kept.pop("timestamp")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{6})?\+00:00", timestamp)
    nothing: Json = {"sentiment": None, "user_feedback": None, "categories": None}
    assert kept == {"user_id": stand.user, **BARE, **nothing, **stored}


@pytest.mark.parametrize(
    ("fields", "loc", "message"),
    [
        pytest.param(
            {"conversation_id": "nope", "sentiment": 1},
            ["conversation_id"],
            "Value error, Improper conversation ID nope",
            marks=requirement("rest:5.1:conversation_id"),
            id="conversation_id",
        ),
        pytest.param(
            {"user_question": None, "sentiment": 1},
            ["user_question"],
            NO_STRING,
            marks=requirement("rest:5.1:user_question"),
            id="user_question",
        ),
        pytest.param(
            {"llm_response": 1, "sentiment": 1},
            ["llm_response"],
            NO_STRING,
            marks=requirement("rest:5.1:llm_response"),
            id="llm_response",
        ),
        pytest.param(
            {"sentiment": 0},
            ["sentiment"],
            "Value error, Improper sentiment value of 0, needs to be -1 or 1",
            marks=requirement("rest:5.1:sentiment"),
            id="sentiment",
        ),
        pytest.param(
            {"sentiment": "good"},
            ["sentiment"],
            "Input should be a valid integer, unable to parse string as an integer",
            marks=requirement("rest:5.1:sentiment"),
            id="sentiment-word",
        ),
        pytest.param(
            {"user_feedback": "x" * 4097},
            ["user_feedback"],
            "String should have at most 4096 characters",
            marks=requirement("rest:5.1:user_feedback"),
            id="user_feedback",
        ),
        pytest.param(
            {"categories": ["helpful"]},
            ["categories", 0],
            "Input should be 'incorrect', 'not_relevant', 'incomplete', 'outdated_information', 'unsafe' or 'other'",
            marks=requirement("rest:5.1:categories"),
            id="categories",
        ),
        pytest.param(
            {"categories": "other"},
            ["categories"],
            "Input should be a valid list",
            marks=requirement("rest:5.1:categories"),
            id="no-list",
        ),
        pytest.param({}, [], NOTHING_SAID, marks=requirement("rest:5.1:at-least-one"), id="nothing"),
        pytest.param({"categories": []}, [], NOTHING_SAID, marks=requirement("rest:5.1:at-least-one"), id="empty"),
        pytest.param(
            {"sentiment": 1, "rating": 5},
            ["rating"],
            "Extra inputs are not permitted",
            marks=requirement("rest:5.1:unknown-fields"),
            id="unknown-field",
        ),
    ],
)
async def test_feedback_that_is_refused(stand: Stand, fields: Json, loc: list[Any], message: str) -> None:
    problem = (await say(stand, {**BARE, **fields})).problem
    assert problem["loc"] == ["body", *loc]
    assert problem["msg"].startswith(message)
    assert stand.feedback() == []


@pytest.mark.parametrize(
    "field",
    [
        pytest.param("conversation_id", marks=requirement("rest:5.1:conversation_id")),
        pytest.param("user_question", marks=requirement("rest:5.1:user_question")),
        pytest.param("llm_response", marks=requirement("rest:5.1:llm_response")),
    ],
)
async def test_feedback_without_what_it_is_about(stand: Stand, field: str) -> None:
    problem = (await say(stand, {name: value for name, value in FEEDBACK.items() if name != field})).problem
    assert (problem["type"], problem["loc"]) == ("missing", ["body", field])


@requirement("rest:5.1:order")
async def test_the_order_of_checks(serving: Serving) -> None:
    nobody = {"access_rules": [{"role": "*", "actions": ["info"]}]}
    async with serving(user_data_collection={"feedback_enabled": False}, authorization=nobody) as stand:
        assert (await say(stand, {}, user_id="\0")).status == 400
        assert (await say(stand, {})).told == (403, OFF)
    async with serving(authorization=nobody) as stand:
        assert (await say(stand, {})).status == 422
        told = {"detail": "Insufficient permissions for action: Action.FEEDBACK"}
        assert (await say(stand, FEEDBACK)).told == (403, told)
        assert stand.feedback() == []


@requirement("rest:5.1:200", "rest:5.1:no-ownership")
async def test_feedback_on_any_conversation(stand: Stand) -> None:
    theirs = (await stand.of(f"{stand.user}-2").ask())["conversation_id"]
    for id_ in (theirs, UNKNOWN):
        assert (await say(stand, {**FEEDBACK, "conversation_id": id_})).told == (200, RECEIVED)
    assert {it["conversation_id"] for it in stand.feedback()} == {theirs, UNKNOWN}


@requirement("rest:5.1:500")
async def test_feedback_that_cannot_be_stored(serving: Serving) -> None:
    async with serving() as stand:
        (serving.folder / "feedback").write_text("in the way", "ascii")
        answer = await say(stand, FEEDBACK)
        assert (answer.status, answer.detail["response"]) == (500, "Error storing user feedback")
        assert re.match(r"\[Errno \d+\] ", answer.detail["cause"])
        assert str(serving.folder).encode() not in answer.raw
        assert (await stand.get("/readiness")).status == 503


@requirement("rest:5.2:status")
@pytest.mark.parametrize("enabled", [True, False])
async def test_the_status_is_for_everybody(serving: Serving, *, enabled: bool) -> None:
    nobody = {"access_rules": [{"role": "*", "actions": []}]}
    async with serving(user_data_collection={"feedback_enabled": enabled}, authorization=nobody) as stand:
        answer = await stand.get("/v1/feedback/status", user_id="\0")
    assert answer.told == (200, {"functionality": "feedback", "status": {"enabled": enabled}})


@requirement("rest:5.3:action")
async def test_the_switch_is_for_administrators(serving: Serving) -> None:
    async with serving(authorization={"access_rules": [{"role": "*", "actions": ["feedback"]}]}) as stand:
        told = {"detail": "Insufficient permissions for action: Action.ADMIN"}
        assert (await turn(stand, {"status": False})).told == (403, told)
        assert (await say(stand, FEEDBACK)).status == 200
    async with serving(authorization={"access_rules": [{"role": "*", "actions": ["admin"]}]}) as stand:
        assert (await turn(stand, {"status": False})).status == 200


@requirement("rest:5.3:status")
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"status": "perhaps"}, (["body", "status"], "bool_parsing")),
        ({"status": None}, (["body", "status"], "bool_type")),
        ({"status": 2}, (["body", "status"], "bool_parsing")),
        ({"status": True, "more": 1}, (["body", "more"], "extra_forbidden")),
    ],
)
async def test_what_the_switch_refuses(stand: Stand, body: Json, problem: tuple[list[str], str]) -> None:
    told = (await turn(stand, body)).problem
    assert (told["loc"], told["type"]) == problem
    assert (await stand.get("/v1/feedback/status")).body["status"] == {"enabled": True}


@requirement("rest:5.3:body", "rest:5.3:status", "rest:5.3:effect")
async def test_the_switch(serving: Serving) -> None:
    async with serving() as stand:
        states = [({}, False), ({"status": "yes"}, True), ({"status": 0}, False), ({"status": False}, False)]
        before = True
        for body, after in [*states, ({"status": True}, True)]:
            answer = await turn(stand, body)
            told = answer.body["status"]
            timestamp = datetime.fromisoformat(told["timestamp"])
            assert str(timestamp) == told.pop("timestamp")
            assert abs((datetime.now(UTC) - timestamp).total_seconds()) < 60
            assert told == {"previous_status": before, "updated_status": after, "updated_by": stand.user}
            assert (await stand.get("/v1/feedback/status")).body["status"] == {"enabled": after}
            assert (await say(stand, FEEDBACK)).told == ((200, RECEIVED) if after else (403, OFF))
            before = after


@requirement("rest:5.3:replicas", "rest:5.3:restart")
async def test_the_switch_holds_for_all_services_on_one_store_until_they_have_ended(serving: Serving) -> None:
    async with serving() as one:
        async with serving() as two:
            assert (await turn(one, {"status": False})).status == 200
            assert (await two.get("/v1/feedback/status")).body["status"] == {"enabled": False}
            assert (await say(two, FEEDBACK)).told == (403, OFF)
    async with serving() as stand:
        assert (await stand.get("/v1/feedback/status")).body["status"] == {"enabled": True}


@requirement("rest:5.3:no-directory")
async def test_the_switch_is_refused_where_feedback_has_no_directory(serving: Serving) -> None:
    nowhere = {"feedback_enabled": False, "feedback_storage": None}
    async with serving(user_data_collection=nowhere) as stand:
        cause = "user_data_collection.feedback_storage names no directory."
        assert (await turn(stand, {"status": True})).told == (422, detail("Feedback cannot be switched on", cause))
        assert (await turn(stand, {"status": False})).status == 200
        assert (await say(stand, FEEDBACK)).told == (403, OFF)

"""Moderation models behind an OpenAI-compatible server."""

import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web
from pydantic import ValidationError

from lightspeed_stack.config.section import Loading
from lightspeed_stack.errors import (
    BackendError,
    BackendFailed,
    BackendRateLimited,
    BackendUnavailable,
    ConfigurationError,
)
from lightspeed_stack.shields.base import REFUSAL, Materials, Stage, Violation
from lightspeed_stack.shields.moderation import AT_ONCE, OVERLAP, PART, Moderation, Settings, build
from tests.servers.moderation_server import (
    GUARDIAN,
    LLAMA_GUARD,
    ModerationServer,
    completion,
    moderation,
    moderation_server,
)
from tests.spec.registry import requirement
from tests.unit.shields.watching import passed, until_objection


async def no_model(_system: str, _text: str, _model: str | None) -> str:
    raise AssertionError


NUMBERS = " ".join(map(str, range(10_000)))[: 3 * PART]
"""A long text of which no two places are the same."""


def is_bomb(text: str) -> bool:
    return "bomb" in text


@asynccontextmanager
async def moderated(
    words: tuple[str, str] = GUARDIAN,
    name: str = "inout_m",
    harmful: Callable[[str], bool] = is_bomb,
    **settings: Any,
) -> AsyncIterator[tuple[ModerationServer, Moderation]]:
    """A server that takes texts with a bomb for harmful, and the shield that asks it."""
    with anyio.fail_after(30):
        async with moderation_server(harmful, words=words) as server:
            given = Settings.model_validate({"url": server.url, **settings})
            async with build(given, Materials(name, required=False, ask=no_model)) as shield:
                yield server, shield


async def judged(shield: Moderation, text: str) -> Violation | None:
    out, violation = await until_objection(shield.watch(Stage.INPUT), [text])
    assert out == ("" if violation else text)
    return violation


GUARDIAN_CONFIG = {"risk_name": "harm", "criteria_id": "harm"}
OWN_RISK = {"risk_name": "legal", "risk_definition": "Gives legal advice.", "custom_criteria": "Gives legal advice."}


@pytest.mark.parametrize(
    ("settings", "path", "body"),
    [
        ({}, "/v1/moderations", {"input": "hello"}),
        ({"model": "omni"}, "/v1/moderations", {"input": "hello", "model": "omni"}),
        (
            {"style": "guardian", "model": "g"},
            "/v1/chat/completions",
            {
                "messages": [{"role": "user", "content": "hello"}],
                "chat_template_kwargs": {"guardian_config": GUARDIAN_CONFIG, "think": False},
                "model": "g",
            },
        ),
        (
            {"style": "guardian", "risk": "legal", "risk_definition": "Gives legal advice."},
            "/v1/chat/completions",
            {
                "messages": [{"role": "user", "content": "hello"}],
                "chat_template_kwargs": {"guardian_config": OWN_RISK, "think": False},
            },
        ),
        (
            {"style": "guardian", "risk": "jailbreak", "risk_in": "system"},
            "/v1/chat/completions",
            {"messages": [{"role": "system", "content": "jailbreak"}, {"role": "user", "content": "hello"}]},
        ),
        (
            {"style": "llama_guard", "model": "lg"},
            "/v1/chat/completions",
            {"messages": [{"role": "user", "content": "hello"}], "model": "lg"},
        ),
    ],
)
@requirement("shield:moderation:asked")
async def test_each_style_is_asked_in_its_own_protocol(
    settings: dict[str, Any], path: str, body: dict[str, Any]
) -> None:
    words = LLAMA_GUARD if settings.get("style") == "llama_guard" else GUARDIAN
    async with moderated(words, **settings) as (server, shield):
        assert await judged(shield, "hello") is None
        [asked] = server.bodies
        chat = {"temperature": 0, "max_tokens": 100} if path.endswith("completions") else {}
        assert (server.asked, asked) == ([path], body | chat)


@requirement("shield:moderation:asked")
async def test_a_newer_guardian_reads_its_criterion_in_the_last_message() -> None:
    async with moderated(style="guardian", risk_in="message", risk_definition="Names a bomb.") as (server, shield):
        assert await judged(shield, "a bomb") is not None
        first, last = server.bodies[0]["messages"]
        assert first == {"role": "user", "content": "a bomb"}
        assert last["content"].startswith("<guardian><no-think>")
        assert "### Criteria: Names a bomb.\n" in last["content"]
        assert "### Scoring Schema:" in last["content"]


@pytest.mark.parametrize(
    ("settings", "sent"),
    [({}, None), ({"api_key": "first-key"}, "Bearer first-key"), ({"api_key_env": "GUARD_KEY"}, "Bearer second-key")],
)
@requirement("shield:moderation:asked")
async def test_the_key_goes_with_each_request_and_stays_a_secret(settings: dict[str, Any], sent: str | None) -> None:
    async with moderation_server(is_bomb) as server:
        given = Settings.model_validate({"url": server.url, **settings}, context=Loading({"GUARD_KEY": "second-key"}))
        async with build(given, Materials("m", required=False, ask=no_model)) as shield:
            await passed(shield.watch(Stage.INPUT), ["hello"])
        assert server.authorization == [sent]
        for shown in (repr(given), given.model_dump_json(), json.dumps(dict(shield.params))):
            assert "first-key" not in shown
            assert "second-key" not in shown


FLAGGED = moderation(harmful=True)
MISTRAL = {"results": [{"categories": {"pii": True, "law": False}, "category_scores": {"pii": 0.8, "law": 0.0}}]}


@pytest.mark.parametrize(
    ("style", "answer", "categories"),
    [
        ("openai", moderation(harmful=False), None),
        ("openai", FLAGGED, ["violence"]),
        ("openai", MISTRAL, ["pii"]),
        ("openai", {"results": [{"flagged": True}]}, []),
        ("openai", {"results": [{"flagged": False, "categories": None}]}, None),
        ("openai", {"results": [{"flagged": False}, {"flagged": True, "categories": {"hate": True}}]}, ["hate"]),
        ("openai", {"results": [{"flagged": True, "categories": {"<b>no word</b>": True, "a b/c": True}}]}, ["a b/c"]),
        ("guardian", completion("Yes"), ["harm"]),
        ("guardian", completion("No"), None),
        ("guardian", completion("Yes\n<confidence> High </confidence>"), ["harm"]),
        ("guardian", completion("No\n<confidence> Low </confidence>"), None),
        ("guardian", completion("<score> yes </score>"), ["harm"]),
        ("guardian", completion("<think>\n</think>\n<score> no </score>"), None),
        ("guardian", completion("<think>Is it harm? Yes, perhaps.</think><score>no</score>"), None),
        ("guardian", completion('{"score": "x"} <score>YES</score>'), ["harm"]),
        ("llama_guard", completion("\n\nsafe"), None),
        ("llama_guard", completion("\n\nunsafe\nS1,S10"), ["S1", "S10"]),
        ("llama_guard", completion("unsafe"), []),
    ],
)
@requirement("shield:moderation:judged")
async def test_the_answers_of_real_servers(style: str, answer: dict[str, Any], categories: list[str] | None) -> None:
    async with moderated(style=style, refusal="Not here.") as (server, shield):
        server.raw = json.dumps(answer).encode()
        expected = None if categories is None else Violation("inout_m", "Not here.", {"categories": categories})
        assert await judged(shield, "anything") == expected


@pytest.mark.parametrize(
    ("style", "raw"),
    [
        ("openai", b"not json"),
        ("openai", b"{}"),
        ("openai", b'{"results": []}'),
        ("openai", b'{"results": [{}]}'),
        ("openai", b'{"results": [{"flagged": "a secret of theirs"}]}'),
        ("guardian", b'{"choices": []}'),
        ("guardian", json.dumps(completion(None)).encode()),
        ("guardian", json.dumps(completion("Failed")).encode()),
        ("guardian", json.dumps(completion("<think>yes, I think")).encode()),
        ("llama_guard", json.dumps(completion("I cannot help with a secret of theirs")).encode()),
        ("llama_guard", b'{"results": "\xff"}'),
        ("openai", b" " * 300_000 + b"{}"),
    ],
)
@requirement("shield:moderation:failing")
async def test_an_answer_that_cannot_be_read_is_no_permission(style: str, raw: bytes) -> None:
    async with moderated(style=style) as (server, shield):
        server.raw = raw
        with pytest.raises(BackendFailed) as told:
            await judged(shield, "anything")
        assert "secret" not in told.value.cause


@pytest.mark.parametrize(
    ("settings", "answer", "categories"),
    [
        ({"categories": ["violence"]}, FLAGGED, ["violence"]),
        ({"categories": ["self-harm"]}, FLAGGED, None),
        ({"categories": ["self-harm", "violence"]}, FLAGGED, ["violence"]),
        ({"threshold": 0.2}, FLAGGED, ["hate/threatening", "violence"]),
        ({"threshold": 0.2}, moderation(harmful=False), ["hate/threatening"]),
        ({"threshold": 0.95}, FLAGGED, None),
        ({"threshold": 0.2, "categories": ["self-harm"]}, FLAGGED, None),
        ({"threshold": 0.01, "categories": ["self-harm"]}, FLAGGED, ["self-harm"]),
    ],
)
@requirement("shield:moderation:chosen")
async def test_only_what_the_operator_names_counts(
    settings: dict[str, Any], answer: dict[str, Any], categories: list[str] | None
) -> None:
    async with moderated(**settings) as (server, shield):
        server.raw = json.dumps(answer).encode()
        expected = None if categories is None else Violation("inout_m", REFUSAL, {"categories": categories})
        assert await judged(shield, "anything") == expected


@pytest.mark.parametrize(
    ("settings", "answer", "told"),
    [
        ({"threshold": 0.5}, {"results": [{"flagged": False}]}, "tells no scores"),
        ({"categories": ["voilence"]}, moderation(harmful=False), "none of the configured categories"),
        ({"categories": ["violence"]}, {"results": [{"flagged": True}]}, "none of the configured categories"),
    ],
)
@requirement("shield:moderation:chosen")
async def test_a_server_that_does_not_tell_what_counts_is_seen(
    settings: dict[str, Any], answer: dict[str, Any], told: str
) -> None:
    async with moderated(**settings) as (server, shield):
        server.raw = json.dumps(answer).encode()
        with pytest.raises(BackendFailed, match=told):
            await judged(shield, "anything")


@requirement("shield:moderation:windows")
async def test_an_answer_comes_out_window_by_window_and_a_question_is_judged_whole() -> None:
    sentence = "This is a sentence of forty characters. "
    async with moderated(window=100) as (server, shield):
        assert await passed(shield.watch(Stage.INPUT), [sentence] * 10) == sentence * 10
        assert [body["input"] for body in server.bodies] == [sentence * 10]
        server.bodies.clear()
        watch = shield.watch(Stage.OUTPUT)
        out = [await watch.feed(piece) for piece in [sentence] * 6]
        assert out == ["", "", sentence * 3, "", "", sentence * 3]
        assert [len(body["input"]) for body in server.bodies] == [120, 220], "with up to a window before it"
        out_before, violation = await until_objection(watch, ["and now a bomb. ", sentence, sentence, sentence])
        assert (out_before, violation) == ("", Violation("inout_m", REFUSAL, {"categories": ["violence"]}))


@requirement("shield:moderation:windows")
async def test_an_answer_may_be_held_back_whole() -> None:
    async with moderated(window=None) as (server, shield):
        watch = shield.watch(Stage.OUTPUT)
        assert await watch.feed("some words. " * 500) == ""
        assert server.bodies == []
        assert await watch.close() == "some words. " * 500


@pytest.mark.parametrize("place", [0, PART - 2, PART + 5, 2 * PART, 3 * PART])
@requirement("shield:moderation:windows")
async def test_a_very_long_text_is_judged_in_parts_that_overlap(place: int) -> None:
    async with moderated() as (server, shield):
        text = NUMBERS[:place] + "bomb" + NUMBERS[place:]
        harmless = text.replace("bomb", "boom")
        assert await judged(shield, harmless) is None
        parts = sorted((body["input"] for body in server.bodies), key=harmless.index)
        assert all(len(part) <= PART for part in parts)
        assert all(part[-OVERLAP:] == after[:OVERLAP] for part, after in pairwise(parts))
        assert parts[0] + "".join(part[OVERLAP:] for part in parts[1:]) == harmless
        assert await judged(shield, text) is not None


class Arrivals(list[dict[str, Any]]):
    """What a server was asked; ``enough`` is set when so many requests as are judged at once have come."""

    def __init__(self) -> None:
        super().__init__()
        self.enough = anyio.Event()

    def append(self, body: dict[str, Any]) -> None:
        super().append(body)
        if len(self) == AT_ONCE:
            self.enough.set()


@requirement("shield:moderation:side-by-side")
async def test_a_few_parts_are_judged_at_once() -> None:
    async with moderated(timeout=60) as (server, shield), anyio.create_task_group() as tasks:
        server.bodies = arrivals = Arrivals()
        server.hangs = True
        tasks.start_soon(passed, shield.watch(Stage.INPUT), [NUMBERS * 3])
        await arrivals.enough.wait()
        await anyio.wait_all_tasks_blocked()
        assert len(arrivals) == AT_ONCE
        server.gone.set()
    assert len(arrivals) == 10


@requirement("shield:moderation:side-by-side")
async def test_an_objection_to_one_part_waits_for_no_other() -> None:
    def hangs_behind_the_bomb(text: str) -> bool:
        server.hangs = server.hangs or is_bomb(text)
        return is_bomb(text)

    async with moderated(harmful=hangs_behind_the_bomb, timeout=60) as (server, shield):
        assert await judged(shield, "bomb" + NUMBERS * 3) is not None


@pytest.mark.parametrize("place", ["first", "last"])
@requirement("shield:moderation:side-by-side")
async def test_a_part_that_cannot_be_judged_lets_no_other_pass(place: str, caplog: pytest.LogCaptureFixture) -> None:
    def breaks_at_smoke(text: str) -> bool:
        if "smoke" in text:
            raise web.HTTPInternalServerError
        return is_bomb(text)

    def text(word: str) -> str:
        words = ("smoke", word) if place == "first" else (word, "smoke")
        return (NUMBERS * 3).join(words)

    async with moderated(harmful=breaks_at_smoke, on_error="pass") as (_, shield):
        assert await judged(shield, text("bomb")) == Violation("inout_m", REFUSAL, {"categories": ["violence"]})
        assert "let a text pass" not in caplog.text
        assert await judged(shield, text("boom")) is None
        assert caplog.text.count("inout_m could not judge and let a text pass") == 1
    async with moderated(harmful=breaks_at_smoke) as (_, shield):
        with pytest.raises(BackendFailed, match="reported an error"):
            await judged(shield, text("boom"))


@requirement("shield:moderation:side-by-side")
async def test_a_long_text_has_a_bounded_time_in_all(caplog: pytest.LogCaptureFixture) -> None:
    async with moderated(timeout=60) as (server, shield):
        server.hangs = True
        with pytest.raises(BackendUnavailable, match="did not judge a long text in time"):
            await judged(replace(shield, patience=0.001), NUMBERS)
    async with moderated(timeout=60, on_error="pass") as (server, shield):
        server.hangs = True
        assert await judged(replace(shield, patience=0.001), NUMBERS) is None
    assert "inout_m could not judge and let a text pass: The moderation server did not judge" in caplog.text


@pytest.mark.parametrize(
    ("status", "raised", "told"),
    [
        (400, BackendFailed, "answered with status 400"),
        (401, BackendFailed, "refused the configured credentials"),
        (404, BackendFailed, "does not know the configured model"),
        (429, BackendRateLimited, "limits requests"),
        (500, BackendFailed, "reported an error"),
        (503, BackendUnavailable, "is not ready"),
    ],
)
@requirement("shield:moderation:failing")
async def test_a_server_that_refuses_stops_the_text_in_our_words(
    status: int, raised: type[BackendError], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with moderated(on_error="refuse") as (server, shield):
        server.status, server.retry_after = status, "7"
        with pytest.raises(raised, match=told) as error:
            await judged(shield, "a bomb")
        assert getattr(error.value, "retry_after", 7) == 7
    with caplog.at_level(logging.DEBUG):
        async with moderated(on_error="pass") as (server, shield):
            server.status = status
            assert await judged(shield, "a bomb") is None
    assert "inout_m could not judge and let a text pass" in caplog.text
    assert "bomb" not in caplog.text
    assert "secret" not in caplog.text


@requirement("shield:moderation:failing")
async def test_a_server_that_hangs_or_is_away_is_not_waited_for() -> None:
    async with moderated(timeout=0.05) as (server, shield):
        server.hangs = True
        with pytest.raises(BackendUnavailable, match="timed out"):
            await judged(shield, "hello")
    with anyio.fail_after(30):
        async with build(Settings(url="http://127.0.0.1:1/v1"), Materials("m", required=True, ask=no_model)) as away:
            with pytest.raises(BackendUnavailable, match="Connection error"):
                await passed(away.watch(Stage.INPUT), ["hello"])


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "Field required"),
        ({"url": "guard:8000"}, "has no scheme"),
        ({"url": "http://g", "api_key": "x", "api_key_env": "Y"}, "both given"),
        ({"url": "http://g", "api_key_env": "GUARD_UNSET"}, "not set or empty"),
        ({"url": "http://g", "style": "azure"}, "'openai', 'guardian' or 'llama_guard'"),
        ({"url": "http://g", "threshold": 0}, "greater than 0"),
        ({"url": "http://g", "window": 10}, "greater than or equal to 100"),
        ({"url": "http://g", "style": "guardian", "risk": "legal", "risk_in": "message"}, "in words only"),
    ],
)
@requirement("shield:moderation:settings")
def test_settings_that_cannot_work(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Settings.model_validate(settings)


@requirement("shield:moderation:settings")
async def test_a_certificate_that_is_none_is_told_with_the_shield(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    settings = Settings.model_validate({"url": "https://g", "ca_cert_path": str(tmp_path / "ca.pem")})
    with pytest.raises(ConfigurationError, match=r"^shields: 'm': ca_cert_path: .*is not a PEM file"):
        async with build(settings, Materials("m", required=False, ask=no_model)):
            pass

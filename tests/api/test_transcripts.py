"""Transcripts of turns in the running service: when they are there, and what happens when they cannot be."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.api.conftest import Stand
from tests.servers.openai_server import Script, ScriptedCall, openai_server
from tests.servers.service import configuration, running
from tests.spec.registry import requirement

type Json = dict[str, Any]

QUESTIONS = ["/v1/query", "/v1/streaming_query"]


@asynccontextmanager
async def service(folder: Path, *, enabled: bool = True) -> AsyncIterator[Stand]:
    async with openai_server(models=("fake-llm", "other")) as model:
        section = f"{{transcripts_enabled: {str(enabled).lower()}, transcripts_storage: {folder / 'transcripts'}}}"
        yaml = configuration(model.url, folder).replace("user_data_collection: {}", f"user_data_collection: {section}")
        async with running(yaml, folder) as it:
            yield Stand(it.http, model, folder)


def written(stand: Stand) -> list[Json]:
    files = sorted((stand.folder / "transcripts").rglob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    return [json.loads(file.read_text("ascii")) for file in files]


@requirement("transcript:written")
@pytest.mark.parametrize("path", QUESTIONS)
async def test_a_transcript_is_there_when_the_answer_is(tmp_path: Path, path: str) -> None:
    attachment = {"attachment_type": "log", "content_type": "text/plain", "content": "all of it"}
    async with service(tmp_path) as stand:
        stand.model.scripts = [
            Script((), tool_calls=(ScriptedCall("c1", "now", '{"zone": "UTC"}'),)),
            Script(("It is ", "noon."), finish_reason="length"),
        ]
        body = {"query": "What time is it?", "attachments": [attachment], "provider": "fake", "model": "fake/other"}
        async with stand.http.post(f"{path}?user_id=alice", json=body) as response:
            assert response.status == 200
            if path == "/v1/query":
                conversation_id = (await response.json())["conversation_id"]
            else:
                start = json.loads((await response.content.readuntil(b"\n\n"))[6:])
                conversation_id = start["data"]["conversation_id"]
                while json.loads((await response.content.readuntil(b"\n\n"))[6:])["event"] != "end":
                    pass
            (transcript,) = written(stand)
    timestamp = transcript["metadata"].pop("timestamp")
    assert timestamp.endswith("+00:00")
    assert transcript == {
        "metadata": {
            "provider": "fake",
            "model": "other",
            "query_provider": "fake",
            "query_model": "fake/other",
            "user_id": "alice",
            "conversation_id": conversation_id,
        },
        "redacted_query": "What time is it?",
        "query_is_valid": True,
        "llm_response": "It is noon.",
        "rag_chunks": [],
        "truncated": True,
        "attachments": [attachment],
        "tool_calls": [
            {"id": "c1", "name": "now", "args": {"zone": "UTC"}, "response": "Unknown tool `now` was called."}
        ],
    }


@requirement("transcript:written")
@pytest.mark.parametrize("path", QUESTIONS)
async def test_a_turn_that_fails_halfway_has_a_transcript(tmp_path: Path, path: str) -> None:
    async with service(tmp_path) as stand:
        stand.model.scripts = Script(("Half", "…"), error_after=1)
        async with stand.http.post(path, json={"query": "?"}) as response:
            await response.read()
        assert [it["llm_response"] for it in written(stand)] == ["Half"]


@requirement("transcript:written")
async def test_a_turn_that_is_left_has_a_transcript(tmp_path: Path) -> None:
    async with service(tmp_path) as stand:
        stand.model.scripts = Script(("Half", "…"), hang_after=1)
        async with stand.http.post("/v1/streaming_query", json={"query": "?"}) as response:
            await response.content.readuntil(b"\n\n")
            await response.content.readuntil(b"\n\n")
            response.close()
        with anyio.fail_after(10):
            await stand.model.cancelled.wait()
    # The service has ended: what it owed is written.
    assert [it["llm_response"] for it in written(stand)] == ["Half"]


@requirement("transcript:written")
async def test_a_turn_in_which_nothing_was_said_has_none(tmp_path: Path) -> None:
    async with service(tmp_path) as stand:
        stand.model.scripts = Script(error_after=0)
        async with stand.http.post("/v1/query", json={"query": "?"}) as response:
            assert response.status == 500
    assert written(stand) == []


@requirement("transcript:written")
async def test_no_transcripts_are_written_unasked(tmp_path: Path) -> None:
    async with service(tmp_path, enabled=False) as stand:
        async with stand.http.post("/v1/query", json={"query": "?"}) as response:
            assert response.status == 200
    assert not (tmp_path / "transcripts").exists()


@requirement("transcript:failing")
@pytest.mark.parametrize("path", QUESTIONS)
async def test_an_answer_is_given_without_its_transcript(tmp_path: Path, path: str) -> None:
    async with service(tmp_path) as stand:
        (tmp_path / "transcripts").write_text("in the way", "ascii")
        async with stand.http.post(path, json={"query": "?"}) as response:
            assert response.status == 200
            assert b"end." in await response.read()
        async with stand.http.get("/metrics") as response:
            lines = (await response.text()).splitlines()
        assert [line for line in lines if line.startswith("ls_degraded_total{")] == [
            'ls_degraded_total{what="transcript"} 1.0'
        ]
        async with stand.http.get("/readiness") as response:
            assert response.status == 503
            assert "transcripts" in (await response.json())["reason"]
        async with stand.http.get("/v1/conversations") as response:
            assert len((await response.json())["conversations"]) == 1

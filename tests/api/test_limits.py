"""Sizes of what comes with a question, and kinds of attachments, in the running service."""

from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Stand
from tests.servers.openai_server import openai_server
from tests.servers.service import configuration, running
from tests.spec.registry import requirement

type Json = dict[str, Any]

QUESTIONS = ["/v1/query", "/v1/streaming_query"]
LIMITS = "  max_question_length: 10\n  max_attachments: 2\n  max_attachments_length: 20\n"


def attachments(*contents: str, content_type: str = "text/plain") -> list[Json]:
    return [{"attachment_type": "log", "content_type": content_type, "content": content} for content in contents]


@requirement("admit:limits")
@pytest.mark.parametrize("path", QUESTIONS)
@pytest.mark.parametrize(
    ("fields", "field", "key"),
    [
        ({"query": "x" * 11}, "query", "max_question_length"),
        ({"query": "?", "system_prompt": "x" * 11}, "system_prompt", "max_question_length"),
        ({"query": "?", "attachments": attachments("", "", "")}, "attachments", "max_attachments"),
        ({"query": "?", "attachments": attachments("x" * 21)}, "attachments", "max_attachments_length"),
    ],
)
async def test_what_is_over_a_limit_is_refused(tmp_path: Path, path: str, fields: Json, field: str, key: str) -> None:
    async with openai_server() as model:
        async with running(configuration(model.url, tmp_path, inference=LIMITS), tmp_path) as service:
            async with service.http.post(path, json=fields) as response:
                assert (response.status, response.content_type) == (413, "application/json")
                detail = (await response.json())["detail"]
            within = {"query": "x" * 10, "system_prompt": "x" * 10, "attachments": attachments("x" * 10, "é" * 10)}
            async with service.http.post(path, json=within) as response:
                assert response.status == 200
                await response.read()
    assert detail["response"] == "Prompt is too long"
    assert detail["cause"].startswith(f"{field} has ")
    assert f"inference.{key} allows" in detail["cause"]
    assert len(model.chats) == 1


@requirement("context:attachments")
@pytest.mark.parametrize("path", QUESTIONS)
@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("text/plain", "Killed."),
        ("application/json", '{"exitCode": 137}'),
        ("application/yaml", "exitCode: 137\n"),
        ("application/xml", "<exitCode>137</exitCode>"),
    ],
)
async def test_all_four_content_types_reach_the_model(stand: Stand, path: str, content_type: str, content: str) -> None:
    body = {"query": "Why?", "attachments": attachments(content, content_type=content_type)}
    async with stand.http.post(path, json=body) as response:
        assert response.status == 200
        await response.read()
    asked = stand.model.chats[0]["messages"][-1]["content"]
    assert content in asked
    assert content_type in asked
    assert asked.endswith("Question: Why?")

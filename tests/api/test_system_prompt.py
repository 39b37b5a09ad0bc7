"""Which system prompt the model gets from the running service (rest-api.md 1.5)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.api.conftest import Stand
from tests.servers.openai_server import openai_server
from tests.servers.service import configuration, running
from tests.spec.registry import requirement

DEFAULT = "You are a helpful assistant"
FILES = {
    "full.py": "PROFILE_CONFIG = {'system_prompts': {'default': 'From ' + 'Python.', 'topic_summary': 'Name it.'}}",
    "full.yaml": "system_prompts: {default: From YAML., topic_summary: Name it.}",
    "empty.py": "PROFILE_CONFIG = {'system_prompts': {'default': ''}}",
    "other.yaml": "system_prompts: {topic_summary: Name it.}",
    "prompt.txt": "From a file.\n\n",
}


@asynccontextmanager
async def service(folder: Path, customization: str) -> AsyncIterator[Stand]:
    for name, content in FILES.items():
        (folder / name).write_text(content, "utf-8")
    more = f"customization: {{{customization.format(folder=folder)}}}" if customization else ""
    async with openai_server() as model, running(configuration(model.url, folder, more=more), folder) as it:
        yield Stand(it.http, model, folder)


FORBIDDEN = "disable_query_system_prompt: true"
LITERAL = "system_prompt: From the configuration."

LEVELS = [
    # 2: the request's, unless it is empty
    ("profile_path: {folder}/full.py, " + LITERAL, "From me.", "From me."),
    ("profile_path: {folder}/full.yaml, " + LITERAL, "From me.", "From me."),
    ("profile_path: {folder}/full.yaml", "", "From YAML."),
    # 3: the profile's, unless it is empty or missing
    ("profile_path: {folder}/full.py, " + LITERAL, None, "From Python."),
    ("profile_path: {folder}/full.yaml, " + LITERAL, None, "From YAML."),
    ("profile_path: {folder}/full.yaml, system_prompt_path: {folder}/prompt.txt", None, "From YAML."),
    ("profile_path: {folder}/empty.py, " + LITERAL, None, "From the configuration."),
    ("profile_path: {folder}/other.yaml, " + LITERAL, None, "From the configuration."),
    # 4: the configured one, literal or from a file; an empty one counts
    (LITERAL, None, "From the configuration."),
    ("system_prompt_path: {folder}/prompt.txt, " + LITERAL, None, "From a file."),
    ("system_prompt: ''", None, None),
    # 5: the built-in one
    ("", None, DEFAULT),
    ("profile_path: {folder}/other.yaml", None, DEFAULT),
    # 1: where requests may not bring one, an empty one is none
    (FORBIDDEN, "", DEFAULT),
    (FORBIDDEN + ", profile_path: {folder}/full.py", None, "From Python."),
]


@requirement("prompt:through-the-service")
@pytest.mark.parametrize(("customization", "asked", "expected"), LEVELS)
async def test_each_level(tmp_path: Path, customization: str, asked: str | None, expected: str | None) -> None:
    async with service(tmp_path, customization) as stand:
        for path in ("/v1/query", "/v1/streaming_query"):
            async with stand.http.post(path, json={"query": "Hello?", "system_prompt": asked}) as response:
                assert response.status == 200
                await response.read()
        for chat in stand.model.chats:
            system = [message["content"] for message in chat["messages"] if message["role"] == "system"]
            assert system == ([] if expected is None else [expected])


@requirement("prompt:through-the-service", "prompt:override-forbidden")
@pytest.mark.parametrize("path", ["/v1/query", "/v1/streaming_query"])
async def test_a_forbidden_prompt_is_refused(tmp_path: Path, path: str) -> None:
    async with service(tmp_path, FORBIDDEN + ", profile_path: {folder}/full.py") as stand:
        async with stand.http.post(path, json={"query": "Hello?", "system_prompt": "From me."}) as response:
            assert response.status == 422
            detail = (await response.json())["detail"]
        assert set(detail) == {"response"}
        assert "disable_query_system_prompt" in detail["response"]
        assert "remove the system_prompt field" in detail["response"]
        assert stand.model.chats == []

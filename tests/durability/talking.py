"""A model whose answers tell what was asked, and users who ask it through the service and remember what they got.

Every question is asked once in a test, so that whatever is found later can be told apart.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import aiohttp

from lightspeed_stack.assistant.titles import INSTRUCTION
from tests.durability.places import Json
from tests.servers.openai_server import OpenAIServer, Script

STREAM, QUERY = "/v1/streaming_query", "/v1/query"

SOME_ID = "5e3d0c5e-6f0b-4a53-9d0f-7b1d2f4c8a10"


def answer_to(question: str) -> str:
    return f"You have asked this: {question}"


def topic_of(question: str) -> str:
    return f"About {question}"


def play(body: Json) -> Script:
    """The model."""
    question = body["messages"][-1]["content"]
    if is_for_topic(body):
        return Script((topic_of(question),))
    return Script(tuple(re.findall(r"\S+\s*", answer_to(question))), usage=(9, 5))


def is_for_topic(body: Json) -> bool:
    return bool(body["messages"][0]["content"] == INSTRUCTION)


def topics_asked(model: OpenAIServer) -> list[str]:
    """The questions for which topics were asked, one for each time."""
    return [chat["messages"][-1]["content"] for chat in model.chats if is_for_topic(chat)]


def prompts(model: OpenAIServer) -> dict[str, list[str]]:
    """What users had asked so far in a conversation, and the question itself, by question: what the model was told."""
    return {
        chat["messages"][-1]["content"]: [it["content"] for it in chat["messages"] if it["role"] == "user"]
        for chat in model.chats
        if not is_for_topic(chat)
    }


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that came to its end. ``ended`` is False where a stream broke off."""

    conversation_id: str | None
    text: str | None
    ended: bool


@dataclass(slots=True)
class Stream:
    """Reads events as they come in; ``heard`` is told of each."""

    heard: Callable[[str, Json], None] = lambda _kind, _data: None
    _rest: bytes = b""
    conversation_id: str | None = None
    text: str | None = None
    last: str = ""
    problems: list[str] = field(default_factory=list)

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n\n")
        for line in lines:
            event = json.loads(line.removeprefix(b"data: "))
            self._take(event["event"], event.get("data") or {})

    def _take(self, kind: str, data: Json) -> None:
        self.last = kind
        if kind == "start":
            self.conversation_id = data["conversation_id"]
        elif kind == "turn_complete":
            self.text = data["token"]
        elif kind == "error":
            self.problems.append(str(data))
        self.heard(kind, data)


async def ask(
    http: aiohttp.ClientSession,
    question: str,
    conversation_id: str | None = None,
    *,
    path: str = QUERY,
    heard: Callable[[str, Json], None] = lambda _kind, _data: None,
) -> Answer:
    """Ask, and take in the whole answer. Fails on any other status than 200, and on an error in a stream."""
    body = {"query": question, **({"conversation_id": conversation_id} if conversation_id else {})}
    async with http.post(path, json=body) as response:
        if path == QUERY:
            told = await response.json()
            assert response.status == 200, told
            heard("answer", told)
            return Answer(told["conversation_id"], told["response"], ended=True)
        assert response.status == 200, await response.text()
        stream = Stream(heard)
        async for data in response.content.iter_any():
            stream.feed(data)
    assert stream.problems == []
    return Answer(stream.conversation_id, stream.text, ended=stream.last == "end")


async def asked(
    http: aiohttp.ClientSession, question: str, conversation_id: str | None = None, *, path: str = QUERY
) -> str:
    """Ask, and see that the answer is right and complete; the conversation's id."""
    answer = await ask(http, question, conversation_id, path=path)
    assert answer.ended
    assert answer.text == answer_to(question)
    assert answer.conversation_id is not None
    assert conversation_id in {None, answer.conversation_id}
    return answer.conversation_id


async def json_of(
    http: aiohttp.ClientSession, path: str, *, method: str = "GET", status: int = 200, body: Json | None = None
) -> Json:
    """The answer to a request that is expected to have ``status``."""
    async with http.request(method, path, json=body) as response:
        told = await response.text()
        assert response.status == status, f"{method} {path}: {response.status} {told}"
        found: Json = json.loads(told)
        return found


def said(conversation: Json) -> list[tuple[str, str]]:
    """Questions and answers of a conversation as the API shows it."""
    return [(it["messages"][0]["content"], it["messages"][1]["content"]) for it in conversation["chat_history"]]


async def history(http: aiohttp.ClientSession, conversation_id: str, version: int = 1) -> list[tuple[str, str]]:
    return said(await json_of(http, f"/v{version}/conversations/{conversation_id}"))


async def listed(http: aiohttp.ClientSession, version: int = 1) -> dict[str, Json]:
    """The list of conversations, by id."""
    found = await json_of(http, f"/v{version}/conversations")
    return {it["conversation_id"]: it for it in found["conversations"]}


async def rename(http: aiohttp.ClientSession, conversation_id: str, topic: str) -> None:
    body = {"topic_summary": topic}
    assert (await json_of(http, f"/v2/conversations/{conversation_id}", method="PUT", body=body))["success"]


async def delete(http: aiohttp.ClientSession, conversation_id: str, version: int = 1) -> None:
    assert (await json_of(http, f"/v{version}/conversations/{conversation_id}", method="DELETE"))["success"]


async def feedback_is_taken(http: aiohttp.ClientSession) -> bool:
    return bool((await json_of(http, "/v1/feedback/status"))["status"]["enabled"])


async def take_feedback(http: aiohttp.ClientSession, *, on: bool) -> bool:
    """Turn the switch; where it was before."""
    status = (await json_of(http, "/v1/feedback/status", method="PUT", body={"status": on}))["status"]
    assert status["updated_status"] is on
    return bool(status["previous_status"])


async def give_feedback(
    http: aiohttp.ClientSession, text: str, about: str = "", conversation_id: str = SOME_ID, *, status: int = 200
) -> Json:
    """Say something about the answer to the question ``about``."""
    body = {"conversation_id": conversation_id, "user_question": about, "llm_response": answer_to(about)}
    return await json_of(http, "/v1/feedback", method="POST", body={**body, "user_feedback": text}, status=status)


async def is_gone(http: aiohttp.ClientSession, conversation_id: str) -> None:
    """Fails where either version of the API still knows the conversation."""
    await json_of(http, f"/v1/conversations/{conversation_id}", status=403)
    await json_of(http, f"/v2/conversations/{conversation_id}", status=404)
    assert conversation_id not in {**await listed(http), **await listed(http, 2)}


def pairs(questions: Iterable[str]) -> list[tuple[str, str]]:
    """Questions with their answers, as ``history`` gives them."""
    return [(question, answer_to(question)) for question in questions]

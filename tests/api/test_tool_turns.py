"""Questions that need tools, through the whole service with real servers of tools."""

import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.api.conftest import Stand
from tests.api.test_streaming_query import events
from tests.servers.mcp_server import Faults, McpServer, mcp_server
from tests.servers.openai_server import Script, ScriptedCall, openai_server
from tests.servers.service import configuration, running
from tests.spec.registry import requirement

type Json = dict[str, Any]

DONE = Script(("Done.",))


def calling(name: str, arguments: Json | None = None) -> list[Script]:
    """A model that calls one tool, then answers."""
    return [Script((), tool_calls=(ScriptedCall("c1", name, json.dumps(arguments or {})),)), DONE]


def server_entry(name: str, server: McpServer, more: str = "") -> str:
    return f"  - name: {name}\n    url: {server.url}\n{more}"


@asynccontextmanager
async def stand_with(
    folder: Path, *entries: str, inference: str = "", more: str = "", user_data: str = "{}", ready: int = 1
) -> AsyncIterator[Stand]:
    """A service with servers of tools; entered when it knows the tools of ``ready`` of them."""
    servers = "mcp_servers:\n" + "".join(entries) if entries else ""
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(openai_server(DONE))
        yaml = configuration(model.url, folder, inference=inference, more=servers + more)
        yaml = yaml.replace("user_data_collection: {}", f"user_data_collection: {user_data}")
        service = await stack.enter_async_context(running(yaml, folder))
        stand = Stand(service.http, model, folder)
        await until(stand, lambda tools: len({tool["toolgroup_id"] for tool in tools["tools"]}) >= ready)
        yield stand


async def until(stand: Stand, enough: Callable[[Json], bool], headers: dict[str, str] | None = None) -> Json:
    """Ask for the tools until there are enough of them."""
    with anyio.fail_after(20):
        while True:
            async with stand.http.get("/v1/tools", headers=headers) as response:
                listed: Json = await response.json()
            if enough(listed):
                return listed
            await anyio.sleep(0.05)


async def query(stand: Stand, headers: dict[str, str] | None = None, **fields: object) -> Json:
    async with stand.http.post("/v1/query", json={"query": "Go on.", **fields}, headers=headers) as response:
        assert response.status == 200, await response.text()
        answer: Json = await response.json()
        return answer


async def stream(stand: Stand, **fields: object) -> list[Json]:
    async with stand.http.post("/v1/streaming_query", json={"query": "Go on.", **fields}) as response:
        assert response.status == 200
        return events(await response.read())


async def metrics(stand: Stand) -> str:
    async with stand.http.get("/metrics") as response:
        return await response.text()


def ours(caplog: pytest.LogCaptureFixture) -> str:
    """What the service logs, with all that it uses; the servers of the tests log what they get."""
    servers = ("mcp.server", "sse_starlette", "uvicorn")
    return "\n".join(it.getMessage() for it in caplog.records if not it.name.startswith(servers))


@requirement("tool-turn:query", "tool-turn:stored")
async def test_a_tool_answers(tmp_path: Path) -> None:
    async with mcp_server() as server, stand_with(tmp_path, server_entry("sums", server)) as stand:
        stand.model.scripts = calling("add", {"a": 2, "b": 40})
        answer = await query(stand)
        assert answer["response"] == "Done."
        (call,) = answer["tool_calls"]
        assert call == {
            "tool_name": "add",
            "arguments": {"a": 2, "b": 40},
            "result": {"response": "42"},
            "id": "c1",
            "name": "add",
            "args": {"a": 2, "b": 40},
            "type": "tool_call",
            "server_name": "sums",
        }
        assert answer["tool_results"] == [{"id": "c1", "status": "success", "content": "42", "type": "tool_result"}]
        assert "notices" not in answer
        offered = {tool["function"]["name"] for tool in stand.model.chats[0]["tools"]}
        assert "add" in offered
        assert stand.model.chats[1]["messages"][-1] == {"role": "tool", "content": "42", "tool_call_id": "c1"}
        assert 'ls_tool_calls_total{server="sums",status="success"} 1.0' in await metrics(stand)
        async with stand.http.get(f"/v1/conversations/{answer['conversation_id']}") as response:
            stored = await response.text()
        assert '"42"' in stored
        assert '"add"' in stored


@requirement("tool-turn:stream")
async def test_events_come_as_they_happen(tmp_path: Path) -> None:
    async with mcp_server() as server, stand_with(tmp_path, server_entry("slow", server)) as stand:
        stand.model.scripts = calling("wait")
        seen: list[Json] = []
        async with stand.http.post("/v1/streaming_query", json={"query": "Go on."}) as response:
            with anyio.fail_after(20):
                async for line in response.content:
                    if line.strip():
                        seen.append(json.loads(line[6:]))
                    if seen[-1]["event"] == "tool_call":
                        await server.running.wait()
                        server.release.set()
        assert [event["event"] for event in seen] == [
            "start",
            "tool_call",
            "tool_result",
            "token",
            "turn_complete",
            "end",
        ]
        called, returned = seen[1]["data"]["token"], seen[2]["data"]["token"]
        assert (called["tool_name"], called["name"], called["id"], called["server_name"]) == (
            "wait",
            "wait",
            "c1",
            "slow",
        )
        assert (returned["tool_name"], returned["id"], returned["server_name"]) == ("wait", "c1", "slow")


@requirement("tool-turn:no-tools")
async def test_no_tools(tmp_path: Path) -> None:
    async with mcp_server() as server, stand_with(tmp_path, server_entry("sums", server)) as stand:
        before = len(server.requests)
        await query(stand, no_tools=True)
        assert "tools" not in stand.model.chats[0]
        assert len(server.requests) == before


@requirement("tool-turn:skipped", "tool-turn:secrets")
async def test_a_server_that_is_skipped_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = tmp_path / "token"
    secret.write_text("canary-in-the-file\n")
    down = f"  - name: down\n    url: http://127.0.0.1:9/mcp\n    authorization_headers: {{Authorization: {secret}}}\n"
    async with mcp_server(requires="Bearer right") as locked, mcp_server() as server:
        wants = "    authorization_headers: {Authorization: client}\n"
        entries = (server_entry("sums", server), down, server_entry("locked", locked, wants))
        async with stand_with(tmp_path, *entries) as stand:
            await until(stand, lambda told: told.get("skipped_servers", [{"reason": ""}])[0]["reason"] == "unreachable")
            headers = {"MCP-HEADERS": json.dumps({"locked": {"Authorization": "Bearer canary-of-the-caller"}})}
            answer = await query(stand, headers)
            told = {(it["subject"], it["reason"]) for it in answer["notices"] if it["kind"] == "server_skipped"}
            assert told == {("down", "unreachable"), ("locked", "unauthorized")}
            streamed = [event["data"] for event in await stream(stand) if event["event"] == "notice"]
            assert {(it["subject"], it["reason"]) for it in streamed} == {
                ("down", "unreachable"),
                ("locked", "no_credentials"),
            }
            counted = await metrics(stand)
            assert 'ls_notices_total{kind="server_skipped",reason="unreachable",subject="down"} 2.0' in counted
    assert "server_skipped: down (unreachable)" in caplog.text
    assert "canary" not in json.dumps(answer) + counted + ours(caplog)


@requirement("tool-turn:secrets")
async def test_nothing_of_a_call_is_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with mcp_server(kind="sessions") as server:
        wants = "    authorization_headers: {Authorization: client}\n"
        async with stand_with(tmp_path, server_entry("echo", server, wants), ready=0) as stand:
            headers = {"MCP-HEADERS": json.dumps({"echo": {"Authorization": "Bearer canary-of-the-caller"}})}
            await until(stand, lambda told: bool(told["tools"]), headers)
            stand.model.scripts = calling("echo_headers")
            answer = await query(stand, headers)
            assert "canary-of-the-caller" in answer["tool_results"][0]["content"]
            counted = await metrics(stand)
    assert "canary" not in ours(caplog) + counted
    assert server.url not in ours(caplog)


@requirement("tool-turn:oauth")
@pytest.mark.parametrize("path", ["/v1/query", "/v1/streaming_query"])
@pytest.mark.parametrize("sent", [{}, {"Authorization": "Bearer wrong"}])
async def test_a_missing_token_is_told_to_who_asked(tmp_path: Path, path: str, sent: dict[str, str]) -> None:
    async with mcp_server(requires="Bearer right") as locked:
        wants = "    authorization_headers: {Authorization: oauth}\n"
        async with stand_with(tmp_path, server_entry("locked", locked, wants), ready=0) as stand:
            headers = {"MCP-HEADERS": json.dumps({"locked": sent})}
            async with stand.http.post(path, json={"query": "Go on."}, headers=headers) as response:
                assert response.status == 401
                assert response.headers["WWW-Authenticate"].startswith("Bearer resource_metadata=")
                assert set((await response.json())["detail"]) == {"response", "cause"}
            async with stand.http.get("/v1/tools", headers=headers) as response:
                assert response.status == 401
            (notice,) = (await query(stand))["notices"]
            assert (notice["subject"], notice["reason"]) == ("locked", "unauthorized")
            assert stand.model.chats[0].get("tools") is None
            right = {"MCP-HEADERS": json.dumps({locked.url: {"authorization": "Bearer right"}})}
            stand.model.scripts = calling("add", {"a": 1, "b": 1})
            stand.model.answered = 0
            assert (await query(stand, right))["tool_results"][0]["content"] == "2"


LOOPING = [Script((), tool_calls=(ScriptedCall("c", "add", f'{{"a": {n}, "b": 1}}'),)) for n in range(40)]


@requirement("tool-turn:budgets")
@pytest.mark.parametrize(
    ("fields", "subject", "calls"),
    [
        ({"max_infer_iters": 2}, "rounds", 1),
        ({"max_infer_iters": 1000}, "rounds", 3),
        ({"max_tool_calls": 1}, "calls", 1),
        ({"max_turn_tokens": 1}, "tokens", 0),
    ],
)
async def test_a_request_may_lower_a_budget(tmp_path: Path, fields: Json, subject: str, calls: int) -> None:
    async with mcp_server() as server:
        entry = server_entry("sums", server)
        async with stand_with(tmp_path, entry, inference="  max_infer_iters: 4\n") as stand:
            stand.model.scripts = LOOPING
            answer = await query(stand, None, **fields)
            assert [it["subject"] for it in answer["notices"]] == [subject]
            assert len(server.calls) == calls
            assert answer["response"]
            counted = await metrics(stand)
            assert f'ls_notices_total{{kind="budget_stop",reason="",subject="{subject}"}} 1.0' in counted


@requirement("tool-turn:budgets")
@pytest.mark.parametrize(
    "fields", [{"max_infer_iters": 0}, {"max_tool_calls": -1}, {"max_turn_tokens": 0}, {"max_turn_seconds": 0}]
)
async def test_a_budget_that_is_none_is_refused(stand: Stand, fields: Json) -> None:
    async with stand.http.post("/v1/query", json={"query": "Go on.", **fields}) as response:
        assert response.status == 422
        assert (await response.json())["detail"][0]["loc"] == ["body", *fields]


@requirement("tool-turn:cancelled")
async def test_leaving_stops_the_tool(tmp_path: Path) -> None:
    async with mcp_server() as server, stand_with(tmp_path, server_entry("slow", server)) as stand:
        stand.model.scripts = calling("wait")
        async with stand.http.post("/v1/streaming_query", json={"query": "Go on."}) as response:
            with anyio.fail_after(20):
                await server.running.wait()
            response.close()
        with anyio.fail_after(20):
            await server.cancelled.wait()


@requirement("tool-turn:long")
async def test_ten_megabytes_are_read_on(tmp_path: Path) -> None:
    async with mcp_server() as server, stand_with(tmp_path, server_entry("logs", server)) as stand:
        asking = calling("text", {"length": 10_000_000})[0]

        def reads_the_end(body: Json) -> Script:
            said = [message["content"] for message in body["messages"] if message["role"] == "tool"]
            if len(said) != 1:
                return DONE if said else asking
            place: Json = json.loads(said[0][said[0].rindex("{") : said[0].rindex("}") + 1])
            rest = json.dumps({**place, "offset": 9_999_000})
            return Script((), tool_calls=(ScriptedCall("c2", "read_tool_result", rest),))

        stand.model.scripts = reads_the_end
        answer = await query(stand)
        first, rest = (result["content"] for result in answer["tool_results"])
        assert len(first) < 20_000
        assert "read_tool_result" in first
        assert 900 < len(rest) < 20_000
        assert answer["tool_calls"][1]["server_name"] is None
        assert [it["kind"] for it in answer["notices"]] == ["result_cut"]
        names = [tool["function"]["name"] for tool in stand.model.chats[1]["tools"]]
        assert "read_tool_result" in names
        assert "read_tool_result" not in [tool["function"]["name"] for tool in stand.model.chats[0]["tools"]]


@requirement("tool-turn:chosen")
async def test_a_configured_number_is_offered(tmp_path: Path) -> None:
    async with mcp_server() as server:
        entry = server_entry("sums", server)
        async with stand_with(tmp_path, entry, inference="  max_offered_tools: 2\n") as stand:
            answer = await query(stand, None, query="Please use the tool structured, or add two numbers with add.")
            names = [tool["function"]["name"] for tool in stand.model.chats[0]["tools"]]
            assert sorted(names) == ["add", "structured"]
            assert [(it["kind"], it["subject"]) for it in answer["notices"]] == [("tools_chosen", "2")]


@requirement("tool-turn:skipped")
async def test_a_server_that_hangs_delays_nobody(tmp_path: Path) -> None:
    """The hung server is never released: a question that waited for it would never be answered."""
    async with mcp_server(faults=Faults(hang=True)) as hung, mcp_server() as server:
        entries = (server_entry("hung", hung), server_entry("sums", server))
        async with stand_with(tmp_path, *entries) as stand:
            stand.model.scripts = calling("add", {"a": 1, "b": 2})
            answer = await query(stand)
            assert answer["tool_results"][0]["content"] == "3"
            assert {it["subject"] for it in answer["notices"]} == {"hung"}

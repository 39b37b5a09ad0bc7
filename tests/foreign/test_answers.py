"""Questions that need the tools of servers which others wrote, through the whole service."""

import json
from typing import Any

import pytest

from tests.blackbox.stand import events
from tests.foreign.cases import CASES, SERVERS, Case, assert_in_order, named
from tests.foreign.conftest import Foreign, ForeignStand
from tests.servers.openai_server import Script, ScriptedCall
from tests.spec.registry import requirement

type Json = dict[str, Any]

DONE = Script(("Done.",))


def calls(stand: ForeignStand, *made: ScriptedCall) -> None:
    """Let the model make these calls, and answer when it has seen a result."""
    first = Script((), tool_calls=made)
    stand.model.requests.clear()
    stand.model.scripts = lambda body: DONE if body["messages"][-1]["role"] == "tool" else first


def scripted(case: Case, foreign: Foreign, id_: str = "call-1") -> ScriptedCall:
    return ScriptedCall(id_, case.name, json.dumps(case.filled(foreign.places)))


def results_of(stand: ForeignStand) -> dict[str, str]:
    """What the model was shown at last: call id → result."""
    messages = stand.model.chats[-1]["messages"]
    return {it["tool_call_id"]: it["content"] for it in messages if it["role"] == "tool"}


async def query(stand: ForeignStand) -> Json:
    async with stand.http.post("/v1/query", json={"query": "What do the tools say?"}) as response:
        assert response.status == 200, await response.text()
        answer: Json = await response.json()
        return answer


@requirement("mcp:foreign:query")
@pytest.mark.parametrize("case", CASES, ids=named)
async def test_an_answer(stand: ForeignStand, foreign: Foreign, case: Case) -> None:
    calls(stand, scripted(case, foreign))
    answer = await query(stand)
    assert answer["response"] == "Done."
    (call,) = answer["tool_calls"]
    text = call["result"]["response"]
    assert_in_order(case.says, text)
    arguments = case.filled(foreign.places)
    assert call == {
        "id": "call-1",
        "type": "tool_call",
        "tool_name": case.name,
        "name": case.name,
        "server_name": case.server,
        "arguments": arguments,
        "args": arguments,
        "result": {"response": text},
    }
    (result,) = answer["tool_results"]
    assert (result["id"], result["status"]) == ("call-1", "failure" if case.failed else "success")
    assert results_of(stand) == {"call-1": text}
    offered = {tool["function"]["name"]: tool["function"] for tool in stand.model.chats[0]["tools"]}
    assert offered[case.name]["description"]
    assert offered[case.name]["parameters"]["type"] == "object"


@requirement("mcp:foreign:stream")
@pytest.mark.parametrize("case", CASES, ids=named)
async def test_a_stream(stand: ForeignStand, foreign: Foreign, case: Case) -> None:
    calls(stand, scripted(case, foreign))
    async with stand.http.post("/v1/streaming_query", json={"query": "What do the tools say?"}) as response:
        assert response.status == 200
        seen = events(await response.read())
    names = [event["event"] for event in seen]
    assert names == ["start", "tool_call", "tool_result", "token", "turn_complete", "end"]
    called, returned = (event["data"]["token"] for event in seen[1:3])
    where = {"id": "call-1", "tool_name": case.name, "server_name": case.server}
    assert where.items() <= called.items()
    assert where.items() <= returned.items()
    assert called["arguments"] == case.filled(foreign.places)
    assert_in_order(case.says, returned["response"])
    assert returned["status"] == ("failure" if case.failed else "success")
    assert results_of(stand) == {"call-1": returned["response"]}
    assert seen[4]["data"]["token"] == "Done."


@requirement("mcp:foreign:together")
async def test_all_servers_in_one_answer(stand: ForeignStand, foreign: Foreign) -> None:
    chosen = [next(case for case in CASES if case.server == server and not case.failed) for server in SERVERS]
    calls(stand, *(scripted(case, foreign, f"call-{case.server}") for case in chosen))
    answer = await query(stand)
    assert [call["server_name"] for call in answer["tool_calls"]] == list(SERVERS)
    shown = results_of(stand)
    for case in chosen:
        assert_in_order(case.says, shown[f"call-{case.server}"])
    assert "notices" not in answer

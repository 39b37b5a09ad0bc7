"""``/v1/mcp-servers``, ``/v1/mcp-auth/client-options`` and what ``/v1/tools`` shows of them, over real sockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import pytest

from tests.servers.mcp_server import mcp_server
from tests.servers.openai_server import openai_server
from tests.servers.postgres import PostgresDatabase
from tests.servers.service import configuration, running
from tests.spec.registry import requirement

SILENT = "http://127.0.0.1:1/mcp"
"""Where nobody listens."""

CONFIGURED = f"""
mcp_servers:
  - name: z-first
    url: http://user:canary@127.0.0.1:1/mcp
    authorization_headers: {{Authorization: oauth, X-Key: client, X-Second: client, X-Token: kubernetes}}
  - name: a-second
    url: {SILENT}
    provider_id: own
"""


@asynccontextmanager
async def serving(
    folder: Path, more: str = CONFIGURED, database: str | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    async with openai_server() as model:
        yaml = configuration(model.url, folder, more=more, database=database)
        async with running(yaml, folder) as service:
            yield service.http


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    async with serving(tmp_path) as session:
        yield session


async def register(http: aiohttp.ClientSession, name: str = "files", **said: Any) -> tuple[int, Any]:
    async with http.post("/v1/mcp-servers", json={"name": name, "url": SILENT, **said}) as response:
        return response.status, await response.json()


async def delete(http: aiohttp.ClientSession, name: str) -> tuple[int, Any]:
    async with http.delete(f"/v1/mcp-servers/{name}") as response:
        return response.status, await response.json()


async def get(http: aiohttp.ClientSession, path: str, **headers: str) -> Any:
    async with http.get(path, headers=headers) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def names(http: aiohttp.ClientSession) -> list[str]:
    return [server["name"] for server in (await get(http, "/v1/mcp-servers"))["servers"]]


@requirement("servers:register")
async def test_a_server_is_registered_listed_and_deleted(http: aiohttp.ClientSession) -> None:
    told = {"name": "files", "url": SILENT, "provider_id": "mine"}
    message = "MCP server 'files' registered successfully"
    assert await register(http, provider_id="mine") == (201, {**told, "message": message})
    assert (await get(http, "/v1/mcp-servers"))["servers"][-1] == {**told, "source": "api"}
    message = "MCP server 'files' unregistered successfully"
    assert await delete(http, "files") == (200, {"name": "files", "message": message})
    assert await names(http) == ["z-first", "a-second"]


@requirement("servers:register")
async def test_a_server_is_there_after_a_new_start(tmp_path: Path) -> None:
    said: dict[str, Any] = {"authorization_headers": {"X-Key": "client"}, "headers": ["x-id"], "timeout": 5}
    async with serving(tmp_path) as http:
        assert (await register(http, **said))[0] == 201
    async with serving(tmp_path, more="") as http:
        assert await names(http) == ["files"]
        options = (await get(http, "/v1/mcp-auth/client-options"))["servers"]
        assert options == [{"name": "files", "client_auth_headers": ["X-Key"], "oauth_headers": []}]


@requirement("servers:register")
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_replicas_share_the_servers(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    database = f"sqlite:\n    db_path: {tmp_path}/shared.db"
    if kind == "postgres":
        own: PostgresDatabase = request.getfixturevalue("postgres_database")
        database = own.yaml()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with (
        serving(tmp_path / "one", database=database) as first,
        serving(tmp_path / "two", database=database) as second,
    ):
        assert (await register(first))[0] == 201
        assert await names(second) == ["z-first", "a-second", "files"]
        assert (await register(second))[0] == 409
        assert (await delete(second, "files"))[0] == 200
        assert await names(first) == ["z-first", "a-second"]


@requirement("servers:register:exists")
async def test_a_name_is_given_once(http: aiohttp.ClientSession) -> None:
    assert (await register(http))[0] == 201
    for name in ("files", "a-second"):
        status, body = await register(http, name)
        assert (status, body["detail"]["response"]) == (409, "MCP server already exists")
        assert name in body["detail"]["cause"]


@requirement("servers:register:refused")
@pytest.mark.parametrize(
    ("said", "field", "told"),
    [
        ({"url": "http://user:secret@127.0.0.1/mcp"}, "url", "remove them"),
        ({"authorization_headers": {"Authorization": "/etc/passwd"}}, "authorization_headers", "write kubernetes"),
        ({"url": None}, "url", "valid string"),
        ({"timeout": 3601}, "timeout", "3600"),
        ({"api_key": "abc"}, "api_key", "Extra inputs are not permitted"),
    ],
)
async def test_bad_values_are_refused(http: aiohttp.ClientSession, said: dict[str, Any], field: str, told: str) -> None:
    status, body = await register(http, **said)
    assert (status, body["detail"][0]["loc"]) == (422, ["body", field])
    assert told in body["detail"][0]["msg"]
    assert await names(http) == ["z-first", "a-second"]


@requirement("servers:list")
async def test_servers_are_listed_in_order_without_credentials(http: aiohttp.ClientSession) -> None:
    for name in ("m", "b", "10"):
        assert (await register(http, name))[0] == 201
    async with http.get("/v1/mcp-servers") as response:
        text, body = await response.text(), await response.json()
    assert "canary" not in text
    standard = {"url": SILENT, "provider_id": "model-context-protocol"}
    assert body["servers"] == [
        {"name": "z-first", **standard, "source": "config"},
        {"name": "a-second", **standard, "provider_id": "own", "source": "config"},
        *({"name": name, **standard, "source": "api"} for name in ("10", "b", "m")),
    ]


@requirement("servers:delete")
@pytest.mark.parametrize(
    ("name", "status", "told"),
    [
        ("nope", 404, "MCP server not found"),
        ("%20", 404, "MCP server not found"),
        ("a-second", 403, "cannot be removed"),
    ],
)
async def test_what_cannot_be_deleted(http: aiohttp.ClientSession, name: str, status: int, told: str) -> None:
    answered, body = await delete(http, name)
    assert answered == status
    assert told in body["detail"]["response"]
    assert body["detail"]["cause"]
    assert await names(http) == ["z-first", "a-second"]


@requirement("servers:delete")
async def test_a_name_that_no_store_can_take(http: aiohttp.ClientSession) -> None:
    status, body = await delete(http, "a%00b")
    assert (status, body["detail"][0]["loc"]) == (422, ["path", "name"])


@requirement("servers:client-options")
async def test_what_callers_are_to_send(http: aiohttp.ClientSession) -> None:
    await register(http, "mine", authorization_headers={"Authorization": "oauth"})
    await register(http, "none", authorization_headers={"Authorization": "kubernetes"})
    assert await get(http, "/v1/mcp-auth/client-options") == {
        "servers": [
            {
                "name": "z-first",
                "client_auth_headers": ["X-Key", "X-Second"],
                "oauth_headers": ["Authorization"],
            },
            {"name": "mine", "client_auth_headers": [], "oauth_headers": ["Authorization"]},
        ]
    }


@requirement("servers:rights")
async def test_each_route_needs_its_action(tmp_path: Path) -> None:
    rules = "authorization: {access_rules: [{role: '*', actions: [info]}]}"
    async with serving(tmp_path, more=rules) as http:
        for method, path, action in (
            ("GET", "/v1/mcp-servers", "LIST_MCP_SERVERS"),
            ("POST", "/v1/mcp-servers", "REGISTER_MCP_SERVER"),
            ("DELETE", "/v1/mcp-servers/nope", "DELETE_MCP_SERVER"),
            ("GET", "/v1/mcp-auth/client-options", "GET_TOOLS"),
        ):
            async with http.request(method, path, json={"name": "files", "url": SILENT}) as response:
                told = {"detail": f"Insufficient permissions for action: Action.{action}"}
                assert (response.status, await response.json()) == (403, told)


async def listed_tools(http: aiohttp.ClientSession, number: int, **headers: str) -> dict[str, Any]:
    """The list of tools, as soon as it has so many."""
    with anyio.fail_after(20):
        while True:
            body: dict[str, Any] = await get(http, "/v1/tools", **headers)
            if len(body["tools"]) == number:
                return body


@requirement("servers:register", "tools:skipped", "tools:list")
async def test_the_tools_of_a_registered_server_are_listed(tmp_path: Path) -> None:
    async with mcp_server(tools=["add", "nested"]) as tools, serving(tmp_path) as http:
        assert (await register(http, "sums", url=tools.url))[0] == 201
        body = await listed_tools(http, 2)
        assert {(tool["identifier"], tool["toolgroup_id"], tool["server_source"]) for tool in body["tools"]} == {
            ("add", "sums", tools.url),
            ("nested", "sums", tools.url),
        }
        assert [server["name"] for server in body["skipped_servers"]] == ["z-first", "a-second"]
        assert all(server["reason"] and server["message"] for server in body["skipped_servers"])
        assert (await delete(http, "sums"))[0] == 200
        await listed_tools(http, 0)


@requirement("tools:authorization")
async def test_a_server_that_wants_a_token_says_where_to_get_one(tmp_path: Path) -> None:
    challenge = 'Bearer resource_metadata="http://127.0.0.1/.well-known/x"'
    async with (
        mcp_server(tools=["add"], requires="Bearer right", challenge=challenge) as tools,
        serving(tmp_path, more="") as http,
    ):
        await register(http, "sums", url=tools.url, authorization_headers={"Authorization": "oauth"})
        (skipped,) = (await listed_tools(http, 0))["skipped_servers"]
        assert (skipped["name"], skipped["reason"]) == ("sums", "unauthorized")
        async with http.get("/v1/tools", headers={"MCP-HEADERS": '{"sums": {}}'}) as response:
            assert (response.status, response.headers["WWW-Authenticate"]) == (401, challenge)
            assert (await response.json())["detail"]["response"] == "Authorization required"
        right = {"MCP-HEADERS": '{"sums": {"Authorization": "Bearer right"}}'}
        body = await listed_tools(http, 1, **right)
        assert "skipped_servers" not in body

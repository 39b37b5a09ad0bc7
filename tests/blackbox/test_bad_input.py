"""Whatever is sent to any operation: a documented answer below 500, in JSON, that a browser may read; then the next."""

import io
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Any

import pytest
from yarl import URL

from tests.blackbox.operations import OPERATIONS, Operation
from tests.blackbox.stand import ORIGIN, UNKNOWN, Place, Serving, Stand
from tests.spec.registry import requirement

type Json = dict[str, Any]
DEPTH = 100_000
TEN_MB = 10 * 1024 * 1024
LONG = "a" * 60_000
JSON = {"Content-Type": "application/json"}
EVERYWHERE = {"404", "413"}
"""What a path that is none and a body that is too large get, whatever is there."""

NOTHING: Mapping[str, str] = MappingProxyType({})

OF_A_QUESTION = ("conversation_id", "provider", "model", "system_prompt", "attachments", "no_tools", "media_type")
MORE = {
    "/v1/query": OF_A_QUESTION,
    "/v1/streaming_query": OF_A_QUESTION,
    "/v1/feedback": ("sentiment", "user_feedback", "categories"),
}
"""Fields beside those of an operation's valid body."""

ALL = pytest.mark.parametrize("name", list(OPERATIONS))
WITH_BODY = pytest.mark.parametrize("name", [name for name, it in OPERATIONS.items() if it.body is not None])
WITH_ID = pytest.mark.parametrize("name", [name for name, it in OPERATIONS.items() if "{" in it.path])


@pytest.fixture(scope="module")
async def besieged(place: Place, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    """A service for these tests alone, for some of them turn its switches."""
    with place.empty(tmp_path_factory.mktemp("besieged")) as own:
        async with Serving(own, own.folder)() as stand:
            yield stand


@pytest.fixture(scope="module")
async def declared(besieged: Stand) -> Json:
    """Statuses by operation, as the service describes itself."""
    paths = (await besieged.get("/openapi.json")).body["paths"]
    return {
        f"{method.upper()} {path}": set(operation["responses"])
        for path, item in paths.items()
        for method, operation in item.items()
    }


@dataclass(frozen=True, slots=True)
class Siege:
    """One operation, and what it says it can answer."""

    stand: Stand
    operation: Operation
    statuses: set[str]

    async def withstands(
        self,
        address: str | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] = NOTHING,
        *,
        chunked: bool = False,
    ) -> int:
        """Send something, and look at the answer and at whether the service still answers; the status."""
        where = URL(address or self.operation.url, encoded=True)
        sent = {"Origin": ORIGIN, **(JSON if body is not None else {}), **headers}
        data = None if body is None else pieces(body) if chunked else io.BytesIO(body)
        what = f"{self.operation.method} {str(where)[:100]} {str(body)[:100]} {str(headers)[:100]}"
        async with self.stand.http.request(self.operation.method, where, data=data, headers=sent) as response:
            raw = await response.read()
        assert str(response.status) in self.statuses | EVERYWHERE, f"{what}: {response.status} {raw[:300]!r}"
        assert response.status < 500, what
        assert response.headers.get("Access-Control-Allow-Origin") == "*", f"{what}: {response.status} {raw[:300]!r}"
        if response.status >= 400:
            assert response.content_type == "application/json", what
            assert set(json.loads(raw)) == {"detail"}, what
            assert len(raw) < 32_768, f"{what}: an error need not repeat all that was sent"
        async with self.stand.http.get("/liveness") as alive:
            assert alive.status == 200, what
        return response.status


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    """A body whose length is not told."""
    for start in range(0, len(body), 65_536):
        yield body[start : start + 65_536]


@pytest.fixture
async def siege(besieged: Stand, declared: Json, name: str) -> AsyncIterator[Siege]:
    yield Siege(besieged, OPERATIONS[name], declared[name])
    answer = await besieged.call("PUT", "/v1/feedback/status", {"status": True})
    assert answer.status == 200


NO_JSON = [b"", b"{", b"[", b'{"query": ', b"\xff\xfe", b'{"query": "\xff"}', b"\0", b"NaN", b"nul", b"{'query': 1}"]
OTHER_JSON = [b"null", b"[]", b"[{}]", b'"query"', b"1", b"-0", b"1e999", b"true", b"{}", b'{"": ""}', b"1" * 5000]


@requirement("rest:bad-input:malformed")
@WITH_BODY
async def test_bodies_that_are_no_json_or_no_object(siege: Siege) -> None:
    for body in [*NO_JSON, *OTHER_JSON]:
        for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/json; charset=utf-16"}):
            status = await siege.withstands(body=body, headers=headers)
            assert status in {400, 422} or (status, body) == (200, b"{}")


WRONG: list[Any] = [None, True, 0, -1, 1.5, 10**400, "", "x", [], [[]], {}, {"a": None}, ["x"] * 50, "\0", "a\0b"]
SURROGATES = [r"\ud800", r"\udfff\ud800", r"a\ud83d b"]


@requirement("rest:bad-input:types", "rest:bad-input:nul", "rest:bad-input:surrogates")
@WITH_BODY
async def test_fields_of_every_type(siege: Siege) -> None:
    valid = siege.operation.body or {}
    for field in (*valid, *MORE.get(siege.operation.path, ()), "unknown"):
        given = [json.dumps({**valid, field: value}) for value in WRONG]
        given += [json.dumps({**valid, field: "@"}).replace("@", text) for text in SURROGATES]
        given += [json.dumps({**valid, "@": 1}).replace("@", text) for text in SURROGATES]
        for body in given:
            await siege.withstands(body=body.encode())


@requirement("rest:bad-input:nul", "rest:bad-input:surrogates")
@pytest.mark.parametrize("name", ["POST /v1/query", "POST /v1/streaming_query", "POST /v1/feedback"])
async def test_text_that_cannot_be_stored_is_refused(siege: Siege) -> None:
    text = "user_question" if siege.operation.path == "/v1/feedback" else "query"
    for value in (r"\u0000", *SURROGATES):
        body = json.dumps({**(siege.operation.body or {}), text: "@"}).replace("@", value)
        assert await siege.withstands(body=body.encode()) == 422


@requirement("rest:bad-input:deep")
@WITH_BODY
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")], ids=["lists", "objects"])
async def test_json_of_a_hundred_thousand_levels(siege: Siege, opening: str, closing: str) -> None:
    deep = f"{opening * DEPTH}1{closing * DEPTH}"
    for body in (deep, opening * DEPTH, f'{{"query": {deep}}}', f'{{"query": "?", "unknown": {deep}}}'):
        assert await siege.withstands(body=body.encode()) in {400, 422}


@requirement("rest:bad-input:large")
@ALL
@pytest.mark.parametrize("chunked", [False, True], ids=["told", "chunked"])
async def test_bodies_of_ten_megabytes(siege: Siege, *, chunked: bool) -> None:
    status = await siege.withstands(body=b" " * TEN_MB, chunked=chunked)
    assert status == 413 or (siege.operation.body is None and chunked), "what nobody reads may be as long as it likes"


IDS = ["nope", "%00", "a%00b", "%ED%A0%80", "%FF", "..", "%2E%2E%2F%2E%2E", "%7B%7D", "%0A", "%25", "*", LONG]
LIMITS = ["0", "-1", "10001", "1e3", "", "9" * 5000, "%00", "true"]


@requirement("rest:bad-input:ids")
@WITH_ID
async def test_ids_that_are_none(siege: Siege) -> None:
    path = siege.operation.path.partition("{")[0]
    body = json.dumps(siege.operation.body).encode() if siege.operation.body else None
    for id_ in IDS:
        assert await siege.withstands(f"{path}{id_}", body) in {400, 404}


@requirement("rest:bad-input:foreign")
@pytest.mark.parametrize("name", [name for name, it in OPERATIONS.items() if "{conversation_id}" in it.path])
async def test_conversations_of_others_and_of_nobody(siege: Siege) -> None:
    theirs = (await siege.stand.of("bob").ask())["conversation_id"]
    body = json.dumps(siege.operation.body).encode() if siege.operation.body else None
    for id_ in (theirs, UNKNOWN):
        address = f"{siege.operation.path.format(conversation_id=id_)}?user_id=alice"
        assert await siege.withstands(address, body) in {403, 404}
    assert len(await siege.stand.of("bob").turns(theirs)) == 1


@requirement("rest:bad-input:parameters")
@ALL
async def test_absurd_parameters(siege: Siege) -> None:
    body = json.dumps(siege.operation.body).encode() if siege.operation.body else None
    users = ["%00", "%ED%A0%80", "%FF", LONG, "..%2F..%2Fetc", "%2F", "%0D%0AX:%201", "%F0%9F%98%80"]
    parameters = [f"user_id={user}" for user in users]
    parameters += [f"limit={limit}" for limit in LIMITS] + [f"after={id_}" for id_ in IDS]
    parameters += ["user_id=a&user_id=b", "user_id", "&&&=&", "%", "a" * 60_000, "&".join(["x=1"] * 5000)]
    for parameter in parameters:
        await siege.withstands(f"{siege.operation.url}?{parameter}", body)


@requirement("rest:bad-input:paths")
@ALL
async def test_very_long_paths(siege: Siege) -> None:
    for path in (f"{siege.operation.url.rstrip('/')}/{LONG}", f"/{LONG}", "/a" * 30_000, "/" * 2000 + "a"):
        assert await siege.withstands(path) in {400, 403, 404}


@requirement("rest:bad-input:headers")
@ALL
async def test_absurd_headers(siege: Siege) -> None:
    body = json.dumps(siege.operation.body).encode() if siege.operation.body else None
    names = ["X-Long", "Authorization", "Cookie", "MCP-HEADERS", "Accept", "If-None-Match", "Content-Type"]
    values = [LONG, "", "\xff\xfe", "a,b;c=d", "{" * 5000]
    for name, value in product(names, values):
        await siege.withstands(body=body, headers={name: value})
    await siege.withstands(body=body, headers={f"X-{number}": "1" for number in range(500)})
    await siege.withstands(body=body, headers={"MCP-HEADERS": "[" * DEPTH})

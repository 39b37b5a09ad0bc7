"""rest-api.md 0: routes, the order of checks, common errors, headers, CORS."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.blackbox.operations import FEEDBACK, OPERATIONS
from tests.blackbox.stand import ORIGIN, UNKNOWN, Place, Serving, Stand, configuration, detail
from tests.servers.openai_server import Script
from tests.servers.service import running
from tests.spec.registry import requirement
from tests.telemetry.scraping import scrape

NOBODY = "\0"
"""A user id that authentication refuses, whatever the module."""

NOT_JSON = b'{"query": '
JSON = {"Content-Type": "application/json"}
SKELETON = Path(__file__).parents[1] / "docs" / "openapi-skeleton.json"


@pytest.fixture(scope="module")
async def denied(place: Place, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    """A service in which nobody may do anything."""
    rules = {"access_rules": [{"role": "*", "actions": []}]}
    async with Serving(place, tmp_path_factory.mktemp("denied"))(authorization=rules) as stand:
        yield stand


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("GET /", marks=requirement("rest:0.1:GET:/")),
        pytest.param("GET /v1/info", marks=requirement("rest:0.1:GET:/v1/info")),
        pytest.param("GET /v1/models", marks=requirement("rest:0.1:GET:/v1/models")),
        pytest.param("GET /v1/tools", marks=requirement("rest:0.1:GET:/v1/tools")),
        pytest.param("GET /v1/shields", marks=requirement("rest:0.1:GET:/v1/shields")),
        pytest.param("GET /v1/providers", marks=requirement("rest:0.1:GET:/v1/providers")),
        pytest.param("GET /v1/providers/{provider_id}", marks=requirement("rest:0.1:GET:/v1/providers/{id}")),
        pytest.param("POST /v1/query", marks=requirement("rest:0.1:POST:/v1/query")),
        pytest.param("POST /v1/streaming_query", marks=requirement("rest:0.1:POST:/v1/streaming_query")),
        pytest.param("GET /v1/config", marks=requirement("rest:0.1:GET:/v1/config")),
        pytest.param("POST /v1/feedback", marks=requirement("rest:0.1:POST:/v1/feedback")),
        pytest.param("GET /v1/feedback/status", marks=requirement("rest:0.1:GET:/v1/feedback/status")),
        pytest.param("PUT /v1/feedback/status", marks=requirement("rest:0.1:PUT:/v1/feedback/status")),
        pytest.param("GET /v1/conversations", marks=requirement("rest:0.1:GET:/v1/conversations")),
        pytest.param(
            "GET /v1/conversations/{conversation_id}", marks=requirement("rest:0.1:GET:/v1/conversations/{id}")
        ),
        pytest.param(
            "DELETE /v1/conversations/{conversation_id}", marks=requirement("rest:0.1:DELETE:/v1/conversations/{id}")
        ),
        pytest.param("GET /v2/conversations", marks=requirement("rest:0.1:GET:/v2/conversations")),
        pytest.param(
            "GET /v2/conversations/{conversation_id}", marks=requirement("rest:0.1:GET:/v2/conversations/{id}")
        ),
        pytest.param(
            "DELETE /v2/conversations/{conversation_id}", marks=requirement("rest:0.1:DELETE:/v2/conversations/{id}")
        ),
        pytest.param(
            "PUT /v2/conversations/{conversation_id}", marks=requirement("rest:0.1:PUT:/v2/conversations/{id}")
        ),
        pytest.param("GET /readiness", marks=requirement("rest:0.1:GET:/readiness")),
        pytest.param("GET /liveness", marks=requirement("rest:0.1:GET:/liveness")),
        pytest.param("POST /authorized", marks=requirement("rest:0.1:POST:/authorized")),
        pytest.param("GET /metrics", marks=requirement("rest:0.1:GET:/metrics")),
    ],
)
async def test_an_operation_answers_and_asks_who_and_whether_they_may(stand: Stand, denied: Stand, name: str) -> None:
    operation = OPERATIONS[name]
    assert (await operation.call(stand)).status == operation.status
    nobody = await operation.call(stand, user_id=NOBODY)
    assert nobody.status == (400 if operation.authenticated else operation.status)
    refused = await operation.call(denied)
    if operation.action is None:
        assert refused.status == operation.status
    else:
        told = {"detail": f"Insufficient permissions for action: Action.{operation.action}"}
        assert refused.told == (403, told)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/openapi.json", marks=requirement("rest:0.1:openapi.json")),
        pytest.param("/docs", marks=requirement("rest:0.1:docs")),
        pytest.param("/docs/oauth2-redirect", marks=requirement("rest:0.1:oauth2-redirect")),
        pytest.param("/redoc", marks=requirement("rest:0.1:redoc")),
    ],
)
async def test_descriptions_are_open_to_everybody(denied: Stand, path: str) -> None:
    assert (await denied.get(path, user_id=NOBODY)).status == 200


@requirement("rest:0.1:health-aliases")
@pytest.mark.parametrize("path", ["/readiness", "/liveness"])
async def test_probes_answer_below_v1_too(stand: Stand, path: str) -> None:
    assert (await stand.get(f"/v1{path}")).told == (await stand.get(path)).told
    assert (await stand.get(f"/v1{path}")).status == 200


@requirement("rest:0.1:head")
async def test_probes_answer_head_and_nothing_else_does(stand: Stand) -> None:
    for path in ("/readiness", "/liveness", "/v1/readiness", "/v1/liveness"):
        answer = await stand.call("HEAD", path)
        assert (answer.status, answer.raw) == (200, b"")
    answer = await stand.call("HEAD", "/v1/info")
    assert (answer.status, answer.header("Allow")) == (405, "GET")
    assert (await stand.call("PATCH", "/v1/info")).told == (405, {"detail": "Method Not Allowed"})


@requirement("rest:0.1:trailing-slash")
@pytest.mark.parametrize("name", list(OPERATIONS))
async def test_a_trailing_slash_is_answered_directly(stand: Stand, name: str) -> None:
    operation = OPERATIONS[name]
    answer = await stand.call(operation.method, f"{operation.url.rstrip('/')}/", operation.body)
    assert answer.status == operation.status


@requirement("rest:0.1:tags-and-ids")
async def test_operations_have_the_references_tags_and_ids(stand: Stand) -> None:
    def named(document: dict[str, object]) -> dict[str, tuple[str, list[str]]]:
        paths = document["paths"]
        assert isinstance(paths, dict)
        return {
            f"{method.upper()} {path}": (it["operationId"], it["tags"])
            for path, item in paths.items()
            for method, it in item.items()
        }

    theirs = named(json.loads(SKELETON.read_text("utf-8")))
    ours = named((await stand.get("/openapi.json")).body)
    assert theirs.keys() == OPERATIONS.keys()
    assert {name: ours.get(name) for name in theirs} == theirs


@requirement("rest:0.1:openapi-info")
async def test_the_document_says_whose_it_is(stand: Stand) -> None:
    document = (await stand.get("/openapi.json")).body
    assert document["info"]["title"] == "test service - OpenAPI"
    assert document["info"]["version"] == "0.3.0"
    licence = {"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0.html"}
    assert document["info"]["license"] == licence
    assert document["servers"] == [{"url": "http://localhost:8080/"}]


PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-Mine"}


@requirement("rest:0.2:1-cors")
@pytest.mark.parametrize("path", ["/v1/query", "/v1/nothing"])
async def test_preflights_come_before_everything(denied: Stand, path: str) -> None:
    answer = await denied.call("OPTIONS", path, headers=PREFLIGHT, user_id=NOBODY)
    assert (answer.status, answer.content_type, answer.raw) == (200, "text/plain; charset=utf-8", b"OK")


@requirement("rest:0.2:2-metrics")
async def test_what_is_refused_is_counted(stand: Stand) -> None:
    async def counted(status: str) -> float:
        return (await scrape(stand.http)).value("ls_rest_api_calls_total", path="/v1/info", status_code=status) or 0

    before = [await counted("400"), await counted("405")]
    await stand.get("/v1/info", user_id=NOBODY)
    await stand.call("POST", "/v1/info")
    assert [await counted("400"), await counted("405")] == [count + 1 for count in before]


@requirement("rest:0.2:3-routing")
async def test_routes_come_before_bodies_and_callers(denied: Stand) -> None:
    unknown = await denied.call("POST", "/v1/nothing", NOT_JSON, headers=JSON, user_id=NOBODY)
    assert unknown.told == (404, {"detail": "Not Found"})
    wrong = await denied.call("PUT", "/v1/query", NOT_JSON, headers=JSON, user_id=NOBODY)
    assert wrong.told == (405, {"detail": "Method Not Allowed"})


WITH_BODY = [
    pytest.param(name, id=it.path) for name, it in OPERATIONS.items() if it.body is not None and "v2" not in it.path
]


@requirement("rest:0.2:4-syntax")
@pytest.mark.parametrize("name", WITH_BODY)
async def test_syntax_comes_before_callers(denied: Stand, name: str) -> None:
    operation = OPERATIONS[name]
    answer = await denied.call(operation.method, operation.url, NOT_JSON, headers=JSON, user_id=NOBODY)
    assert answer.problem["type"] == "json_invalid"


@requirement("rest:0.2:5-authentication", "rest:0.2:consequence")
@pytest.mark.parametrize("name", WITH_BODY)
async def test_callers_come_before_fields(denied: Stand, name: str) -> None:
    operation = OPERATIONS[name]
    answer = await denied.call(operation.method, operation.url, {"status": [], "query": 1}, user_id=NOBODY)
    assert answer.status == 400


@requirement("rest:0.2:5-feedback-switch")
async def test_the_feedback_switch_comes_before_fields(serving: Serving) -> None:
    async with serving(user_data_collection={"feedback_enabled": False}) as stand:
        assert (await stand.call("POST", "/v1/feedback", FEEDBACK, user_id=NOBODY)).status == 400
        answer = await stand.call("POST", "/v1/feedback", {})
        assert answer.told == (403, {"detail": "Forbidden: Feedback is disabled"})


@requirement("rest:0.2:6-fields")
@pytest.mark.parametrize("name", WITH_BODY)
async def test_fields_come_before_actions(denied: Stand, name: str) -> None:
    operation = OPERATIONS[name]
    answer = await denied.call(operation.method, operation.url, {"status": [], "query": 1})
    assert answer.status == 422


@requirement("rest:0.2:7-action", "rest:0.2:8-handler")
async def test_actions_come_before_what_is_stored(stand: Stand, denied: Stand) -> None:
    assert (await denied.query(conversation_id=UNKNOWN)).detail.endswith("Action.QUERY")
    assert (await stand.query(conversation_id=UNKNOWN)).status == 404
    assert (await denied.get("/v1/conversations/nope")).detail.endswith("Action.GET_CONVERSATION")
    assert (await stand.get("/v1/conversations/nope")).status == 400


@requirement("rest:0.3:validation", "rest:0.3:custom", "rest:0.3:absent", "rest:0.3:extra")
async def test_mistakes_of_a_body_are_told(stand: Stand) -> None:
    absent = (await stand.call("POST", "/v1/query", {})).problem
    assert absent == {"type": "missing", "loc": ["body", "query"], "msg": "Field required", "input": {}}
    custom = (await stand.query(conversation_id="nope")).problem
    assert (custom["type"], custom["ctx"]) == ("value_error", {"error": {}})
    assert custom["msg"].startswith("Value error, ")
    extra = (await stand.call("POST", "/v1/feedback", {**FEEDBACK, "more": 1})).problem
    assert extra == {
        "type": "extra_forbidden",
        "loc": ["body", "more"],
        "msg": "Extra inputs are not permitted",
        "input": 1,
    }


@requirement("rest:0.3:service-error", "rest:0.3:auth-error", "rest:0.3:denial")
async def test_errors_have_one_of_two_shapes(stand: Stand, denied: Stand) -> None:
    assert set((await stand.query(conversation_id=UNKNOWN)).detail) == {"response", "cause"}
    assert set((await stand.get("/v1/providers/none")).detail) == {"response"}
    assert isinstance((await stand.get("/v1/info", user_id=NOBODY)).detail, str)
    assert (await denied.get("/v1/info")).detail == "Insufficient permissions for action: Action.INFO"


@requirement("rest:0.3:unreachable")
@pytest.mark.parametrize("path", ["/v1/query", "/v1/streaming_query", "/v1/models"])
async def test_a_provider_that_cannot_be_reached(serving: Serving, path: str) -> None:
    async with serving(model_url="http://127.0.0.1:9/v1") as stand:
        answer = await (stand.get(path) if path == "/v1/models" else stand.query(at=path))
        assert answer.told == (500, detail("Unable to connect to the model provider", "Connection error."))
        stored = await stand.get("/v1/conversations")
        assert (stored.status, stored.body["conversations"]) == (200, [])


@requirement("rest:0.3:timed-out")
async def test_a_provider_that_is_silent(serving: Serving) -> None:
    async with serving(Script(hang_before_headers=True)) as probe:
        provider = {"id": "fake", "type": "openai", "url": probe.model.url, "extra": {"timeout": 0.2}}
        async with serving(inference={"providers": [provider]}) as stand:
            answer = await stand.query()
    assert answer.told == (500, detail("Unable to connect to the model provider", "Request timed out."))


@requirement("rest:0.3:unhandled")
async def test_what_nobody_foresaw_is_json_with_cors(place: Place, tmp_path: Path) -> None:
    async def break_down() -> None:
        raise ZeroDivisionError("canary")

    yaml = configuration(place, tmp_path, "http://127.0.0.1:9/v1")
    async with running(yaml, tmp_path) as service:
        service.app.add_api_route("/v1/extension", break_down)
        async with service.http.get("/v1/extension", headers={"Origin": ORIGIN}) as response:
            assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (500, "*")
            told = await response.json()
    assert told == detail("Internal server error", "The service failed; its log says why.")


@requirement("rest:0.4:authorization")
@pytest.mark.parametrize("value", ["Bearer token", "Basic x", "nonsense", ""])
async def test_noop_does_not_read_the_authorization_header(stand: Stand, value: str) -> None:
    answer = await stand.call("POST", "/authorized", headers={"Authorization": value})
    assert answer.told == (
        200,
        {"user_id": stand.user, "username": "lightspeed-user", "skip_userid_check": True},
    )


@requirement("rest:0.4:mcp-headers")
async def test_mcp_headers_are_read_by_questions_only(stand: Stand) -> None:
    headers = {"MCP-HEADERS": '{"server": {"Authorization": "Bearer canary"}}'}
    for path in ("/v1/query", "/v1/streaming_query"):
        assert (await stand.call("POST", path, {"query": "?"}, headers=headers)).status == 200
    assert (await stand.call("GET", "/v1/info", headers={"MCP-HEADERS": "{"})).status == 200


@requirement("rest:0.4:content-type")
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
@pytest.mark.parametrize("name", WITH_BODY)
async def test_only_json_is_read(stand: Stand, name: str, content_type: str) -> None:
    operation = OPERATIONS[name]
    body = json.dumps(operation.body).encode()
    headers = {"Content-Type": content_type}
    answer = await stand.call(operation.method, operation.url, body, headers=headers)
    assert answer.problem["type"] == "model_attributes_type"


@requirement("rest:0.4:user_id")
@pytest.mark.parametrize(("given", "told"), [("alice", "alice"), ("", ""), (None, "00000000-0000-0000-0000-000")])
async def test_a_parameter_says_who_is_asking(stand: Stand, given: str | None, told: str) -> None:
    answer = await stand.call("POST", "/authorized", user_id=given)
    assert answer.body["user_id"] == told


@requirement("rest:0.5:defaults")
async def test_every_origin_may_call_where_nothing_is_configured(stand: Stand) -> None:
    answer = await stand.call("OPTIONS", "/v1/query", headers=PREFLIGHT)
    assert answer.header("Access-Control-Allow-Origin") == "*"
    methods = str(answer.header("Access-Control-Allow-Methods")).split(", ")
    assert {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"} <= set(methods)
    assert answer.header("Access-Control-Max-Age") == "600"
    assert answer.header("Access-Control-Allow-Headers") == "X-Mine"
    refused = await stand.call("POST", "/v1/query", {}, headers={"Origin": ORIGIN})
    assert (refused.status, refused.header("Access-Control-Allow-Origin")) == (422, "*")


@requirement("rest:0.5:configured")
async def test_configured_origins_methods_and_headers_hold(serving: Serving) -> None:
    cors = {"allow_origins": [ORIGIN], "allow_credentials": True, "allow_methods": ["GET"], "allow_headers": ["X-Mine"]}
    async with serving(service={"cors": cors}) as stand:
        asked = {**PREFLIGHT, "Access-Control-Request-Method": "GET"}
        allowed = await stand.call("OPTIONS", "/v1/info", headers=asked)
        assert (allowed.status, allowed.header("Access-Control-Allow-Origin")) == (200, ORIGIN)
        assert allowed.header("Access-Control-Allow-Credentials") == "true"
        assert allowed.header("Access-Control-Allow-Methods") == "GET"
        assert (await stand.call("OPTIONS", "/v1/info", headers=PREFLIGHT)).status == 400
        other = await stand.call("GET", "/v1/info", headers={"Origin": "https://elsewhere.example.com"})
        assert (other.status, other.header("Access-Control-Allow-Origin")) == (200, None)

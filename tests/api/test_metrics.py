"""What Prometheus is shown: each row and each detail of the contract's page, over the wire."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from time import perf_counter

import aiohttp
import anyio
import pytest
from prometheus_client import Histogram
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics

from tests.api.conftest import Stand
from tests.servers.openai_server import SERVER_ERROR, UNAUTHORIZED, Script, openai_server
from tests.servers.service import configuration, running
from tests.spec.registry import requirement
from tests.telemetry.scraping import read, scrape

MODEL = {"provider": "fake", "model": "fake-llm"}
QUESTION = {"query": "?"}
QUESTIONS = ("/v1/query", "/v1/streaming_query")


@pytest.fixture(params=["sqlite", "postgres"])
async def stand(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stand]:
    """Where conversations are kept must not show in a metric."""
    database = request.getfixturevalue("postgres_database").yaml() if request.param == "postgres" else None
    async with openai_server() as model:
        async with running(configuration(model.url, tmp_path, database=database), tmp_path) as service:
            yield Stand(service.http, model, tmp_path)


async def ask(stand: Stand, path: str = "/v1/query") -> int:
    async with stand.http.post(path, json=QUESTION) as response:
        await response.read()
        return response.status


@requirement("metrics:ls_rest_api_calls_total", "metrics:status-codes")
async def test_responses_are_counted_by_path_and_status(stand: Stand) -> None:
    assert [await ask(stand) for _ in range(3)] == [200, 200, 200]
    async with stand.http.post("/v1/query", json={"query": ""}) as response:
        assert response.status == 422
    stand.model.scripts = Script(refusal=SERVER_ERROR)
    assert await ask(stand) == 500
    await scrape(stand.http)
    found = await scrape(stand.http)
    assert found.types["ls_rest_api_calls"] == "counter"
    assert found.labels["ls_rest_api_calls"] == {"path", "status_code"}
    assert found.value("ls_rest_api_calls_total", path="/v1/query", status_code="200") == 3
    assert found.value("ls_rest_api_calls_total", path="/v1/query", status_code="422") == 1
    assert found.value("ls_rest_api_calls_total", path="/v1/query", status_code="500") == 1
    assert found.value("ls_rest_api_calls_total", path="/metrics", status_code="200") is None


@requirement("metrics:ls_response_duration_seconds")
async def test_requests_are_timed_by_path(stand: Stand) -> None:
    await ask(stand)
    async with stand.http.post("/v1/query", json={"query": ""}):
        pass
    await scrape(stand.http)
    found = await scrape(stand.http)
    assert found.types["ls_response_duration_seconds"] == "histogram"
    assert found.labels["ls_response_duration_seconds"] == {"path"}
    assert found.value("ls_response_duration_seconds_count", path="/v1/query") == 2
    assert found.value("ls_response_duration_seconds_count", path="/metrics") == 1
    edges = [
        float(dict(labels)["le"])
        for labels in found.series("ls_response_duration_seconds_bucket")
        if dict(labels)["path"] == "/v1/query"
    ]
    assert tuple(edges) == Histogram.DEFAULT_BUCKETS


@requirement("metrics:ls_provider_model_configuration")
async def test_models_on_offer_are_a_gauge(stand: Stand) -> None:
    stand.model.models = ("fake-llm", "other", "other")
    found = await scrape(stand.http)
    assert found.types["ls_provider_model_configuration"] == "gauge"
    assert found.series("ls_provider_model_configuration") == {
        frozenset({"provider": "fake", "model": "fake/fake-llm"}.items()): 1,
        frozenset({"provider": "fake", "model": "fake/other"}.items()): 0,
    }


@requirement("metrics:ls_llm_calls_total")
async def test_a_query_is_counted_when_it_is_answered(stand: Stand) -> None:
    stand.model.scripts = Script(hang_after=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, stand)
        with anyio.fail_after(30):
            await stand.model.hanging.wait()
        assert (await scrape(stand.http)).value("ls_llm_calls_total", **MODEL) is None
        stand.model.release.set()
    found = await scrape(stand.http)
    assert found.types["ls_llm_calls"] == "counter"
    assert found.labels["ls_llm_calls"] == {"provider", "model"}
    assert found.value("ls_llm_calls_total", **MODEL) == 1


@requirement("metrics:ls_llm_calls_total")
async def test_a_stream_is_counted_when_it_is_handed_over(stand: Stand) -> None:
    stand.model.scripts = Script(("Half", " of it"), hang_after=1)
    async with stand.http.post("/v1/streaming_query", json=QUESTION) as response:
        await response.content.readuntil(b'"token": "Half"')
        found = await scrape(stand.http)
        assert found.value("ls_llm_calls_total", **MODEL) == 1
        assert found.value("ls_llm_token_sent_total", **MODEL) is None
        stand.model.release.set()
        await response.read()
    assert (await scrape(stand.http)).value("ls_llm_calls_total", **MODEL) == 1


@requirement("metrics:ls_llm_calls_failures_total")
@pytest.mark.parametrize("path", QUESTIONS)
async def test_failures_of_the_provider_are_counted(stand: Stand, path: str) -> None:
    before = await scrape(stand.http)
    assert before.types["ls_llm_calls_failures"] == "counter"
    assert before.labels["ls_llm_calls_failures"] == set()
    assert before.value("ls_llm_calls_failures_total") == 0
    await ask(stand, path)
    assert (await scrape(stand.http)).value("ls_llm_calls_failures_total") == 0
    stand.model.scripts = Script(refusal=SERVER_ERROR)
    assert await ask(stand, path) == 500
    assert (await scrape(stand.http)).value("ls_llm_calls_failures_total") == 1
    stand.model.scripts = Script(("Hi",), cut_after=1)
    await ask(stand, path)
    assert (await scrape(stand.http)).value("ls_llm_calls_failures_total") == 2


@requirement("metrics:ls_llm_calls_failures_total")
@pytest.mark.parametrize("path", QUESTIONS)
async def test_a_provider_that_cannot_be_reached_is_a_failure(tmp_path: Path, path: str) -> None:
    async with running(configuration("http://127.0.0.1:9/v1", tmp_path), tmp_path) as service:
        async with service.http.post(path, json=QUESTION) as response:
            assert response.status == 500
        found = await scrape(service.http)
    assert found.value("ls_llm_calls_failures_total") == 1
    assert found.series("ls_llm_calls_total") == {}


@requirement("metrics:ls_llm_validation_errors_total")
async def test_violations_have_a_counter(stand: Stand) -> None:
    found = await scrape(stand.http)
    assert found.types["ls_llm_validation_errors"] == "counter"
    assert found.labels["ls_llm_validation_errors"] == set()
    assert found.value("ls_llm_validation_errors_total") == 0


@requirement("metrics:ls_llm_token_sent_total", "metrics:ls_llm_token_received_total", "metrics:token-counts")
async def test_tokens_are_those_that_the_provider_counted(stand: Stand) -> None:
    stand.model.scripts = Script(("Hi",), usage=(11, 5))
    for path in QUESTIONS:
        await ask(stand, path)
    found = await scrape(stand.http)
    for name, total in (("ls_llm_token_sent", 22), ("ls_llm_token_received", 10)):
        assert found.types[name] == "counter"
        assert found.labels[name] == {"provider", "model"}
        assert found.value(f"{name}_total", **MODEL) == total
    assert found.series("ls_llm_usage_estimated_total") == {}


@requirement("metrics:token-counts")
async def test_tokens_that_nobody_counted_are_estimated_and_marked(stand: Stand) -> None:
    stand.model.scripts = Script(("Hi",), usage=None)
    told = {"input_tokens": 0.0, "output_tokens": 0.0}
    for number in (1, 2):
        async with stand.http.post("/v1/query", json=QUESTION) as response:
            body = await response.json()
        told = {name: before + body[name] for name, before in told.items()}
        assert (await scrape(stand.http)).value("ls_llm_usage_estimated_total", **MODEL) == number
    found = await scrape(stand.http)
    assert found.value("ls_llm_token_sent_total", **MODEL) == told["input_tokens"] > 0
    assert found.value("ls_llm_token_received_total", **MODEL) == told["output_tokens"] > 0


async def topic_of_the_only_conversation(http: aiohttp.ClientSession) -> str:
    """Wait until it has one."""
    with anyio.fail_after(30):
        while True:
            async with http.get("/v1/conversations") as response:
                (conversation,) = (await response.json())["conversations"]
            if conversation["topic_summary"]:
                return str(conversation["topic_summary"])


@requirement("metrics:topics")
async def test_a_request_for_a_topic_is_counted_nowhere(tmp_path: Path) -> None:
    async with openai_server(Script(("Hi",), usage=(11, 5))) as model:
        async with running(configuration(model.url, tmp_path, topics=True), tmp_path) as service:
            async with service.http.post("/v1/query", json=QUESTION) as response:
                assert response.status == 200
            await topic_of_the_only_conversation(service.http)
            found = await scrape(service.http)
    assert len(model.chats) == 2, "the question, and the request for its topic"
    assert found.value("ls_llm_calls_total", **MODEL) == 1
    assert found.value("ls_llm_token_sent_total", **MODEL) == 11
    assert found.value("ls_llm_token_received_total", **MODEL) == 5


@requirement("metrics:standard")
async def test_the_process_and_the_interpreter_are_shown(stand: Stand) -> None:
    await ask(stand)
    found = await scrape(stand.http)
    assert found.types["process_cpu_seconds"] == "counter"
    assert (found.value("process_resident_memory_bytes") or 0) > 1_000_000
    assert (found.value("process_open_fds") or 0) > 0
    assert len(found.series("python_info")) == 1
    assert found.value("python_gc_collections_total", generation="0") is not None
    for name in ("ls_rest_api_calls", "ls_response_duration_seconds", "ls_llm_calls", "ls_llm_token_sent"):
        began = found.series(f"{name}_created")
        assert began
        assert min(began.values()) >= (found.value("process_start_time_seconds") or 0)


@requirement("metrics:templates")
@pytest.mark.parametrize(
    ("path", "template"),
    [
        (f"/v1/conversations/{uuid.uuid4()}", "/v1/conversations/{conversation_id}"),
        (f"/v2/conversations/{uuid.uuid4()}", "/v2/conversations/{conversation_id}"),
        ("/v1/providers/none-of-ours", "/v1/providers/{provider_id}"),
        ("/assets/no-such-file.js", "/assets/{name}"),
    ],
)
async def test_paths_with_parameters_are_counted_by_template(stand: Stand, path: str, template: str) -> None:
    for method in ("GET", "POST"):
        async with stand.http.request(method, path) as response:
            status = response.status
        found = await scrape(stand.http)
        assert found.value("ls_rest_api_calls_total", path=template, status_code=str(status)) == 1
    found = await scrape(stand.http)
    assert found.value("ls_response_duration_seconds_count", path=template) == 2
    assert path not in found.paths()


@requirement("metrics:unknown-paths")
@pytest.mark.parametrize("path", ["/v1/nothing", "/v1", "/v1/query/more", "/V1/query", "/v1/conversations/a/b"])
async def test_unknown_paths_are_not_counted(stand: Stand, path: str) -> None:
    for method in ("GET", "POST", "HEAD"):
        async with stand.http.request(method, path) as response:
            assert response.status == 404
    assert (await scrape(stand.http)).paths() <= {"/metrics"}


@requirement("metrics:wrong-methods")
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/query"), ("DELETE", "/liveness"), ("OPTIONS", "/v1/info"), ("HEAD", "/authorized")],
)
async def test_a_wrong_method_on_a_known_path_is_counted(stand: Stand, method: str, path: str) -> None:
    async with stand.http.request(method, path) as response:
        assert response.status == 405
    found = await scrape(stand.http)
    assert found.value("ls_rest_api_calls_total", path=path, status_code="405") == 1
    assert found.value("ls_response_duration_seconds_count", path=path) == 1


@requirement("metrics:early-answers")
@pytest.mark.parametrize("path", ["/v1/query", "/v1/query/", "/authorized"])
async def test_a_body_that_is_too_large_is_counted(tmp_path: Path, path: str) -> None:
    yaml = configuration("http://127.0.0.1:9/v1", tmp_path, service="{max_body_size: 10}")
    async with running(yaml, tmp_path) as service:
        async with service.http.post(path, data=b"x" * 11) as response:
            assert response.status == 413
        async with service.http.post("/v1/nothing", data=b"x" * 11) as response:
            assert response.status == 413
        found = await scrape(service.http)
    assert found.value("ls_rest_api_calls_total", path=path.rstrip("/"), status_code="413") == 1
    assert found.paths() <= {path.rstrip("/"), "/metrics"}


@requirement("metrics:preflights")
async def test_a_preflight_is_not_counted(stand: Stand) -> None:
    headers = {"Origin": "https://console.example.com", "Access-Control-Request-Method": "POST"}
    async with stand.http.options("/v1/query", headers=headers) as response:
        assert response.status == 200
    assert (await scrape(stand.http)).paths() <= {"/metrics"}


@requirement("metrics:probes")
@pytest.mark.parametrize("path", ["/liveness", "/readiness", "/v1/liveness", "/v1/readiness"])
async def test_probes_are_counted(stand: Stand, path: str) -> None:
    for method in ("GET", "HEAD"):
        async with stand.http.request(method, path) as response:
            assert response.status == 200
    found = await scrape(stand.http)
    assert found.value("ls_rest_api_calls_total", path=path, status_code="200") == 2


@requirement("metrics:skip-authentication")
@pytest.mark.parametrize(
    ("skipped", "closed", "open_"),
    [
        (None, ["/liveness", "/v1/liveness", "/readiness", "/v1/readiness", "/metrics"], []),
        ("skip_for_health_probes", ["/metrics"], ["/liveness", "/v1/liveness", "/readiness", "/v1/readiness"]),
        ("skip_for_metrics", ["/liveness", "/readiness"], ["/metrics"]),
    ],
)
async def test_probes_and_metrics_can_be_open_to_everybody(
    tmp_path: Path, skipped: str | None, closed: list[str], open_: list[str]
) -> None:
    rules = f"""
authorization: {{access_rules: [{{role: '*', actions: [query]}}]}}
authentication: {{{skipped}: true}}
"""
    yaml = configuration("http://127.0.0.1:9/v1", tmp_path, more=rules if skipped else rules.splitlines()[1])
    async with running(yaml, tmp_path) as service:
        for path in [*closed, "/v1/info"]:
            async with service.http.get(path) as response:
                assert (path, response.status) == (path, 403)
        for path in open_:
            async with service.http.get(path) as response:
                assert (path, response.status) == (path, 503 if "readiness" in path else 200)


@requirement("metrics:unhandled")
async def test_what_nobody_foresaw_is_counted_as_500(tmp_path: Path) -> None:
    async def break_down() -> None:
        raise ZeroDivisionError

    async with running(configuration("http://127.0.0.1:9/v1", tmp_path), tmp_path) as service:
        service.app.add_api_route("/v1/extension", break_down)
        async with service.http.get("/v1/extension") as response:
            assert response.status == 500
            assert set((await response.json())["detail"]) == {"response", "cause"}
        found = await scrape(service.http)
    assert found.value("ls_rest_api_calls_total", path="/v1/extension", status_code="500") == 1
    assert found.value("ls_response_duration_seconds_count", path="/v1/extension") == 1


@requirement("metrics:stream-start")
async def test_a_stream_is_timed_to_its_start(stand: Stand) -> None:
    stand.model.scripts = Script(("Half", " of it"), hang_after=1)
    asked = perf_counter()
    async with stand.http.post("/v1/streaming_query", json=QUESTION) as response:
        begun = perf_counter() - asked
        await response.content.readuntil(b'"token": "Half"')
        for _ in range(5):  # takes longer than a connection
            await scrape(stand.http)
        stand.model.release.set()
        await response.read()
    found = await scrape(stand.http)
    assert (found.value("ls_response_duration_seconds_sum", path="/v1/streaming_query") or begun) < begun


@requirement("metrics:provider-down")
async def test_models_are_listed_when_their_provider_is_back(stand: Stand) -> None:
    stand.model.models_refusal = UNAUTHORIZED
    found = await scrape(stand.http)
    assert found.series("ls_provider_model_configuration") == {}
    assert found.value("ls_llm_calls_failures_total") == 0
    stand.model.models_refusal = None
    found = await scrape(stand.http)
    assert found.value("ls_provider_model_configuration", provider="fake", model="fake/fake-llm") == 1


@requirement("metrics:provider-down")
async def test_a_silent_provider_keeps_no_metric_from_being_shown(tmp_path: Path) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        async with running(configuration(url, tmp_path), tmp_path) as service:
            assert (await scrape(service.http)).value("ls_llm_calls_failures_total") == 0


@requirement("metrics:formats")
async def test_the_format_is_that_which_is_asked_for(stand: Stand) -> None:
    await ask(stand)
    for asked in ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0, text/plain; q=0.5"):
        async with stand.http.get("/metrics", headers={"Accept": asked}) as response:
            assert response.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
            families = {it.name: it.type for it in open_metrics(await response.text())}  # type: ignore[no-untyped-call]
        assert families["ls_rest_api_calls"] == "counter"
        assert families["ls_provider_model_configuration"] == "gauge"
    async with stand.http.get("/metrics", headers={"Accept": "text/plain; version=1.0.0"}) as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=1.0.0; charset=utf-8")
        assert read(await response.text()).value("ls_llm_calls_total", **MODEL) == 1

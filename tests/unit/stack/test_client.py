"""One stack, as recorded from real releases, over a real connection. ``tests/stacks`` asks the releases themselves."""

from collections.abc import Awaitable, Callable

import anyio
import pytest

from lightspeed_stack.domain.health import Health
from lightspeed_stack.errors import BackendError, BackendFailed, BackendRateLimited, StackNotSupported, StackUnavailable
from lightspeed_stack.stack.base import Capabilities, Objection, StackShield, Store
from lightspeed_stack.stack.client import MAX_BODY, MAX_PAGES, StackClient
from lightspeed_stack.stack.refreshed import RETRY
from lightspeed_stack.stack.refusals import CredentialsRefused, NotAccepted, NotKnown
from tests.servers.processes import free_port
from tests.servers.stack_answers import RELEASES, stack_answers
from tests.spec.registry import requirement
from tests.unit.stack.speaking import client

OLD, LAST_WITH_SHIELDS, NEWEST = "llama-stack-0.2.22", "llama-stack-0.7.3", "ogx-1.5.0"
DOCS = Store("vs_docs", "docs", "faiss")


async def answered(stack: StackClient, body: bytes = b"{}") -> int:
    async with stack.complete(body) as response:
        return response.status


@requirement("stack:client:releases")
@pytest.mark.parametrize("release", RELEASES)
async def test_what_every_release_has(release: str) -> None:
    openai = "/v1/openai/v1" if release == OLD else "/v1"
    async with stack_answers(release) as server, client(server.url) as stack:
        server.answers[f"POST {openai}/chat/completions"] = {"choices": []}
        assert await stack.version() == release.rpartition("-")[2]
        assert (await stack.capabilities()).openai == openai
        assert {model.identifier for model in await stack.models()} >= {"openai/fake-llm", "openai/embed"}
        assert {provider.provider_id for provider in await stack.providers()} >= {"openai", "faiss"}
        assert await stack.listed_providers() == await stack.providers()
        assert await stack.stores() == [DOCS]
        [found] = await stack.search(DOCS, "how to restart the quartz pump", limit=1)
        assert (found.attributes["title"], round(found.score or 0, 2)) == ("Pump", 1.41)
        assert [len(vector) for vector in await stack.embed("openai/embed", ["a b", "c"])] == [4, 4]
        assert await stack.embed("openai/embed", []) == []
        assert await answered(stack) == 200


@requirement("stack:client:releases")
@pytest.mark.parametrize("release", [OLD, LAST_WITH_SHIELDS])
async def test_releases_with_shields(release: str) -> None:
    refused = "I can't answer that. Can I help with something else?"
    async with stack_answers(release) as server, client(server.url) as stack:
        assert await stack.shields() == [StackShield("input_guard", "llama-guard", "openai/guard", {})]
        assert await stack.run_shield("input_guard", "hello", role="user") is None
        assert await stack.moderate("openai/guard", "hello") is None
        objection = await stack.run_shield("input_guard", "a bomb", role="assistant")
        assert objection == Objection(refused, {"violation_type": "S1"})
        assert [message["role"] for message in server.bodies[-1]["messages"]] == ["assistant"]
        moderated = await stack.moderate("openai/guard", "a bomb")
        assert moderated is not None
        assert (moderated.message, moderated.metadata["categories"]) == (refused, ["Violent Crimes"])


@requirement("stack:client:releases")
async def test_releases_without_shields_are_not_asked_for_them() -> None:
    async with stack_answers(NEWEST) as server, client(server.url) as stack:
        assert await stack.shields() == []
        with pytest.raises(BackendFailed, match="has no shields"):
            await stack.run_shield("input_guard", "hello", role="user")
        with pytest.raises(BackendFailed, match="has no moderations"):
            await stack.moderate("openai/guard", "hello")
        assert server.asked == ["GET /v1/version", "GET /v1/providers", "GET /v1/inspect/routes"]


@requirement("stack:client:cached")
@pytest.mark.parametrize("release", RELEASES)
async def test_requests_ask_for_nothing_that_was_learned(release: str) -> None:
    async with stack_answers(release) as server, client(server.url) as stack:
        await stack.look_around()
        server.asked.clear()
        await stack.capabilities()
        await stack.shields()
        await stack.stores()
        await stack.listed_providers()
        assert server.asked == []
        await answered(stack)
        assert len(server.asked) == 1


@requirement("stack:client:cached")
async def test_a_list_that_fails_at_the_start_does_not_fail_the_stack(caplog: pytest.LogCaptureFixture) -> None:
    async with stack_answers(LAST_WITH_SHIELDS, status=500, refused={"GET /v1/vector_stores"}) as server:
        async with client(server.url) as stack:
            await stack.look_around()
            assert len(await stack.shields()) == 1
            with pytest.raises(BackendFailed, match=r"^Llama Stack reported an error\.$"):
                await stack.stores()
    assert "vector stores cannot be listed: Llama Stack reported an error." in caplog.text


@requirement("stack:client:replaced")
async def test_another_release_in_its_place_is_understood() -> None:
    """0.2 is replaced by a release that knows nothing of its path: one question fails, and then none."""
    time = [0.0]
    async with stack_answers(OLD) as server, client(server.url, clock=lambda: time[0]) as stack:
        await stack.look_around()
        assert len(await stack.shields()) == 1
        time[0] += RETRY
        server.become(NEWEST)
        server.answers["POST /v1/chat/completions"] = {"choices": []}
        assert await answered(stack) == 404
        while (await stack.capabilities()).version != "1.5.0":
            await anyio.lowlevel.checkpoint()  # the refresh runs behind it
        assert await answered(stack) == 200
        assert await stack.shields() == []


@requirement("stack:version:window", "stack:client:replaced")
async def test_a_release_that_is_not_supported() -> None:
    told = "Llama Stack version <= 1.5.0 is required, but 1.6.0 is used"
    async with stack_answers(NEWEST) as server, client(server.url) as stack:
        server.answers["GET /v1/version"] = {"version": "1.6.0"}
        with pytest.raises(StackNotSupported) as start:
            await stack.look_around()
        with pytest.raises(BackendFailed) as request:
            await answered(stack)
        assert (start.value.cause, request.value.cause) == (told, told)
        assert await stack.probe() == {"llama_stack": Health.error(f"{BackendError.response}: {told}")}
        server.become(NEWEST)
        await stack.look_around()
        assert await stack.probe() == {}


type Ask = Callable[[StackClient], Awaitable[object]]

QUESTIONS: dict[str, Ask] = {
    "version": lambda stack: stack.version(),
    "models": lambda stack: stack.models(),
    "providers": lambda stack: stack.providers(),
    "search": lambda stack: stack.search(DOCS, "pump", limit=1),
    "shield": lambda stack: stack.run_shield("input_guard", "hello", role="user"),
    "moderation": lambda stack: stack.moderate("openai/guard", "hello"),
    "embeddings": lambda stack: stack.embed("openai/embed", ["a"]),
}


@requirement("stack:client:refusals")
@pytest.mark.parametrize(
    ("status", "kind", "cause"),
    [
        (400, NotAccepted, "Llama Stack did not accept the request."),
        (401, CredentialsRefused, "Llama Stack refused the configured credentials."),
        (403, CredentialsRefused, "Llama Stack refused the configured credentials."),
        (404, NotKnown, "Llama Stack does not know what it was asked for."),
        (418, BackendFailed, "Llama Stack answered with status 418."),
        (422, NotAccepted, "Llama Stack did not accept the request."),
        (429, BackendRateLimited, "Llama Stack limits requests. Please try again later."),
        (500, BackendFailed, "Llama Stack reported an error."),
        (503, StackUnavailable, "Llama Stack is not ready."),
    ],
)
async def test_refusals(status: int, kind: type[BackendError], cause: str, caplog: pytest.LogCaptureFixture) -> None:
    async with stack_answers(LAST_WITH_SHIELDS) as server, client(server.url) as stack:
        await stack.look_around()
        server.status = status
        for ask in QUESTIONS.values():
            with pytest.raises(kind) as raised:
                await ask(stack)
            assert (type(raised.value), raised.value.cause) == (kind, cause)
        assert await answered(stack) == status, "what a refused completion means is for the backend"
    assert "secret" not in caplog.text


@requirement("stack:client:refusals")
@pytest.mark.parametrize(("told", "seconds"), [("7", 7), (None, None), ("soon", None), ("9" * 99, None), ("²", None)])
async def test_when_to_come_back(told: str | None, seconds: int | None) -> None:
    async with stack_answers(NEWEST) as server, client(server.url) as stack:
        server.status, server.retry_after = 429, told
        with pytest.raises(BackendRateLimited) as raised:
            await stack.models()
        assert raised.value.retry_after == seconds


@requirement("stack:client:unreachable")
async def test_a_stack_that_is_gone() -> None:
    async with client(f"http://127.0.0.1:{free_port()}") as stack:
        questions: list[Ask] = [
            *QUESTIONS.values(),
            answered,
            lambda stack: stack.stores(),
            lambda stack: stack.shields(),
        ]
        for ask in questions:
            with pytest.raises(StackUnavailable, match=r"^Connection error\.$") as raised:
                await ask(stack)
            assert raised.value.response == "Unable to connect to Llama Stack"
        assert await stack.probe() == {
            "llama_stack": Health.error("Unable to connect to Llama Stack: Connection error.")
        }


@requirement("stack:client:unreachable")
async def test_a_stack_that_hangs() -> None:
    async with stack_answers(LAST_WITH_SHIELDS) as server, client(server.url, patience=0.1) as stack:
        await stack.look_around()
        server.hangs = True
        for name in ("search", "shield", "moderation", "embeddings"):
            with pytest.raises(StackUnavailable, match=r"^Request timed out\.$"):
                await QUESTIONS[name](stack)
    async with stack_answers(LAST_WITH_SHIELDS, hangs=True) as server, client(server.url, for_lists=0.1) as stack:
        for name in ("version", "models", "providers", "search"):
            with pytest.raises(StackUnavailable, match=r"^Request timed out\.$"):
                await QUESTIONS[name](stack)
        assert await stack.probe() == {
            "llama_stack": Health.error("Unable to connect to Llama Stack: Request timed out.")
        }


@requirement("stack:client:bounded")
async def test_an_answer_without_end() -> None:
    async with stack_answers(LAST_WITH_SHIELDS) as server, client(server.url) as stack:
        await stack.look_around()
        server.raw = b'{"data": [' + b" " * MAX_BODY + b"]}"
        for name in ("models", "search", "shield"):
            with pytest.raises(BackendFailed, match="answer is too long"):
                await QUESTIONS[name](stack)


@requirement("stack:client:pages")
async def test_all_pages_of_stores_are_read() -> None:
    async with stack_answers(NEWEST) as server, client(server.url) as stack:
        page = [{"id": f"vs_{number}", "name": f"store {number}"} for number in range(3)]
        server.answers["GET /v1/vector_stores"] = {"data": page, "has_more": True}
        stores = await stack.stores()
        assert [store.id for store in stores] == ["vs_0", "vs_1", "vs_2"]
        assert [query for query in server.queries if query][:2] == [
            "limit=100&order=asc",
            "limit=100&order=asc&after=vs_2",
        ]
        assert server.asked.count("GET /v1/vector_stores") == MAX_PAGES, "a list that never ends does"


@requirement("stack:client:exact-match")
async def test_an_exact_match_of_an_old_release() -> None:
    async with stack_answers(OLD) as server, client(server.url) as stack:
        await stack.look_around()
        server.status, server.refusals = 400, 1
        assert len(await stack.search(DOCS, "Bananas are yellow.", limit=2)) == 2
        asked = [body["query"] for body in server.bodies]
        assert asked == ["Bananas are yellow.", "Bananas are yellow. yellow."]
        server.refusals = 2
        with pytest.raises(NotAccepted):
            await stack.search(DOCS, "Bananas are yellow.", limit=2)


@requirement("stack:client:probe")
async def test_the_health_of_providers() -> None:
    async with stack_answers(NEWEST) as server, client(server.url) as stack:
        ill, well, silent = (
            {"status": status, "message": "http://10.0.0.1 says no"} for status in ("Error", "OK", "?")
        )
        server.answers["GET /v1/providers"] = {
            "data": [
                {"api": "inference", "provider_id": "one", "provider_type": "t", "health": ill},
                {"api": "safety", "provider_id": "one", "provider_type": "t", "health": well},
                {"api": "inference", "provider_id": "two", "provider_type": "t", "health": well},
                {"api": "inference", "provider_id": "three", "provider_type": "t", "health": silent},
                {"api": "inference", "provider_id": "four", "provider_type": "t"},
            ]
        }
        assert await stack.probe() == {
            "one": Health.error("Llama Stack reports an error; see /v1/providers/one"),
            "two": Health.ok(),
        }
        server.raw = b"garbage"
        assert (await stack.probe())["llama_stack"].message == (
            f"{BackendError.response}: Llama Stack's list of providers cannot be read."
        )


@requirement("stack:client:releases")
async def test_a_stack_with_nothing_but_models() -> None:
    async with stack_answers(NEWEST) as server, client(server.url) as stack:
        providers = server.answers["GET /v1/providers"]["data"]
        server.answers["GET /v1/providers"] = {"data": [it for it in providers if it["api"] == "inference"]}
        assert await stack.capabilities() == Capabilities("1.5.0", embeddings=True)
        assert await stack.stores() == []
        assert "GET /v1/vector_stores" not in server.asked

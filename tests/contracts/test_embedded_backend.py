"""The embedded backend with the real small model in a real child process, which most tests share."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import anyio
import pytest

from lightspeed_stack.backends.base import Delta, Finished, Generation, TextDelta
from lightspeed_stack.backends.embedded import EmbeddedBackend, build
from lightspeed_stack.backends.embedded_fetch import find_cached
from lightspeed_stack.backends.embedded_models import SMALL, Settings
from lightspeed_stack.backends.embedded_process import ChildOrders, Ill, Ready, WatchedChild
from lightspeed_stack.config.providers import ProviderSection
from lightspeed_stack.domain.chat import Message
from lightspeed_stack.domain.health import HealthStatus
from lightspeed_stack.errors import (
    BackendFailed,
    BackendRateLimited,
    BackendUnavailable,
    ModelNotFound,
    PromptTooLong,
)
from tests.spec.registry import requirement

SETTINGS = Settings(model="small", context_window=1024, max_tokens=100)
PATIENCE = 60
"""Seconds after which a test that waits for the model is given up; nothing is measured."""

pytestmark = pytest.mark.skipif(
    find_cached(SETTINGS) is None,
    reason="the small model is not in the cache: lightspeed-stack model fetch --model small",
)


@pytest.fixture(scope="module")
async def backend() -> AsyncIterator[EmbeddedBackend]:
    async with EmbeddedBackend(SETTINGS) as backend:
        yield backend


def asking(question: str, *, max_tokens: int | None = None) -> Generation:
    messages = (Message("system", "You answer in plain words."), Message("user", question))
    return Generation(SMALL.name, messages, max_tokens=max_tokens)


COUNTING = asking("Write the numbers from 1 to 300 in digits, one a line.")


async def answer(backend: EmbeddedBackend, generation: Generation) -> tuple[str, Finished]:
    deltas: list[Delta] = []
    with anyio.fail_after(PATIENCE):
        async with backend.stream(generation) as stream:
            deltas = [delta async for delta in stream]
    finished = deltas.pop()
    assert isinstance(finished, Finished)
    assert all(isinstance(delta, TextDelta) and delta.text for delta in deltas)
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)), finished


async def first(stream: AsyncIterator[Delta], count: int) -> None:
    for _ in range(count):
        await anext(stream)


def ready(backend: EmbeddedBackend) -> Ready[object]:
    state = backend._child.state
    assert isinstance(state, Ready)
    return state


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or a zombie that nobody has fetched yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def ended(pid: int) -> None:
    """Wait for the end of a process that need not be ours."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        with anyio.fail_after(PATIENCE):
            await anyio.wait_readable(handle)
    finally:
        os.close(handle)


@requirement("embedded:answer:streams")
async def test_it_streams_an_answer_with_its_usage(backend: EmbeddedBackend) -> None:
    text, finished = await answer(backend, asking("Which number comes after seven? Answer with the number."))
    assert text.strip()
    assert finished.reason == "stop"
    assert finished.usage is not None
    assert finished.usage.input_tokens > 10
    assert finished.usage.output_tokens > 0
    assert not finished.usage.estimated


@requirement("embedded:answer:bounded")
@pytest.mark.parametrize(("wish", "most"), [(5, 5), (100_000, SETTINGS.max_tokens), (None, SETTINGS.max_tokens)])
async def test_an_answer_has_at_most_its_tokens(backend: EmbeddedBackend, wish: int | None, most: int) -> None:
    question = "Write the numbers from 1 to 300 in digits, one a line."
    _, finished = await answer(backend, asking(question, max_tokens=wish))
    assert finished.reason == "length"
    assert finished.usage is not None
    assert finished.usage.output_tokens == most


@requirement("embedded:answer:left-early")
async def test_leaving_early_stops_the_generation(backend: EmbeddedBackend) -> None:
    with anyio.fail_after(PATIENCE):
        async with backend.stream(COUNTING) as stream:
            await first(stream, 3)
        child = ready(backend)
        generated = 0
        async with aiohttp.ClientSession(child.url, headers={"Authorization": f"Bearer {child.api_key}"}) as session:
            while True:
                async with session.get("/slots") as response:
                    (slot,) = await response.json()
                if not slot["is_processing"]:
                    break
                generated = slot["next_token"][0]["n_decoded"]
        assert generated < SETTINGS.max_tokens / 2
    text, _ = await answer(backend, asking("Say yes.", max_tokens=5))
    assert text


@requirement("embedded:answer:prompt-too-long")
async def test_a_prompt_that_does_not_fit_is_refused_with_figures(backend: EmbeddedBackend) -> None:
    with pytest.raises(PromptTooLong, match=r"is (\d+) tokens long.* holds 1024 tokens") as caught:
        await answer(backend, asking("word " * 3000))
    count = int(caught.value.cause.split(" tokens long")[0].rpartition(" ")[2])
    assert 3000 <= count <= 3100


@requirement("embedded:answer:unknown-model")
async def test_another_model_is_not_found(backend: EmbeddedBackend) -> None:
    with pytest.raises(ModelNotFound, match="other is not the embedded model"):
        async with backend.stream(Generation("other", (Message("user", "hello"),))):
            pass


@requirement("embedded:answer:too-many")
async def test_callers_beyond_the_bound_are_told_to_come_back() -> None:
    backend = EmbeddedBackend(SETTINGS, waiting=1)
    refused = anyio.Event()

    async def wait_for_turn() -> None:
        assert await answer(backend, asking("Say yes.", max_tokens=5))

    with anyio.fail_after(PATIENCE):
        async with backend, backend.stream(COUNTING) as stream, anyio.create_task_group() as tasks:
            await first(stream, 1)
            tasks.start_soon(wait_for_turn)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(BackendRateLimited) as caught:
                await answer(backend, asking("Say no."))
            refused.set()
            assert caught.value.retry_after == 30


@requirement("embedded:models:metadata", "embedded:child:starts-in-background")
async def test_models_and_health_do_not_wait_for_the_child() -> None:
    backend = EmbeddedBackend(SETTINGS, patience=0)
    with anyio.fail_after(PATIENCE):
        async with backend:
            health = await backend.probe()
            assert health.status is HealthStatus.ERROR
            assert health.message == "The embedded model is still starting."
            (model,) = await backend.models()
            with pytest.raises(BackendUnavailable, match="still starting"):
                await answer(backend, asking("hello"))
    assert model.name == "qwen2.5-coder-0.5b-instruct"
    assert model.context_window == 1024
    assert dict(model.metadata) | {"runtime": ""} == {
        "parameters": "0.5B",
        "quantisation": "Q4_K_M",
        "licence": "Apache-2.0",
        "context_window": 1024,
        "sha256": SMALL.sha256,
        "source": SMALL.source,
        "size_bytes": 491_400_064,
        "runtime": "",
    }
    assert str(model.metadata["runtime"]).startswith("llama.cpp via xllamacpp 20")
    assert backend.provider_type == "inline::embedded"


@requirement("embedded:models:metadata")
async def test_an_own_file_is_named_after_itself(tmp_path: Path) -> None:
    (tmp_path / "house-model.gguf").write_bytes(b"GGUF")
    (model,) = await EmbeddedBackend(Settings(model=str(tmp_path / "house-model.gguf"))).models()
    assert model.name == "house-model"
    assert model.metadata["size_bytes"] == 4
    assert "licence" not in model.metadata


@requirement("embedded:child:crash-mid-answer")
async def test_a_crash_in_the_middle_fails_the_answer_and_the_next_one_works(backend: EmbeddedBackend) -> None:
    await answer(backend, asking("Say yes.", max_tokens=5))
    assert (await backend.probe()).status is HealthStatus.OK
    killed = backend.process_id
    assert killed is not None
    with anyio.fail_after(PATIENCE):
        async with backend.stream(COUNTING) as stream:
            await first(stream, 3)
            os.kill(killed, signal.SIGKILL)
            with pytest.raises(BackendFailed, match="broke off in the middle"):
                await first(stream, SETTINGS.max_tokens)
    text, _ = await answer(backend, asking("Say yes.", max_tokens=5))
    assert text
    assert backend.process_id not in {None, killed}
    assert (await backend.probe()).status is HealthStatus.OK


@requirement("embedded:child:gives-up")
async def test_a_model_that_cannot_be_loaded_is_given_up_with_its_reason(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF and then nothing that makes sense")
    lives: list[str] = []

    async def orders() -> ChildOrders:
        lives.append("")
        return ChildOrders(str(broken), "broken", 512, 1, 16, 2)

    def connect(_url: str, _key: str) -> EmbeddedBackend:
        raise AssertionError("a model that cannot be loaded never listens")

    child = WatchedChild(orders, connect, first_pause=0.01)
    with anyio.fail_after(PATIENCE):
        await child.run()
    assert len(lives) == 5
    assert isinstance(child.state, Ill)
    assert child.state.reason.startswith("it ended 5 times in a row: the model cannot be loaded: Failed to init")


@requirement("embedded:child:gives-up")
async def test_readiness_and_callers_learn_of_a_model_that_was_given_up(tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF")
    backend = EmbeddedBackend(Settings(model=str(own)))
    own.unlink()  # between configuration and start
    with anyio.fail_after(PATIENCE):
        async with backend:
            with pytest.raises(BackendUnavailable, match="the readiness check says why"):
                await answer(backend, Generation("own", (Message("user", "hello"),)))
            health = await backend.probe()
    assert health.message is not None
    assert "own.gguf: No such file or directory" in health.message


@requirement("embedded:child:stops")
async def test_leaving_the_backend_ends_the_child() -> None:
    async with EmbeddedBackend(SETTINGS) as backend:
        await answer(backend, asking("Say yes.", max_tokens=2))
        pid = backend.process_id
    assert pid is not None
    assert has_ended(pid)
    assert backend.process_id is None


PARENT = """
import anyio
from lightspeed_stack.backends.base import Generation
from lightspeed_stack.backends.embedded import EmbeddedBackend
from lightspeed_stack.backends.embedded_models import SMALL, Settings
from lightspeed_stack.domain.chat import Message

async def main():
    async with EmbeddedBackend(Settings(model="small", context_window=512)) as backend:
        async with backend.stream(Generation(SMALL.name, (Message("user", "Count to 300."),))) as stream:
            await anext(stream)
            print(backend.process_id, flush=True)
            await anyio.sleep_forever()

anyio.run(main)
"""


@requirement("embedded:child:dies-with-parent")
async def test_the_child_ends_with_a_parent_that_is_killed() -> None:
    parent = await anyio.open_process([sys.executable, "-c", PARENT], stderr=subprocess.DEVNULL)
    async with parent:
        assert parent.stdout is not None
        with anyio.fail_after(PATIENCE):
            pid = int(await parent.stdout.receive())
        assert not has_ended(pid)
        parent.kill()
        await parent.wait()
        await ended(pid)
    assert has_ended(pid)


@requirement("embedded:child:dies-with-parent")
async def test_the_child_ends_when_its_standard_input_is_closed() -> None:
    path = find_cached(SETTINGS)
    orders = {
        "model": str(path),
        "name": "small",
        "context_window": 512,
        "threads": 1,
        "max_tokens": 16,
        "connections": 2,
        "api_key": "key",
        "parent": os.getpid(),
    }
    child = await anyio.open_process([sys.executable, "-m", "lightspeed_stack.backends.embedded_child"])
    async with child:
        assert child.stdin is not None
        assert child.stdout is not None
        with anyio.fail_after(PATIENCE):
            await child.stdin.send(json.dumps(orders).encode() + b"\n")
            assert json.loads(await child.stdout.receive())["listening"].startswith("http://127.0.0.1:")
            await child.stdin.aclose()
            assert await child.wait() == 0


@requirement("embedded:child:key")
@pytest.mark.parametrize("path", ["/v1/models", "/slots", "/v1/chat/completions", "/tokenize", "/apply-template"])
@pytest.mark.parametrize("key", [None, "wrong"])
async def test_the_child_answers_nobody_without_its_key(backend: EmbeddedBackend, path: str, key: str | None) -> None:
    await answer(backend, asking("Say yes.", max_tokens=2))
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    method = "GET" if path in {"/v1/models", "/slots"} else "POST"
    with anyio.fail_after(PATIENCE):
        async with (
            aiohttp.ClientSession(ready(backend).url, headers=headers) as session,
            session.request(method, path, json=None if method == "GET" else {"messages": []}) as response,
        ):
            assert response.status == 401


@requirement("embedded:child:environment", "embedded:child:key")
async def test_the_child_sees_no_secret_in_its_environment_or_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-secret-of-the-service")
    async with EmbeddedBackend(SETTINGS) as backend:
        await answer(backend, asking("Say yes.", max_tokens=2))
        child = ready(backend)
        environment = await anyio.Path(f"/proc/{child.pid}/environ").read_bytes()
        arguments = await anyio.Path(f"/proc/{child.pid}/cmdline").read_bytes()
    assert b"a-secret-of-the-service" not in environment
    assert b"OMP_WAIT_POLICY=PASSIVE" in environment
    assert child.api_key.encode() not in environment + arguments


@requirement("embedded:child:no-proxy")
async def test_a_proxy_in_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    async with EmbeddedBackend(SETTINGS) as backend:
        text, _ = await answer(backend, asking("Say yes.", max_tokens=2))
        with pytest.raises(PromptTooLong, match=r"is \d+ tokens long"):
            await answer(backend, asking("word " * 2000))
    assert text


@requirement("embedded:child:quiet")
async def test_nothing_of_a_prompt_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with EmbeddedBackend(SETTINGS) as backend:
        await answer(backend, asking("Say zebra4711.", max_tokens=5))
        with pytest.raises(PromptTooLong):
            await answer(backend, asking("zebra4711 " * 2000))
    assert f"embedded model {SMALL.name} ready after" in caplog.text
    assert "zebra" not in caplog.text


@requirement("embedded:settings:not-installed")
def test_it_is_built_from_its_section_where_the_extra_is_installed() -> None:
    section = ProviderSection.model_validate({"id": "local", "type": "embedded"})
    assert build(section, SETTINGS).provider_type == "inline::embedded"


@requirement("embedded:settings:not-installed")
def test_without_the_extra_the_error_says_how_to_install_it() -> None:
    script = (
        "import sys; sys.modules['xllamacpp'] = None\n"
        "from lightspeed_stack.backends.embedded import Settings, build\n"
        "from lightspeed_stack.errors import ConfigurationError\n"
        "try: build(None, Settings())\n"
        "except ConfigurationError as error: print(error.cause)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert "fix: pip install 'lightspeed-stack[embedded]'" in done.stdout

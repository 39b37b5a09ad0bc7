"""A Llama Stack beside a provider of our own, when the stack is away: what its shields would say is not left out."""

from pathlib import Path

from tests.servers.openai_server import OpenAIServer, openai_server
from tests.servers.processes import free_port
from tests.servers.service import RunningService, configuration, running
from tests.servers.stack_answers import stack_answers
from tests.spec.registry import requirement


def beside(model: OpenAIServer, url: str, folder: Path) -> str:
    stack = f"llama_stack: {{url: '{url}', max_retries: 0, retry_delay: 60, allow_degraded_mode: true}}"
    return configuration(model.url, folder, more=stack)


async def asked(service: RunningService) -> tuple[int, str]:
    async with service.http.post("/v1/query", json={"query": "Hello?"}) as response:
        body = await response.json()
        return response.status, body["response"] if response.status == 200 else body["detail"]["response"]


@requirement("shields:unknown")
async def test_nothing_passes_before_it_is_known_which_shields_there_are(tmp_path: Path) -> None:
    async with openai_server() as model:
        async with running(beside(model, f"http://127.0.0.1:{free_port()}", tmp_path), tmp_path) as service:
            assert await asked(service) == (500, "Unable to connect to Llama Stack")
        assert model.chats == []


@requirement("shields:unknown")
async def test_a_stack_that_has_shields_and_is_gone_lets_nothing_pass(tmp_path: Path) -> None:
    async with openai_server() as model, stack_answers("llama-stack-0.7.3") as stack:
        async with running(beside(model, stack.url, tmp_path), tmp_path) as service:
            stack.status = 503
            assert (await asked(service))[0] == 500
        assert model.chats == []


@requirement("shields:unknown")
async def test_a_stack_without_shields_that_is_gone_is_in_nobodys_way(tmp_path: Path) -> None:
    async with openai_server() as model, stack_answers("ogx-1.5.0") as stack:
        async with running(beside(model, stack.url, tmp_path), tmp_path) as service:
            stack.status = 503
            assert (await asked(service))[0] == 200

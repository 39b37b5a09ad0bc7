"""The shields of a stack."""

import pytest

from lightspeed_stack.errors import BackendFailed
from lightspeed_stack.shields.base import REFUSAL, Shield, Stage, Violation
from lightspeed_stack.shields.llama_stack import StackShields
from tests.servers.stack_answers import stack_answers
from tests.spec.registry import requirement
from tests.unit.shields.watching import until_objection
from tests.unit.stack.speaking import client

NAMES = ("plain", "input_a", "output_b", "inout_c")


async def judged(shield: Shield, text: str, stage: Stage) -> Violation | None:
    out, violation = await until_objection(shield.watch(stage), [text])
    assert out == ("" if violation else text)
    return violation


@requirement("shields:stack")
@pytest.mark.parametrize("release", ["llama-stack-0.2.22", "llama-stack-0.7.3"])
async def test_a_shield_judges_questions_and_answers(release: str) -> None:
    async with stack_answers(release) as server, client(server.url) as stack:
        [shield] = await StackShields(stack).shields()
        assert (shield.identifier, shield.provider_id, shield.provider_resource_id, shield.params, shield.stage) == (
            "input_guard",
            "llama-guard",
            "openai/guard",
            {},
            Stage.INPUT,
        )
        assert await judged(shield, "hello", Stage.INPUT) is None
        refused = Violation("input_guard", REFUSAL, {"violation_type": "S1"})
        for stage, role in ((Stage.INPUT, "user"), (Stage.OUTPUT, "assistant")):
            assert await judged(shield, "a bomb", stage) == refused
            assert server.bodies[-1]["messages"][0]["role"] == role


@requirement("shields:stack")
async def test_a_shield_of_a_stack_judges_a_text_whole_and_only_where_a_request_asks() -> None:
    async with stack_answers("llama-stack-0.7.3") as server, client(server.url) as stack:
        [shield] = await StackShields(stack).shields()
        assert not shield.required
        assert shield.clean("a bomb") == "a bomb"
        watch = shield.watch(Stage.OUTPUT)
        assert [await watch.feed(piece) for piece in ("some ", "thing")] == ["", ""]
        assert await watch.close() == "some thing"
        assert [body["messages"][0]["content"] for body in server.bodies if "messages" in body] == ["some thing"]


@requirement("shields:stack")
async def test_names_say_where_a_shield_looks_and_the_order_stays() -> None:
    async with stack_answers("llama-stack-0.7.3") as server, client(server.url) as stack:
        server.answers["GET /v1/shields"] = {"data": [{"identifier": name} for name in NAMES]}
        shields = await StackShields(stack).shields()
        assert [shield.identifier for shield in shields] == list(NAMES)
        assert [shield.stage for shield in shields] == [Stage.INPUT, Stage.INPUT, Stage.OUTPUT, Stage.INOUT]


@requirement("shields:stack")
async def test_an_objection_without_words_has_ours_and_a_failure_is_no_permission() -> None:
    async with stack_answers("llama-stack-0.7.3") as server, client(server.url) as stack:
        [shield] = await StackShields(stack).shields()
        server.answers["POST /v1/safety/run-shield"] = {"violation": {"violation_level": "error", "user_message": None}}
        assert await judged(shield, "hello", Stage.INPUT) == Violation("input_guard", REFUSAL)
        server.answers["POST /v1/safety/run-shield"] = {}
        with pytest.raises(BackendFailed, match="judgement cannot be read"):
            await judged(shield, "hello", Stage.INPUT)


@requirement("shields:stack")
async def test_a_release_without_shields_has_none() -> None:
    async with stack_answers("ogx-1.5.0") as server, client(server.url) as stack:
        assert await StackShields(stack).shields() == ()

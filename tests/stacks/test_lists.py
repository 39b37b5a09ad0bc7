"""What the service tells about the stack behind it."""

from tests.spec.registry import requirement
from tests.stacks.stand import StackStand


@requirement("stacks:starts")
async def test_info_tells_the_release(stand: StackStand) -> None:
    told = (await stand.get("/v1/info")).body
    assert told["llama_stack_version"] == told["ogx_version"] == stand.kind.release.version


@requirement("stacks:models")
async def test_models_have_the_shape_of_the_contract(stand: StackStand) -> None:
    listed = {it["identifier"]: it for it in (await stand.get("/v1/models")).body["models"]}
    assert listed["openai/fake-llm"] == {
        "identifier": "openai/fake-llm",
        "metadata": {},
        "api_model_type": "llm",
        "provider_id": "openai",
        "type": "model",
        "provider_resource_id": "fake-llm",
        "model_type": "llm",
    }
    embed = listed["openai/embed"]
    assert (embed["model_type"], embed["metadata"]) == ("embedding", {"embedding_dimension": 128})


@requirement("stacks:providers")
async def test_providers_are_listed_and_shown_with_masked_secrets(stand: StackStand) -> None:
    listed = (await stand.get("/v1/providers")).body["providers"]
    assert listed["inference"] == [{"provider_id": "openai", "provider_type": "remote::openai"}]
    assert listed["vector_io"] == [{"provider_id": "faiss", "provider_type": "inline::faiss"}]

    shown = await stand.get("/v1/providers/openai")
    assert b"secret-of-the-stack" not in shown.raw
    assert shown.body["config"]["api_key"] == "********"
    assert shown.body["config"]["base_url"] == stand.model.url
    assert shown.body["health"]["status"] in {"OK", "Not Implemented"}
    assert (shown.body["api"], shown.body["provider_type"]) == ("inference", "remote::openai")


@requirement("stacks:shields:listed")
async def test_shields_are_listed(stand: StackStand) -> None:
    listed = (await stand.get("/v1/shields")).body["shields"]
    models = {"input_guard": "openai/guard", "output_guard": "openai/judge"} if stand.kind.release.shields else {}
    assert listed == [
        {
            "identifier": identifier,
            "provider_id": "llama-guard",
            "type": "shield",
            "params": {},
            "provider_resource_id": model,
        }
        for identifier, model in models.items()
    ]


@requirement("stacks:ready")
async def test_readiness_while_all_is_well(stand: StackStand) -> None:
    answer = await stand.get("/readiness")
    assert answer.told == (200, {"ready": True, "reason": "All providers are healthy", "providers": []})

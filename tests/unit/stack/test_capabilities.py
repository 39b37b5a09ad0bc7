"""What a release can do, read from the real lists of four of them."""

import json
from dataclasses import replace

import pytest

from lightspeed_stack.stack import wire
from lightspeed_stack.stack.base import Capabilities
from lightspeed_stack.stack.capabilities import capabilities
from tests.servers.stack_answers import recorded
from tests.spec.registry import requirement

FACTS = {
    "llama-stack-0.2.22": Capabilities("0.2.22", "/v1/openai/v1", True, True, True, "databases"),
    "llama-stack-0.7.3": Capabilities("0.7.3", "/v1", True, True, True, "stores"),
    "ogx-1.0.2": Capabilities("1.0.2", "/v1", True, False, False, "stores"),
    "ogx-1.5.0": Capabilities("1.5.0", "/v1", True, False, False, "stores"),
}


def lists(release: str) -> tuple[str, list[tuple[str, str]], set[str]]:
    answers = {key: json.dumps(answer).encode() for key, answer in recorded(release).items()}
    providers = wire.providers(answers["GET /v1/providers"])
    version = wire.version(answers["GET /v1/version"])
    return version, wire.routes(answers["GET /v1/inspect/routes"]), {provider.api for provider in providers}


@requirement("stack:capabilities:releases")
@pytest.mark.parametrize("release", sorted(FACTS))
def test_the_releases(release: str) -> None:
    assert capabilities(*lists(release)) == FACTS[release]


@requirement("stack:capabilities:served")
@pytest.mark.parametrize("release", sorted(FACTS))
@pytest.mark.parametrize(
    ("api", "without"),
    [
        ("inference", {"embeddings": False}),
        ("safety", {"shields": False, "moderations": False}),
        ("vector_io", {"stores": "none"}),
    ],
)
def test_what_no_provider_serves_is_not_there(release: str, api: str, without: dict[str, object]) -> None:
    version, routes, apis = lists(release)
    assert capabilities(version, routes, apis - {api}) == replace(FACTS[release], **without)  # type: ignore[arg-type]


CHAT, OLD_CHAT = ("POST", "/v1/chat/completions"), ("POST", "/v1/openai/v1/chat/completions")


@requirement("stack:capabilities:releases")
@pytest.mark.parametrize(
    ("version", "routes", "openai"),
    [
        ("0.3.0", [OLD_CHAT, CHAT], "/v1"),
        ("0.2.17", [OLD_CHAT], "/v1/openai/v1"),
        ("0.2.17", [("post", "/v1/openai/v1/vector_stores")], "/v1/openai/v1"),
        ("0.2.22", [], "/v1/openai/v1"),
        ("0.2.22", [("GET", "/v1/version")], "/v1/openai/v1"),
        ("0.3.0rc1", [], "/v1/openai/v1"),
        ("0.3.0", [], "/v1"),
        ("1.5.0", [], "/v1"),
        ("what?", [], "/v1"),
    ],
)
def test_the_path_of_releases_that_were_not_recorded(version: str, routes: list[tuple[str, str]], openai: str) -> None:
    assert capabilities(version, routes, {"inference"}) == Capabilities(version, openai)

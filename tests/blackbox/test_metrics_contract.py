"""rest-api.md 7: ``GET /metrics``. What it counts is told in metrics.md, and tested beside the other metrics."""

import pytest

from tests.blackbox.stand import Serving, Stand
from tests.servers.openai_server import UNAUTHORIZED
from tests.spec.registry import requirement
from tests.telemetry.scraping import scrape


@requirement("rest:7:content-type")
@pytest.mark.parametrize("version", ["1.0.0", "0.0.4"])
async def test_metrics_are_text_for_prometheus(stand: Stand, version: str) -> None:
    headers = {"Accept": f"text/plain; version={version}"}
    answer = await stand.call("GET", "/metrics", headers=headers)
    assert answer.status == 200
    assert answer.content_type.startswith(f"text/plain; version={version}; charset=utf-8")


@requirement("rest:7:models")
async def test_the_first_scrape_lists_the_models(stand: Stand) -> None:
    found = (await scrape(stand.http)).series("ls_provider_model_configuration")
    assert {dict(labels)["model"]: value for labels, value in found.items()} == {
        "fake/first": 0,
        "fake/fake-llm": 1,
        "fake/other": 0,
    }


@requirement("rest:7:provider-down")
async def test_a_scrape_without_a_provider_is_no_failure_for_ever(serving: Serving) -> None:
    async with serving() as stand:
        stand.model.models_refusal = UNAUTHORIZED
        assert (await stand.get("/metrics")).status == 200
        stand.model.models_refusal = None
        assert len((await scrape(stand.http)).series("ls_provider_model_configuration")) == 3

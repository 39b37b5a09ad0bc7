"""The whole service as it is first met: the embedded model, our own documentation, the page."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from lightspeed_stack.backends.embedded_fetch import find_cached
from lightspeed_stack.backends.embedded_models import Settings
from tests.browser.conftest import Visit
from tests.browser.service import ingest, service
from tests.spec.registry import requirement

DOCUMENTS = Path(__file__).parents[2] / "docs"
ANSWER_SECONDS = 240
"""A small model on two busy cores takes its time."""


@pytest.fixture(scope="module")
async def address(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The service with the embedded model, which is never fetched for a test, and with our documentation."""
    pytest.importorskip("xllamacpp")
    if find_cached(Settings()) is None:
        pytest.skip("no embedded model on this machine; fetch one by: lightspeed-stack model fetch")
    folder = tmp_path_factory.mktemp("service")
    await ingest(DOCUMENTS, folder / "docs.db", "http://127.0.0.1/guide")
    more = (
        "inference: {providers: [{id: local, type: embedded}]}\n"
        f"rag: {{stores: [{{name: docs, path: '{folder}/docs.db'}}]}}"
    )
    async with service(folder, more) as url:
        yield url


@requirement("page:own-documents", "page:private")
async def test_a_suggested_question_is_answered_from_our_own_documents(browser: Browser, address: str) -> None:
    visit = Visit(address)
    context = await browser.new_context()
    visit.watch(context)
    page = await context.new_page()
    await page.goto(address)
    await page.get_by_text("Model: ").wait_for(timeout=ANSWER_SECONDS * 1000)
    await page.get_by_role("button", name="How do I use my own OpenAI-compatible model server?").click()
    exchange = page.locator("article")
    await expect(exchange).to_have_attribute("aria-busy", "false", timeout=ANSWER_SECONDS * 1000)
    await expect(page.locator(".problem")).to_have_count(0)
    assert len(await exchange.locator(".text").inner_text()) > 20
    sources = exchange.get_by_role("region", name="Sources").get_by_role("link")
    assert (await sources.first.get_attribute("href") or "").startswith("http://127.0.0.1/guide/")
    await context.close()
    assert (visit.foreign, visit.complaints) == ([], [])

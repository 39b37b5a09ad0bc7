"""A real browser, and the service with a scripted model behind it."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.browser.service import ingest, service
from tests.servers.openai_server import OpenAIServer, Script, openai_server

SYSTEM_CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
CHROMIUM = SYSTEM_CHROMIUM if SYSTEM_CHROMIUM.exists() else None
"""None: the browser that ``playwright install`` brought."""

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
ARGUMENTS += ["--disable-sync", "--no-first-run"]
PATIENCE = 30_000
"""Milliseconds that the browser waits for what must come."""

HANDBOOK = """# Use your own model server

Any server that speaks the chat-completions protocol will do.

## Configure it

Name the address of your OpenAI-compatible model server under `inference.providers`, with its key.
"""


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture(scope="module")
async def scripted() -> AsyncIterator[OpenAIServer]:
    async with openai_server() as server:
        yield server


@pytest.fixture
def model(scripted: OpenAIServer) -> OpenAIServer:
    """The model server, as if it had just been started."""
    scripted.scripts = Script(tokens=("Hello", " world"))
    scripted.requests.clear()
    scripted.answered = 0
    scripted.cancelled, scripted.hanging, scripted.release = anyio.Event(), anyio.Event(), anyio.Event()
    return scripted


@pytest.fixture(scope="module")
async def address(scripted: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The service, with one document in its knowledge store."""
    folder = tmp_path_factory.mktemp("service")
    documents = folder / "documents" / "howto"
    documents.mkdir(parents=True)
    (documents / "own-model.md").write_text(HANDBOOK, "utf-8")
    await ingest(documents.parent, folder / "docs.db", "http://127.0.0.1/guide")
    more = (
        # A topic would be one more question to the model, and tests look at what it was asked.
        f"inference: {{topic_summaries: false, providers: [{{id: fake, type: openai, url: '{scripted.url}'}}]}}\n"
        f"rag: {{stores: [{{name: docs, path: '{folder}/docs.db'}}]}}"
    )
    async with service(folder, more) as url:
        yield url


@dataclass(slots=True)
class Visit:
    """What the browser did and complained about while a page was open."""

    origin: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("console", lambda message: self._note(message.type, message.text))

    def _note(self, kind: str, text: str) -> None:
        # The browser itself reports each answer of 400 and above as an error; those are asked for by the tests.
        if kind == "error" and not text.startswith("Failed to load resource"):
            self.complaints.append(text)

    @property
    def foreign(self) -> list[str]:
        return [url for url in self.requests if not url.startswith((self.origin, "data:"))]


@pytest.fixture
async def context(browser: Browser, address: str) -> AsyncIterator[BrowserContext]:
    """A new profile. In every test no request leaves the service, and the browser complains of nothing."""
    visit = Visit(address)
    context = await browser.new_context(viewport={"width": 1000, "height": 800}, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    visit.watch(context)
    yield context
    await context.close()
    assert visit.requests
    assert visit.foreign == []
    assert visit.complaints == []


@pytest.fixture
async def page(context: BrowserContext, address: str, model: OpenAIServer) -> Page:
    """The page, ready to be asked; ``model`` is set back before it loads."""
    page = await context.new_page()
    await page.goto(address)
    await page.get_by_text("Model: fake-llm").wait_for()
    return page

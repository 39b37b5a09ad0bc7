"""The page in a browser, against the service with a scripted model."""

from typing import Any

import anyio
import pytest
from playwright.async_api import Locator, Page, Request, Route, expect

from tests.browser.conftest import PATIENCE
from tests.servers.openai_script import SERVER_ERROR
from tests.servers.openai_server import OpenAIServer, Script, ScriptedCall
from tests.spec.registry import requirement

QUESTION = "How do I use my own OpenAI-compatible model server?"
MARKDOWN = """## Steps

1. Stop it
2. Edit the **file**:
   - `url`
   - *key*

```yaml
inference: {}
```

| key | value |
|-----|------:|
| url | `x`   |

> Mind the gap. See [the site](https://example.com/a) and ~~nothing~~.
"""
HOSTILE = (
    '<img src=x onerror="window.hurt=1"> <script>window.hurt=1</script> [run](javascript:window.hurt=1) '
    "[data](data:text/html,<script>window.hurt=1</script>) `<b>code</b>` **<i>strong</i>** "
    "![pixel](https://evil.example/p.png) <https://example.com/x>\n\n```html\n<script>window.hurt=1</script>\n```\n"
)


async def ask(page: Page, question: str) -> Locator:
    """Type a question and send it; the last exchange, which is being answered."""
    await page.get_by_label("Your question").fill(question)
    await page.keyboard.press("Enter")
    return page.locator("article").last


async def complete(exchange: Locator) -> None:
    await expect(exchange).to_have_attribute("aria-busy", "false", timeout=PATIENCE)


def pieces(text: str) -> tuple[str, ...]:
    return tuple(text[at : at + 5] for at in range(0, len(text), 5))


@requirement("page:answer:streams", "page:private")
async def test_an_answer_is_shown_while_it_is_written(page: Page, model: OpenAIServer) -> None:
    model.scripts = Script(tokens=("One ", "two ", "three."), hang_after=2)
    exchange = await ask(page, QUESTION)
    await expect(exchange.locator(".text")).to_have_text("One two ")
    await expect(exchange).to_have_attribute("aria-busy", "true")
    model.release.set()
    await complete(exchange)
    await expect(exchange.locator(".text")).to_have_text("One two three.")


@requirement("page:answer:streams")
async def test_markdown_becomes_elements(page: Page, model: OpenAIServer) -> None:
    model.scripts = Script(tokens=pieces(MARKDOWN))
    exchange = await ask(page, QUESTION)
    await complete(exchange)
    text = exchange.locator(".text")
    for selector, content in {
        "h4": "Steps",
        "ol > li >> nth=0": "Stop it",
        "ol strong": "file",
        "ol ul > li >> nth=0": "url",
        "ol ul em": "key",
        "pre code": "inference: {}",
        "td.right code": "x",
        "blockquote del": "nothing",
    }.items():
        await expect(text.locator(selector)).to_have_text(content)
    link = text.get_by_role("link", name="the site")
    await expect(link).to_have_attribute("href", "https://example.com/a")
    await expect(link).to_have_attribute("rel", "noopener noreferrer")


@requirement("page:answer:streams")
async def test_code_can_be_copied(page: Page, model: OpenAIServer) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    model.scripts = Script(tokens=pieces(MARKDOWN))
    await complete(await ask(page, QUESTION))
    await page.get_by_role("button", name="Copy").click()
    await page.get_by_role("button", name="Copied").wait_for()
    assert await page.evaluate("navigator.clipboard.readText()") == "inference: {}"


@requirement("page:answer:streams")
async def test_sources_stand_below_the_answer(page: Page) -> None:
    exchange = await ask(page, QUESTION)
    await complete(exchange)
    card = exchange.get_by_role("region", name="Sources").locator("li").first
    await expect(card.locator(".number")).to_have_text("1")
    link = card.get_by_role("link", name="Use your own model server")
    address = await link.get_attribute("href") or ""
    assert address.startswith("http://127.0.0.1/guide/howto/own-model")
    passage = card.locator(".passage")
    await expect(passage).to_be_hidden()
    await card.locator("summary").click()
    await expect(passage).to_be_visible()
    assert "model server" in await passage.inner_text()


@requirement("page:answer:inert", "page:private")
async def test_what_a_model_writes_stays_text(page: Page, model: OpenAIServer) -> None:
    model.scripts = Script(tokens=pieces(HOSTILE))
    exchange = await ask(page, "<img src=x onerror=window.hurt=1>")
    await complete(exchange)
    assert await page.evaluate("window.hurt") is None
    assert await exchange.locator("img, script, i, b").count() == 0
    text = await exchange.locator(".text").inner_text()
    assert '<img src=x onerror="window.hurt=1"> <script>window.hurt=1</script>' in text
    assert "[run](javascript:window.hurt=1)" in text
    links = await exchange.locator(".text a").evaluate_all("all => all.map((one) => one.href)")
    assert links == ["https://evil.example/p.png", "https://example.com/x"]
    await expect(exchange.locator("h2")).to_contain_text("<img src=x onerror=window.hurt=1>")


@requirement("page:answer:notices")
async def test_what_was_noticed_stands_under_the_answer(page: Page, model: OpenAIServer) -> None:
    again = Script(tokens=(), tool_calls=(ScriptedCall("c", "now"),))
    model.scripts = [again, again, again, Script(tokens=("It is late.",))]
    model.answered = 0
    exchange = await ask(page, QUESTION)
    await complete(exchange)
    await expect(exchange.locator(".text")).to_have_text("It is late.")
    await expect(exchange.locator(".tools li")).to_have_text(["now"])
    await expect(exchange.locator(".note")).to_have_text(["The model made the same call again; it was not run."])


@requirement("page:answer:announced")
async def test_only_the_completed_answer_is_announced(page: Page, model: OpenAIServer) -> None:
    model.scripts = Script(tokens=("One ", "two."), hang_after=1)
    exchange = await ask(page, QUESTION)
    await expect(exchange.locator(".text")).to_have_text("One ")
    announcer = page.locator("#announcer")
    await expect(announcer).to_have_attribute("aria-live", "polite")
    await expect(announcer).to_have_text("")
    assert await exchange.locator("xpath=ancestor-or-self::*[@aria-live]").count() == 0
    model.release.set()
    await complete(exchange)
    await expect(announcer).to_contain_text("Answer: One two.")


@requirement("page:follow-up:same-conversation")
async def test_a_follow_up_belongs_to_the_conversation(page: Page, model: OpenAIServer) -> None:
    sent: list[Any] = []

    def note(request: Request) -> None:
        if request.method == "POST":
            sent.append(request.post_data_json)

    page.on("request", note)
    await complete(await ask(page, "First?"))
    await complete(await ask(page, "Second?"))
    await page.get_by_role("button", name="New conversation").click()
    await expect(page.locator("article")).to_have_count(0)
    await complete(await ask(page, "Third?"))
    assert [body["query"] for body in sent] == ["First?", "Second?", "Third?"]
    assert ["conversation_id" in body for body in sent] == [False, True, False]
    second = [message["content"] for message in model.chats[1]["messages"]]
    assert "Hello world" in second
    assert "Hello world" not in [message["content"] for message in model.chats[2]["messages"]]


@requirement("page:stop:keeps-text")
async def test_stopping_keeps_what_was_said_and_stops_the_model(page: Page, model: OpenAIServer) -> None:
    model.scripts = Script(tokens=("One ", "two ", "three."), hang_after=2)
    exchange = await ask(page, QUESTION)
    await expect(exchange.locator(".text")).to_have_text("One two ")
    await page.get_by_role("button", name="Stop").click()
    await complete(exchange)
    await expect(exchange.locator(".text")).to_have_text("One two ")
    await expect(exchange.locator(".stopped")).to_have_text("Stopped")
    with anyio.fail_after(10):
        await model.cancelled.wait()
    model.scripts = Script(tokens=("Again.",))
    await complete(await ask(page, "And now?"))
    await expect(page.locator("article .text").last).to_have_text("Again.")


@requirement("page:error:retry")
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        pytest.param(Script(refusal=SERVER_ERROR), "", id="before the first token"),
        pytest.param(Script(tokens=("One ", "two."), error_after=1), "One ", id="in the stream"),
    ],
)
async def test_a_failure_is_told_and_can_be_tried_again(
    page: Page, model: OpenAIServer, fault: Script, said: str
) -> None:
    model.scripts = fault
    exchange = await ask(page, QUESTION)
    await complete(exchange)
    await expect(exchange.locator(".text")).to_have_text(said)
    await expect(exchange.locator(".problem strong")).not_to_be_empty()
    await expect(page.locator("#announcer")).not_to_be_empty()
    model.scripts = Script(tokens=("Better.",))
    await exchange.get_by_role("button", name="Try again").click()
    await expect(page.locator("article .text")).to_have_text("Better.")
    await expect(page.locator(".problem")).to_have_count(0)
    await expect(page.get_by_label("Your question")).to_be_focused()


@requirement("page:error:cut")
async def test_a_stream_without_an_end_is_told_to_be_cut(page: Page) -> None:
    start = 'data: {"event": "start", "data": {"conversation_id": "93e26998-ad37-4a91-9048-fd12ab3e1e0c"}}\n\n'
    token = 'data: {"event": "token", "data": {"id": 0, "token": "One"}}\n\n'
    # The service always ends its streams: what lies between it and the browser may not.
    await page.route(
        "**/v1/streaming_query",
        lambda route: route.fulfill(content_type="text/event-stream", body=start + token),
    )
    exchange = await ask(page, QUESTION)
    await complete(exchange)
    await expect(exchange.locator(".text")).to_have_text("One")
    await expect(exchange.locator(".problem")).to_contain_text("cut off")


@requirement("page:error:retry")
async def test_a_refusal_of_the_service_is_readable(page: Page) -> None:
    await page.evaluate("document.querySelector('#question').value = ''")
    await page.route(
        "**/v1/streaming_query",
        lambda route: route.fulfill(status=429, json={"detail": {"response": "The model provider is busy"}}),
    )
    exchange = await ask(page, QUESTION)
    await expect(exchange.locator(".problem strong")).to_have_text("The model provider is busy.")


@requirement("page:limit")
async def test_only_questions_that_fit_can_be_sent(page: Page) -> None:
    send = page.get_by_role("button", name="Ask", exact=True)
    field, hint = page.get_by_label("Your question"), page.locator("#hint")
    await expect(send).to_be_disabled()
    await expect(hint).to_have_text("Type a question to ask it.")
    await field.fill("   ")
    await expect(send).to_be_disabled()
    await field.fill("x")
    await expect(send).to_be_enabled()
    await field.fill("x" * 131_000)
    await expect(hint).to_have_text("72 characters left.")
    await field.fill("\N{GRINNING FACE}" * 131_073)
    await expect(hint).to_have_text("1 character too many.")
    await expect(send).to_be_disabled()


@requirement("page:starting")
async def test_a_model_that_is_not_ready_is_told_until_it_is(page: Page) -> None:
    looks = 0

    async def readiness(route: Route) -> None:
        nonlocal looks
        looks += 1
        if looks > 2:
            await route.continue_()
            return
        provider = {"provider_id": "fake", "status": "Error", "message": "It is loading."}
        await route.fulfill(status=503, json={"ready": False, "reason": "not healthy", "providers": [provider]})

    await page.route("**/readiness", readiness)
    await page.reload()
    await expect(page.locator("#service-state")).to_have_text("The model is not ready yet. It is loading.")
    await expect(page.locator("#service-state")).to_have_text("Model: fake-llm")
    assert looks == 3

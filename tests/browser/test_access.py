"""The page for everybody: keyboard, names, contrast, narrow screens, the guide beside it."""

import re
import sys
from itertools import pairwise
from pathlib import Path

import anyio
import pytest
from playwright.async_api import BrowserContext, Locator, Page, expect

from tests.browser.conftest import PATIENCE
from tests.servers.openai_server import OpenAIServer, Script
from tests.spec.registry import requirement

SCRIPT = Path(__file__).parents[2] / "scripts" / "screenshot.py"
LONG = (
    "# A heading_that_is_one_long_word_without_any_place_to_break_it_at_all\n\n"
    "`an.inline.code.that.is.longer.than.the.narrowest.screen.on.which.anybody.reads`\n\n"
    "```\na line of code that is far longer than the narrowest screen on which anybody reads an answer\n```\n\n"
    "| one column | another column | a third column | a fourth column |\n|--|--|--|--|\n| a | b | c | d |\n\n"
    "https://example.com/an/address/that/is/longer/than/the/narrowest/screen/on/which/anybody/reads/an/answer\n"
)
CONTRAST = """
(selectors) => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (colour) => {
    const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = colour.map((part) => linear(part / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  return Object.fromEntries(selectors.map((selector) => {
    const element = document.querySelector(selector);
    if (!element) return [selector, 0];
    const [a, b] = [rgba(getComputedStyle(element).color), ground(element)].map(luminance).sort((x, y) => y - x);
    return [selector, (a + 0.05) / (b + 0.05)];
  }));
}
"""
"""Contrast of the first element of each selector with the ground behind it. Source: WCAG 2.2, relative luminance."""

EVERYWHERE = ["h1", "#hint", "label", ".bottom p", ".bottom a", "#send", ".suggestion", "#welcome h2", "#welcome p"]
ANSWERED = [".question", ".text p", ".text code", ".text a", ".number", ".source a", ".sources h3", "summary", ".quiet"]


async def answer(page: Page) -> Locator:
    await page.get_by_label("Your question").fill("How do I use my own OpenAI-compatible model server?")
    await page.keyboard.press("Enter")
    exchange = page.locator("article").last
    await expect(exchange).to_have_attribute("aria-busy", "false", timeout=PATIENCE)
    return exchange


async def focused(page: Page) -> str:
    """The focused element as its text, label or address, after a check that its focus is seen."""
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    found: str = await page.evaluate(
        "(document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim().replace(/\\s+/g, ' ')"
    )
    return found


@requirement("page:keyboard")
async def test_the_keyboard_reaches_everything_in_order(page: Page) -> None:
    await expect(page.get_by_label("Your question")).to_be_focused()
    for _ in range(4):
        await page.keyboard.press("Shift+Tab")
    order = [await focused(page)]
    for _ in range(7):
        await page.keyboard.press("Tab")
        order.append(await focused(page))
    assert order == [
        "Skip to the question",
        "How do I use my own OpenAI-compatible model server?",
        "How do I add my own documents?",
        "What happens when the model server is down?",
        "Your question",
        "Guide",
        "API reference",
        "API reference, ReDoc",
    ]


@requirement("page:keyboard")
async def test_a_question_is_asked_and_stopped_without_a_mouse(page: Page, model: OpenAIServer) -> None:
    model.scripts = Script(tokens=("One ", "two."), hang_after=1)
    await page.keyboard.type("First line")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("second line")
    await page.keyboard.press("Enter")
    exchange = page.locator("article")
    await expect(exchange.locator("h2")).to_have_text(re.compile("First line\nsecond line"), use_inner_text=True)
    await expect(exchange.locator(".text")).to_have_text("One ")
    await page.keyboard.press("Escape")
    await expect(exchange.locator(".stopped")).to_be_visible()
    await expect(page.get_by_label("Your question")).to_be_focused()
    model.release.set()


@requirement("page:keyboard")
async def test_a_suggestion_is_chosen_without_a_mouse(page: Page) -> None:
    await page.get_by_role("button", name="How do I add my own documents?").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("article h2")).to_contain_text("How do I add my own documents?")
    await expect(page.get_by_label("Your question")).to_be_focused()


@requirement("page:names")
async def test_the_page_has_landmarks_and_names(page: Page) -> None:
    await answer(page)
    assert await page.evaluate("document.documentElement.lang") == "en"
    for role in ("main", "banner", "contentinfo"):
        await expect(page.get_by_role(role)).to_have_count(1)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Lightspeed core service")
    levels = await page.locator("h1, h2, h3, h4, h5, h6").evaluate_all("all => all.map(one => +one.tagName[1])")
    assert all(after <= before + 1 for before, after in pairwise(levels))
    nameless = await page.locator("button, a, textarea, summary, nav, section, form").evaluate_all(
        "all => all.filter((one) => !(one.textContent.trim() || one.ariaLabel || one.labels?.length)).length"
    )
    assert nameless == 0
    for region in ("Conversation", "Sources"):
        await expect(page.get_by_role("region", name=region)).to_have_count(1)


@requirement("page:contrast")
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_stands_out(page: Page, model: OpenAIServer, scheme: str) -> None:
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    before = await page.evaluate(CONTRAST, EVERYWHERE)
    model.scripts = Script(tokens=("Use `url` as [here](https://example.com/).",))
    await answer(page)
    after = await page.evaluate(CONTRAST, ANSWERED)
    assert {selector: ratio for selector, ratio in {**before, **after}.items() if ratio < 4.5} == {}


@requirement("page:narrow")
async def test_nothing_scrolls_sideways_on_a_narrow_screen(page: Page, model: OpenAIServer) -> None:
    await page.set_viewport_size({"width": 320, "height": 640})
    model.scripts = Script(tokens=(LONG,))
    assert await page.evaluate("document.documentElement.scrollWidth") == 320
    exchange = await answer(page)
    await exchange.locator("summary").first.click()
    assert await page.evaluate("document.documentElement.scrollWidth") == 320


@requirement("page:narrow")
async def test_the_reader_stays_where_they_are(page: Page, model: OpenAIServer) -> None:
    await page.set_viewport_size({"width": 320, "height": 640})
    long = tuple(f"Paragraph {number}.\n\n" for number in range(60))
    model.scripts = Script(tokens=(*long, "End."), hang_after=60)
    await page.get_by_label("Your question").fill("A long one?")
    await page.keyboard.press("Enter")
    await page.get_by_text("Paragraph 59.").wait_for()
    measure = "(() => { const p = document.scrollingElement; return p.scrollHeight - p.clientHeight - p.scrollTop; })()"
    assert await page.evaluate(measure) < 2
    await page.evaluate("scrollTo(0, 100)")
    model.release.set()
    await expect(page.locator("article")).to_have_attribute("aria-busy", "false")
    assert await page.evaluate("scrollY") == 100


@requirement("page:root:html")
async def test_the_links_lead_to_the_references(page: Page, address: str) -> None:
    for name, path in {"Guide": "guide/", "API reference": "docs", "API reference, ReDoc": "redoc"}.items():
        target = await page.get_by_role("link", name=name, exact=True).evaluate("one => one.href")
        assert target == address + path
        assert (await page.request.get(target)).status == 200


@requirement("guide:page:rendered", "page:private")
async def test_the_guide_is_read_in_the_browser(context: BrowserContext, address: str) -> None:
    page = await context.new_page()
    await page.goto(f"{address}guide/")
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await expect(page.get_by_role("navigation", name="Pages of the guide")).to_be_visible()
    assert await page.evaluate("getComputedStyle(document.body).margin") == "0px"


@requirement("page:screenshot")
async def test_a_picture_is_taken_of_an_answered_question(model: OpenAIServer, address: str, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    await anyio.run_process([sys.executable, str(SCRIPT), address, str(picture), "Hello?"])
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "Hello?" in model.chats[0]["messages"][-1]["content"]

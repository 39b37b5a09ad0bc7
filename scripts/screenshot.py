"""Take a picture of the page with an answered question: ``python scripts/screenshot.py URL OUT.png QUESTION``.

Asks the question at the page of a running service, waits until the answer is complete, and writes a PNG file. The
browser is the system's Chromium (``CHROMIUM`` names another), else the one that ``playwright install`` brought.
"""

import argparse
import os
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

SYSTEM_CHROMIUM = "/usr/bin/chromium"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
QUIET += ["--disable-sync", "--no-first-run"]
ANSWER_TIMEOUT = 180_000  # milliseconds: a small model on a busy machine takes its time


def chromium() -> str | None:
    """The browser's path, or None for playwright's own."""
    path = os.environ.get("CHROMIUM", SYSTEM_CHROMIUM)
    return path if Path(path).exists() else None


def screenshot(url: str, out: Path, question: str) -> None:
    """Raises playwright's TimeoutError when there is no complete answer in time."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=QUIET)
        try:
            page = browser.new_page(viewport={"width": 1100, "height": 860}, device_scale_factor=1.5)
            page.goto(url)
            page.get_by_label("Your question").fill(question)
            page.keyboard.press("Enter")
            page.locator("article[aria-busy=false]").wait_for(timeout=ANSWER_TIMEOUT)
            page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
            page.screenshot(path=out)
        finally:
            browser.close()


def main() -> int:
    parser = argparse.ArgumentParser(description="Take a picture of the page with an answered question.")
    parser.add_argument("url", help="where the service's page is, for example http://127.0.0.1:8080/")
    parser.add_argument("out", type=Path, help="the PNG file to write")
    parser.add_argument("question")
    arguments = parser.parse_args()
    screenshot(arguments.url, arguments.out, arguments.question)
    return 0


if __name__ == "__main__":
    sys.exit(main())

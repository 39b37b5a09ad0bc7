"""The documentation below ``/guide/``."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from lightspeed_stack.api import guide
from lightspeed_stack.api.guide import Guide
from tests.spec.registry import requirement

PAGES = {
    "index.md": "# The handbook\n\nStart with [the tutorial](tutorial/first.md).\n",
    "decisions/0001-one.md": "# One thing\n",
    "howto/own-model.md": """# Use your `own` model

## Set it up

See [settings](../reference/settings.md#timeout),
[itself](#set-it-up), [the folder](../reference/), [code](../../src/x.py),
[nowhere](nowhere.md), [root](/etc/passwd) and [outside](https://example.com/). Not [this](javascript:alert(1)).

## Set it up

![the page](../images/page.png)

<script>alert(1)</script>

<!-- a note to writers -->

<!-- a --> <b>trick</b> <!-- b -->

Inline <i onclick="alert(1)">HTML</i><!-- hushed -->.

```html
<!-- in code -->
```

| name | value |
|:-----|------:|
| a    | 1     |
""",
    "reference/settings.md": "# Settings\n\n## timeout\n\nSeconds.\n",
    "reference/README.md": "# Reference\n",
    "tutorial/first.md": "# First steps\n",
    "appendix/more.md": "no heading here\n",
    "tutorial/notes.txt": "secret",
    ".hidden.md": "# Hidden\n",
}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def book(tmp_path: Path) -> Guide:
    root = tmp_path / "docs"
    for name, text in PAGES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (root / "images").mkdir()
    (root / "images" / "page.png").write_bytes(PNG)
    (tmp_path / "secret.md").write_text("# Secret\n", "utf-8")
    return Guide.read(root)


@pytest.fixture
def client(book: Guide) -> Iterator[TestClient]:
    app = FastAPI(redirect_slashes=False)
    app.include_router(guide.router)
    app.dependency_overrides[guide.shipped] = lambda: book
    with TestClient(app) as client:
        yield client


def links(text: str, within: str) -> list[str]:
    """Targets of the links in one element of a page."""
    inside = re.search(rf"<{within}[ >].*?</{within}>", text, re.DOTALL)
    assert inside is not None
    return re.findall(r'<a href="([^"]*)"', inside[0])


@requirement("guide:page:rendered")
def test_a_document_is_a_page(client: TestClient) -> None:
    answer = client.get("/guide/howto/own-model")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src" not in answer.headers["content-security-policy"]
    assert "<title>Use your own model - " in answer.text
    assert '<h1 id="use-your-own-model">Use your <code>own</code> model</h1>' in answer.text
    assert '<td class="right">1</td>' in answer.text
    assert "style=" not in answer.text


@requirement("guide:page:rendered")
def test_pages_are_listed_in_the_stated_order(client: TestClient) -> None:
    answer = client.get("/guide/howto/own-model")
    assert links(answer.text, "nav") == [
        "../../guide/",
        "../../guide/tutorial/first",
        "../../guide/howto/own-model",
        "../../guide/reference",
        "../../guide/reference/settings",
        "../../guide/decisions/0001-one",
        "../../guide/appendix/more",
    ]
    assert 'href="../../guide/howto/own-model" aria-current="page">Use your own model</a>' in answer.text
    assert ">More</a>" in answer.text


@requirement("guide:page:rendered")
@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("/guide", "The handbook"),
        ("/guide/", "The handbook"),
        ("/guide/reference", "Reference"),
        ("/guide/tutorial", "Tutorial"),
        ("/guide/reference/README", "Reference"),
        ("/guide/index.md", "The handbook"),
        ("/guide/howto/own-model.md", "Use your <code>own</code> model"),
    ],
)
def test_folders_and_files_have_pages(client: TestClient, path: str, heading: str) -> None:
    assert re.search(rf"<h1[^>]*>{heading}</h1>", client.get(path).text)


@requirement("guide:page:links")
def test_links_between_documents_lead_to_their_pages(client: TestClient) -> None:
    text = client.get("/guide/howto/own-model").text
    assert links(text, "main") == [
        "../../guide/reference/settings#timeout",
        "#set-it-up",
        "../../guide/reference",
        "https://example.com/",
    ]
    assert "<a>code</a>" in text
    assert "<a>nowhere</a>" in text
    assert "<a>root</a>" in text
    assert 'src="../../guide/images/page.png"' in text


@requirement("guide:page:links")
@pytest.mark.parametrize(
    ("path", "up"),
    [("/guide", "./"), ("/guide/", "../"), ("/guide/reference", "../"), ("/guide/reference/", "../../")],
)
def test_links_start_where_the_browser_stands(client: TestClient, path: str, up: str) -> None:
    assert f'href="{up}assets/page.css"' in client.get(path).text


@requirement("guide:anchors:unique")
def test_repeated_headings_have_different_anchors(client: TestClient) -> None:
    text = client.get("/guide/howto/own-model").text
    assert re.findall(r'<h2 id="([^"]*)"', text) == ["set-it-up", "set-it-up-1"]


@requirement("guide:page:inert")
def test_html_in_a_document_stays_text(client: TestClient) -> None:
    text = client.get("/guide/howto/own-model").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert not re.search(r"<(script|b|i)[ >]", text)
    assert "&lt;b&gt;trick&lt;/b&gt;" in text
    assert "Inline &lt;i onclick=&quot;alert(1)&quot;&gt;HTML&lt;/i&gt;.</p>" in text
    assert "&lt;!-- in code --&gt;" in text
    assert "writers" not in text
    assert "hushed" not in text
    assert 'href="javascript' not in text


@requirement("guide:page:unknown")
@pytest.mark.parametrize(
    "path",
    [
        "nothing",
        "howto/nothing",
        "..%2Fsecret",
        "%2e%2e/secret",
        "tutorial/notes.txt",
        ".hidden",
        "tutorial/..%2findex",
    ],
)
def test_what_is_no_page_is_not_found(client: TestClient, path: str) -> None:
    answer = client.get(f"/guide/{path}")
    assert answer.status_code == 404
    assert answer.json()["detail"]["response"] == "Page not found"


@requirement("guide:images")
def test_images_are_served(client: TestClient) -> None:
    answer = client.get("/guide/images/page.png")
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, PNG, "image/png")


@requirement("guide:page:rendered")
def test_a_page_is_rendered_once(book: Guide) -> None:
    assert book.page("", root="./") != book.page("", root="../")
    assert list(book.rendered) == [""]


@requirement("guide:shipped")
def test_no_relative_link_of_the_shipped_documentation_is_dead() -> None:
    book = guide.shipped()
    pages = {address: book.page(address, root="/") or "" for address in book.documents}
    assert [address for address, text in pages.items() if not text] == []
    dead = {
        (address, target)
        for address, text in pages.items()
        for target in re.findall(r'<a href="/guide/([^"#]*)', text)
        if target not in pages and not any(one.startswith(f"{target}/") for one in pages)
    }
    assert dead == set()

"""Markdown of models as the page's renderer shows it; the renderer runs where it belongs, in a browser."""

from playwright.async_api import Page

from tests.spec.registry import requirement

RENDER = """
async (texts) => {
  const { Markdown } = await import(new URL("assets/markdown.js", document.baseURI).href);
  return texts.map((text) => {
    const container = document.createElement("div");
    const view = new Markdown(container);
    for (let end = 1; end < Math.min(text.length, 200); end += 1) view.update(text.slice(0, end));
    view.update(text);
    return container.innerHTML;
  });
}
"""
"""Each text grows letter by letter, as in a stream, to its whole length."""

TABLE = {
    "": "",
    "one\ntwo\n\nthree": "<p>one\ntwo</p><p>three</p>",
    "hard  \nbreak\\\nagain": "<p>hard<br>break<br>again</p>",
    "# A #\n###### B": "<h3>A</h3><h6>B</h6>",
    "#hashtag": "<p>#hashtag</p>",
    "***both*** **a*b*c** __x__ _y_ a_b_c 2 * 3 * 4": (
        "<p><strong><em>both</em></strong> <strong>a<em>b</em>c</strong> <strong>x</strong> <em>y</em> "
        "a_b_c 2 * 3 * 4</p>"
    ),
    "**open and `code": "<p>**open and `code</p>",
    "``a ` b`` `*c*`": "<p><code>a ` b</code> <code>*c*</code></p>",
    r"\*not\* \<b\>": "<p>*not* &lt;b&gt;</p>",
    "&amp; <b>": "<p>&amp;amp; &lt;b&gt;</p>",
    "- a\n- b\n  - c\n\nafter": "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul><p>after</p>",
    "3. a\n\n4. b": '<ol start="3"><li><p>a</p></li><li><p>b</p></li></ol>',
    "1. a\n   ```\n   x\n   ```\n2. b": None,
    "> a\n> > b": "<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote>",
    "a\n\n---\n***": "<p>a</p><hr><hr>",
    "see https://example.com/a_(b). Or xhttps://example.com": (
        '<p>see <a href="https://example.com/a_(b)" target="_blank" rel="noopener noreferrer">'
        "https://example.com/a_(b)</a>. Or xhttps://example.com</p>"
    ),
    "[a](ftp://x) [b](//x) [c](/x) [d](JavaScript:x) [e]( data:x )": (
        "<p>[a](ftp://x) [b](//x) [c](/x) [d](JavaScript:x) [e]( data:x )</p>"
    ),
}


@requirement("page:answer:streams", "page:answer:inert")
async def test_markdown_is_shown_as_the_table_says(page: Page) -> None:
    shown = await page.evaluate(RENDER, list(TABLE))
    expected = {text: html for text, html in TABLE.items() if html is not None}
    assert {text: html for text, html in zip(TABLE, shown, strict=True) if text in expected} == expected
    with_code = dict(zip(TABLE, shown, strict=True))["1. a\n   ```\n   x\n   ```\n2. b"]
    assert with_code.startswith("<ol><li>a<figure")
    assert with_code.endswith("</figure></li><li>b</li></ol>")
    assert ">x</code>" in with_code


@requirement("page:answer:inert")
async def test_no_text_keeps_the_renderer_busy(page: Page) -> None:
    size = 20_000
    hostile = ["[" * size, "*" * size, "**a " * size, "> " * size, "- " * size, "`a" * size, "_a " * size]
    hostile += ["<http://" * size, "|" * size + "\n" + "|-" * size, "[a](" * size, "\\" * size, "http://a*" * size]
    shown = await page.evaluate(RENDER, hostile)
    assert all(shown)

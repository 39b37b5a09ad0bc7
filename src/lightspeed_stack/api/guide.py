"""The documentation below ``/guide/``, as this release was shipped with it.

Above: ``app`` includes ``router``. The Markdown files lie in ``docs/`` and are shipped in the package as ``_docs``. A
page's address is its path without the suffix: ``docs/howto/own-model.md`` is ``/guide/howto/own-model``; a folder's
page is its ``index.md`` or ``README.md``, or else a list. Reading and rendering happen in threads of the framework.
"""

import html
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote, urlsplit

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from lightspeed_stack.api.page import Asset
from lightspeed_stack.domain.slugs import slug

if TYPE_CHECKING:
    from markdown_it.token import Token

FOLDERS = {
    "tutorial": "Tutorial",
    "howto": "How-to guides",
    "reference": "Reference",
    "explanation": "Explanation",
    "decisions": "Decisions",
}
"""Folders in the order in which the list of pages shows them, with their headings; others follow by name."""

IMAGES = {
    ".gif": "image/gif",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
}
FRONT_PAGES = ("index", "README")
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

# Stands for the way from a page up to the service's root; Markdown itself cannot produce a NUL character.
ROOT = "\0"

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Document:
    """A page of the guide: ``address`` below ``/guide/``, ``file`` below the documentation's folder."""

    address: str
    file: str
    title: str
    text: str

    @property
    def folder(self) -> str:
        return self.file.partition("/")[0] if "/" in self.file else ""


@dataclass(frozen=True, slots=True)
class Guide:
    """All pages and images, read at once; pages are rendered when first asked for."""

    documents: Mapping[str, Document]
    images: Mapping[str, Traversable]
    rendered: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, root: Traversable) -> "Guide":
        """Read every Markdown file below ``root``."""
        documents, images = [], {}
        for path, file in sorted(_walk(root, "")):
            stem, suffix = posixpath.splitext(path)
            if suffix == ".md":
                text = file.read_text("utf-8")
                documents.append(Document(_address(stem), path, _title(text, stem), text))
            elif suffix in IMAGES:
                images[path] = file
        return cls({one.address: one for one in sorted(documents, key=_order)}, images)

    def page(self, address: str, *, root: str) -> str | None:
        """The whole page as HTML, or None where there is none. ``root`` leads from the page to the service's root."""
        if address not in self.rendered:
            body = self._body(address)
            if body is None:
                return None
            document = self.documents.get(address)
            title = document.title if document else _heading(address)
            self.rendered[address] = _frame(title, self._contents(address), body)
        return self.rendered[address].replace(ROOT, root)

    def image(self, path: str) -> Asset | None:
        file = self.images.get(path)
        return Asset.of(file.read_bytes(), IMAGES[posixpath.splitext(path)[1]]) if file else None

    def _body(self, address: str) -> str | None:
        document = self.documents.get(address)
        if document:
            return _render(document, self._link)
        inside = [one for one in self.documents.values() if not address or one.address.startswith(f"{address}/")]
        if not inside and address:
            return None
        return f"<h1>{html.escape(_heading(address))}</h1>\n{_links(inside, address)}"

    def _link(self, document: Document, target: str) -> str | None:
        """Where a relative link of a document leads, with ``ROOT`` in front; None where the guide has no such thing."""
        parts = urlsplit(target)
        path = posixpath.normpath(posixpath.join(posixpath.dirname(document.file), unquote(parts.path)))
        path = "" if path == "." else path
        fragment = f"#{parts.fragment}" if parts.fragment else ""
        if path in self.images:
            return f"{ROOT}guide/{path}"
        stem, suffix = posixpath.splitext(path)
        address = _address(stem) if suffix == ".md" else path
        known = address in self.documents or any(one.startswith(f"{address}/") for one in self.documents)
        return f"{ROOT}guide/{address}{fragment}" if known or not address else None

    def _contents(self, current: str) -> str:
        """The list of all pages, by folder."""
        groups: dict[str, list[Document]] = {}
        for document in self.documents.values():
            groups.setdefault(document.folder, []).append(document)
        return "\n".join(
            (f"<h2>{html.escape(_heading(folder))}</h2>\n" if folder else "") + _links(documents, current)
            for folder, documents in groups.items()
        )


@cache
def shipped() -> Guide:
    """The guide of this release."""
    return Guide.read(files("lightspeed_stack") / "_docs")


@router.get("/guide", include_in_schema=False)
@router.get("/guide/{path:path}", include_in_schema=False)
def guide(request: Request, book: Annotated[Guide, Depends(shipped)], path: str = "") -> Response:
    """One page or image of the documentation; open to everybody, like ``/docs``."""
    found = book.image(path) or _page(book, path.strip("/"), request)
    if found is None:
        raise HTTPException(404, {"response": "Page not found", "cause": "The guide has no such page."})
    return found.response(request, policy=POLICY)


def _page(book: Guide, path: str, request: Request) -> Asset | None:
    # Links lead upwards from the address that the browser shows, for the service may stand below a path that only a
    # proxy knows; a slash at its end is one level more.
    shown: bytes = request.scope.get("raw_path") or request.url.path.encode()
    levels = (path.count("/") + 1 if path else 0) + shown.partition(b"?")[0].endswith(b"/")
    text = book.page(_address(path.removesuffix(".md")), root="../" * levels or "./")
    return Asset.of(text.encode(), "text/html; charset=utf-8") if text is not None else None


def _walk(folder: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry, f"{path}{entry.name}/")
        else:
            yield f"{path}{entry.name}", entry


def _address(stem: str) -> str:
    folder, name = posixpath.split(stem)
    return folder if name in FRONT_PAGES else stem


def _order(document: Document) -> tuple[int, str, str]:
    """Pages outside folders first, then the folders in their order; in a folder its own page first, then by name."""
    names = ["", *FOLDERS]
    folder = document.folder
    return (names.index(folder) if folder in names else len(names), folder, document.address)


def _heading(address: str) -> str:
    if not address:
        return "Guide"
    name = posixpath.basename(address)
    return FOLDERS.get(address) or name.replace("-", " ").capitalize()


def _title(text: str, stem: str) -> str:
    """The first heading of the first level, or the file's name where there is none."""
    heading = re.search(r"^# +(.+?)\s*#*$", text, re.MULTILINE)
    return heading[1].replace("`", "").replace("*", "") if heading else _heading(_address(stem))


type _Link = Callable[[Document, str], str | None]


def _render(document: Document, link: _Link) -> str:
    """The document's Markdown as HTML; HTML inside it becomes text, and its comments vanish."""
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = markdown.parse(document.text)
    seen: dict[str, int] = {}
    for before, token in zip([None, *tokens], tokens, strict=False):
        if before is not None and before.type == "heading_open":
            before.attrSet("id", slug(_plain(token), seen))
        for child in token.children or ():
            _relink(child, document, link)
            _disarm(child)
        _disarm(token)
        _classify(token)
    rendered: str = markdown.renderer.render(tokens, markdown.options, {})
    return rendered


def _plain(inline: "Token") -> str:
    """What a reader sees of a heading."""
    return "".join(child.content for child in inline.children or () if child.type in {"text", "code_inline"})


def _relink(token: "Token", document: Document, link: _Link) -> None:
    """Make a relative link or image lead to where the guide shows it; without a target it remains as bare text."""
    name = {"link_open": "href", "image": "src"}.get(token.type)
    if name is None:
        return
    target = str(token.attrGet(name) or "")
    if target.startswith("#"):
        return
    if urlsplit(target).scheme:
        token.attrSet("rel", "noopener noreferrer")
        return
    found = None if target.startswith("/") else link(document, target)
    if found is None:
        token.attrs.pop(name, None)
    else:
        token.attrSet(name, found)


def _disarm(token: "Token") -> None:
    """HTML is recognised only so that a comment is told from text that must be seen; none of it reaches the page."""
    if token.type not in {"html_block", "html_inline"}:
        return
    source = token.content.strip()
    comment = source.startswith("<!--") and source.find("-->") == len(source) - 3
    shown = "" if comment else html.escape(token.content)
    token.content = f"<p>{shown}</p>\n" if shown and token.type == "html_block" else shown


def _classify(token: "Token") -> None:
    """Alignment of table cells as a class: the page's policy allows no styles in the text."""
    style = token.attrs.pop("style", None) if token.type in {"th_open", "td_open"} else None
    if style is not None:
        token.attrSet("class", str(style).removeprefix("text-align:"))


def _links(documents: list[Document], current: str) -> str:
    items = "\n".join(
        f'<li><a href="{ROOT}guide/{html.escape(one.address)}"'
        f"{' aria-current="page"' if one.address == current else ''}>{html.escape(one.title)}</a></li>"
        for one in documents
    )
    return f"<ul>\n{items}\n</ul>"


def _frame(title: str, contents: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{html.escape(title)} - Lightspeed core service</title>
<link rel="icon" type="image/svg+xml" href="{ROOT}assets/logo.svg">
<link rel="stylesheet" href="{ROOT}assets/page.css">
<link rel="stylesheet" href="{ROOT}assets/guide.css">
</head>
<body>
<a class="skip" href="#document">Skip to the text</a>
<header class="top guide-top">
<img class="logo" src="{ROOT}assets/logo.svg" alt="" width="40" height="40">
<p class="title"><a href="{ROOT}">Lightspeed core service</a></p>
</header>
<div class="guide">
<nav class="contents" aria-label="Pages of the guide">
{contents}
</nav>
<main id="document" class="document">
{body}
</main>
</div>
<footer class="bottom guide-top">
<p>This is the documentation of the release that serves it.</p>
<nav aria-label="Elsewhere"><a href="{ROOT}">Ask a question</a> <a href="{ROOT}docs">API reference</a></nav>
</footer>
</body>
</html>
"""

"""Where the documentation's links lead."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.pages import PAGES, REPOSITORY, anchors, place, targets
from tests.spec.registry import requirement


def leads_to(page: Path, target: str) -> tuple[Path, str] | None:
    """File or folder, and anchor, of a relative link; None for one that leads elsewhere."""
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return None
    return (page.parent / unquote(parts.path)).resolve() if parts.path else page, parts.fragment


def broken(page: Path, target: str) -> str | None:
    found = leads_to(page, target)
    if found is None:
        return None
    path, anchor = found
    if not path.exists():
        return f"{target}: there is no such file"
    if anchor and anchor not in anchors(path):
        return f"{target}: there is no such heading"
    return None


@requirement("docs:links:resolve")
@pytest.mark.parametrize("page", PAGES, ids=place)
def test_links_lead_somewhere(page: Path) -> None:
    assert [problem for target in targets(page) if (problem := broken(page, target))] == []


@requirement("docs:links:reachable")
def test_every_page_can_be_reached() -> None:
    waiting = [REPOSITORY / "README.md"]
    reached: set[Path] = set()
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        for target in targets(page):
            found = leads_to(page, target)
            if found is None:
                continue
            path = found[0]
            # A link to a folder shows its list, and so all that is in it.
            waiting += path.rglob("*.md") if path.is_dir() else [path] if path.suffix == ".md" else []
    assert sorted(place(page) for page in set(PAGES) - reached) == []

"""Anchors of headings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.domain.slugs import slug
from tests.spec.registry import requirement


@requirement("guide:anchors:forge-style")
@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Install it", "install-it"),
        ("What happens when the model server is down?", "what-happens-when-the-model-server-is-down"),
        ("`inference.default_model`", "inferencedefault_model"),
        ("A & B", "a--b"),
        ("  Step 1: run\tit ", "step-1-run-it"),
        ("Über den Fluß", "über-den-fluß"),
        ("日本語 の 見出し", "日本語-の-見出し"),
        ("already-hyphenated", "already-hyphenated"),
        ("!?", ""),
    ],
)
def test_anchor_of_a_heading(heading: str, anchor: str) -> None:
    assert slug(heading, {}) == anchor


@requirement("guide:anchors:unique")
def test_repeated_headings_are_numbered() -> None:
    seen: dict[str, int] = {}
    assert [slug(heading, seen) for heading in ["Notes", "notes", "Notes!", "Notes-1"]] == [
        "notes",
        "notes-1",
        "notes-2",
        "notes-1-1",
    ]


@requirement("guide:anchors:unique")
@given(st.lists(st.text(alphabet="ab-1 !", max_size=6), max_size=30))
def test_no_two_headings_of_a_page_share_an_anchor(headings: list[str]) -> None:
    seen: dict[str, int] = {}
    anchors = [slug(heading, seen) for heading in headings]
    assert len(set(anchors)) == len(anchors)

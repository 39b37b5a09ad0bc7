"""The page of releases is what a run of this suite wrote."""

from scripts.generate_stack_table import PAGE, behaviours

from tests.spec.registry import requirement


@requirement("stacks:table")
def test_the_page_has_every_behaviour_of_every_release() -> None:
    """Where it has not: run ``make releases``."""
    assert behaviours() in PAGE.read_text("utf-8")

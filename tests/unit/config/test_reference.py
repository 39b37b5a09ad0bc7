"""The page about the configuration."""

from scripts.generate_config_reference import PAGE, reference

from lightspeed_stack.config.keys import every_key
from lightspeed_stack.config.tree import Config
from tests.spec.registry import requirement


@requirement("config:reference:current")
def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == reference(), "run scripts/generate_config_reference.py"


@requirement("config:reference:current")
def test_the_page_has_every_key() -> None:
    page = reference()
    assert [key.path for key in every_key(Config) if f"| `{key.path.rpartition('.')[2]}` |" not in page] == []

"""What a stack says in our log."""

import importlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lightspeed_stack.stack.library_logs import TOPS, literal_words, relay_stack
from tests.spec.registry import requirement

# A package that logs as the releases do: up to 0.3 as the standard library, later as structlog.
SPEAKS = """
import logging
from ogx.log import LoggingConfig, get_logger, parse_yaml_config, setup_logging

logger = get_logger(name=__name__, category="core::server")
plain = logging.getLogger("ogx_api.routes")
setup_logging(parse_yaml_config(LoggingConfig(category_levels={"core": "debug"})))

def speak(prompt):
    logger.info("Asked", prompt=prompt)
    logger.warning("Model refresh failed", provider_id="vllm", error=prompt, model=prompt)
    logger.error(
        f"Error executing {prompt=}: "
        f"{prompt}"
    )
    plain.warning("Could not store %s", prompt)
    try:
        raise ValueError(prompt)
    except ValueError:
        logger.bind(prompt=prompt).exception("Error in generator")
    logger.error(prompt)
    logger.warning("No shutdown method for", impl_name="Models")
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """``ogx`` with one module, and its loggers as they were afterwards."""
    (tmp_path / "ogx").mkdir()
    (tmp_path / "ogx" / "__init__.py").write_text("", "utf-8")
    (tmp_path / "ogx" / "speaks.py").write_text(SPEAKS, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    loggers = [logging.getLogger(name) for name in TOPS]
    before = [(logger.handlers[:], logger.propagate) for logger in loggers]
    yield
    for logger, (handlers, propagate) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
    for name in [name for name in sys.modules if name.partition(".")[0] == "ogx"]:
        del sys.modules[name]


@requirement("stack:library:logs")
@pytest.mark.usefixtures("package")
def test_it_says_its_own_words_and_nothing_that_was_asked(caplog: pytest.LogCaptureFixture) -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    relay_stack("ogx")
    importlib.import_module("ogx.speaks").speak("what is my illness?")
    assert (root.handlers, root.level) == before
    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ogx.speaks", "WARNING", "Model refresh failed (provider_id=vllm)"),
        ("ogx.speaks", "ERROR", "Error executing prompt=…: …"),
        ("ogx_api.routes", "WARNING", "Could not store %s"),
        ("ogx.speaks", "ERROR", "Error in generator (ValueError)"),
        ("ogx.speaks", "ERROR", "…"),
    ]
    assert all(record.exc_info is None for record in caplog.records)


@requirement("stack:library:logs")
@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ('log.error("a b")', 1, "a b"),
        ('log.error(f"a {b} c")', 1, "a … c"),
        ('log.error("a " + b + " c")', 1, "a … c"),
        ('log.error("a %s" % b)', 1, "a %s"),
        ('x = 1\nlog.warning(\n    "a"\n    "b",\n    c,\n)', 4, "ab"),
        ("log.error(b)", 1, "…"),
        ('x = 1\nlog.error("a")', 1, ""),
        ("this is no Python", 1, ""),
    ],
)
def test_words_that_stand_in_a_source(tmp_path: Path, source: str, line: int, words: str) -> None:
    file = tmp_path / "source.py"
    file.write_text(source, "utf-8")
    assert literal_words(str(file), line) == words


@requirement("stack:library:logs")
def test_no_source_no_words(tmp_path: Path) -> None:
    assert literal_words(str(tmp_path / "absent.py"), 1) == ""

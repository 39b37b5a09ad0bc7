"""Words that must not stand in what is published, and names that stay above their border."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from tests.architecture.source import REPOSITORY, module_name, place, source_files, tree
from tests.spec.registry import requirement

# Put together here, so that this file does not break its own rule.
UNFINISHED = re.compile(r"\bTO" + r"DO\b|\bFIX" + r"ME\b")
REGISTRIES = re.compile(r"pypi\.org" + r"/simple|files\.python" + r"hosted\.org|registry\." + r"npmjs\.org")
# Examples may speak of somebody's home, called "me", "you" or "user".
HOMES = re.compile(r"(?<![\w.])/(?:root|work)" + r"/|(?<!\w)/(?:home|Users)" + r"/(?!me\b|you\b|user\b)\w")
TEXT = {".py", ".md", ".txt", ".toml", ".yaml", ".yml", ".sh", ".js", ".css", ".html", ".json", ".cfg", ""}


def published() -> list[Path]:
    """The tracked files, and those that are about to be; where git is absent, everything below the usual folders."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            check=True,
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
        ).stdout.splitlines()
        paths = [REPOSITORY / name for name in listed]
    except (OSError, subprocess.CalledProcessError):
        folders = ("src", "tests", "docs", "bench", "scripts", "requirements", "deploy", "examples", "web")
        paths = [path for folder in folders for path in (REPOSITORY / folder).rglob("*")]
    return [path for path in paths if path.is_file() and not path.is_symlink() and path.suffix in TEXT]


def lines_with(words: re.Pattern[str]) -> list[str]:
    found = []
    for path in published():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        if words.search(text):
            lines = enumerate(text.splitlines(), 1)
            found += [f"{place(path, number)}: {match[0]}" for number, line in lines if (match := words.search(line))]
    return found


@pytest.mark.parametrize(
    ("words", "line", "wrong"),
    [
        (UNFINISHED, "TO" + "DO: later", True),
        (UNFINISHED, "the TODOS of a list", False),
        (REGISTRIES, "https://pypi" + ".org/simple", True),
        (HOMES, "see /root" + "/notes", True),
        (HOMES, "in /home" + "/anna/x", True),
        (HOMES, "in /home" + "/me/x", False),
        (HOMES, "https://example.com/root" + "/x", False),
    ],
)
@requirement("ground:words:published")
def test_the_words_mean_what_they_should(words: re.Pattern[str], line: str, *, wrong: bool) -> None:
    assert bool(words.search(line)) is wrong


@requirement("ground:words:published")
@pytest.mark.parametrize("words", [UNFINISHED, REGISTRIES, HOMES], ids=["unfinished", "registries", "homes"])
def test_words_that_are_not_published(words: re.Pattern[str]) -> None:
    assert lines_with(words) == []


@requirement("ground:words:status-codes")
def test_no_http_exception_below_the_edge() -> None:
    wrong = [
        place(path, node.lineno)
        for path in source_files()
        if not module_name(path).startswith("api")
        for node in ast.walk(tree(path))
        # The standard library's http.client has an exception of this name too; it is written with its module.
        if isinstance(node, ast.Name) and node.id == "HTTPException"
    ]
    assert wrong == []


def swallows(handler: ast.ExceptHandler) -> bool:
    """``except: pass``, or a bare ``except``."""
    broad = handler.type is None or (
        isinstance(handler.type, ast.Name) and handler.type.id in {"Exception", "BaseException"}
    )
    nothing = all(isinstance(statement, ast.Pass) for statement in handler.body)
    return handler.type is None or (broad and nothing)


@requirement("ground:words:swallowed")
def test_no_error_is_swallowed_unseen() -> None:
    wrong = [
        place(path, node.lineno)
        for path in source_files()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and swallows(node)
    ]
    assert wrong == []

"""What is asked of servers that others wrote, and what their answers must have in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One call. ``{page}`` and ``{repository}`` in ``arguments`` stand for what the tests have of these.

    ``says`` must stand in the result, in this order. ``called`` is what a model calls the tool where that is not its
    own name.
    """

    server: str
    tool: str
    arguments: Json
    says: tuple[str, ...]
    failed: bool = False
    called: str = ""

    @property
    def name(self) -> str:
        """What a model calls the tool."""
        return self.called or self.tool

    def filled(self, places: Mapping[str, str]) -> Json:
        """The arguments with the places put in."""
        return {
            name: value.format_map(places) if isinstance(value, str) else value
            for name, value in self.arguments.items()
        }


SERVERS = ("everything", "everything-sse", "time", "fetch", "git")
"""In this order in the configuration: the first has a right to the names that the second has as well."""

CASES = (
    Case("everything", "echo", {"message": "hello wörld"}, ("Echo: hello wörld",)),
    Case("everything", "get-sum", {"a": 2, "b": 40}, ("The sum of 2 and 40 is 42.",)),
    Case("everything", "get-sum", {"a": "two"}, ("number",), failed=True),
    Case("everything", "get-structured-content", {"location": "Chicago"}, ("36", "Light rain / drizzle")),
    Case("everything", "get-tiny-image", {}, ("the image you requested:", "<image>", "is the MCP logo.")),
    Case(
        "everything",
        "get-resource-reference",
        {"resourceType": "Text", "resourceId": 1},
        ("Returning resource reference", "Resource 1: This is a plaintext resource", "using the URI"),
    ),
    Case("everything", "get-resource-links", {"count": 2}, ("Here are 2 resource links", "Resource 1", "Resource 2")),
    Case("everything", "trigger-long-running-operation", {"duration": 0.1, "steps": 2}, ("operation completed.",)),
    Case("everything-sse", "get-sum", {"a": 1, "b": 2}, ("is 3.",), called="everything-sse_get-sum"),
    Case(
        "time",
        "convert_time",
        {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"},
        ("T12:00:00+00:00", "T21:00:00+09:00", "+9.0h"),
    ),
    Case("time", "get_current_time", {"timezone": "Nowhere/At_All"}, ("Invalid timezone",), failed=True),
    Case("fetch", "fetch", {"url": "{page}"}, ("Shelves of the archive", "two hundred metres")),
    Case("git", "git_log", {"repo_path": "{repository}", "max_count": 1}, ("Author: Ada", "Message: Second")),
    Case("git", "git_show", {"repo_path": "{repository}", "revision": "HEAD"}, ("Second", "+a second line")),
    Case("git", "git_status", {"repo_path": "{repository}"}, ("On branch main", "nothing to commit")),
)


def named(case: Case) -> str:
    """A case's id in the output of the tests."""
    return f"{case.server}-{case.tool}{'-failing' if case.failed else ''}"


def assert_in_order(pieces: tuple[str, ...], text: str) -> None:
    at = 0
    for piece in pieces:
        found = text.find(piece, at)
        assert found >= 0, f"{piece!r} is not in {text[at:]!r}"
        at = found + len(piece)

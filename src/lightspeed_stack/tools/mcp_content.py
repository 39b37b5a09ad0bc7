"""What MCP servers send, brought into shape: results as text for a model, and the tools of a list that are as they
should be. Pure; a server may send anything.

Source: Model Context Protocol 2026-07-28 and 2025-11-25, server/tools.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from lightspeed_stack.tools.mcp_values import McpLimits, Outcome, RemoteTool

NAME_AT_MOST = 128
DESCRIPTION_AT_MOST = 4096

WORD_AT_MOST = 100
"""Characters of a type that is named in the place of a content."""

IMAGE = "<image>"

HEADER_MARK = b'"x-mcp-header"'
"""Source: Model Context Protocol 2026-07-28, transports, custom headers."""

NO_SCHEMA = {"type": "object"}

LARGE = 256 * 1024
"""Characters of text that are too many to be compared with the data beside it."""

NEEDS_INPUT = "The tool asks for input that nobody here can give."

type Json = Mapping[str, Any]


def outcome(result: Json, *, max_characters: int) -> Outcome:
    """The result of a call as text, cut to ``max_characters``.

    Source: rest-api.md 1.9, for what joins the parts and for images.
    """
    if result.get("resultType") == "input_required":
        return Outcome(NEEDS_INPUT, failed=True)
    content = result.get("content")
    blocks = content if isinstance(content, list) else []
    parts = [_part(block) for block in blocks if isinstance(block, Mapping)]
    data = result.get("structuredContent")
    if data is not None and not _says(_texts(blocks), data):
        parts.append(_compact(data))
    return Outcome(" ".join(parts)[:max_characters], failed=result.get("isError") is True)


def _texts(blocks: Iterable[Any]) -> list[str]:
    return [
        block["text"]
        for block in blocks
        if isinstance(block, Mapping) and block.get("type") == "text" and isinstance(block.get("text"), str)
    ]


def _part(block: Json) -> str:
    match block:
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "image"}:
            return IMAGE
        case {"type": "audio", "data": str(data)}:
            return _binary("audio", block.get("mimeType"), data)
        case {"type": "resource", "resource": {"text": str()} | {"blob": str()} as resource}:
            return _resource(resource)
        case {"type": "resource_link", "uri": str(uri)}:
            name = block.get("title") or block.get("name")
            return f"[{name}]({uri})" if isinstance(name, str) and name else uri
        case _:
            return f"[{_word(block.get('type')) or 'content'} of an unknown shape]"


def _resource(resource: Json) -> str:
    text = resource.get("text")
    if isinstance(text, str):
        return text
    return _binary(f"resource {_word(resource.get('uri'))}".strip(), resource.get("mimeType"), resource["blob"])


def _binary(what: str, media_type: object, data: str) -> str:
    size = len(data) * 3 // 4 - data[-2:].count("=")
    return f"[{what}: {_word(media_type) or 'unknown type'}, {max(size, 0)} bytes]"


def _word(value: object) -> str:
    return value[:WORD_AT_MOST] if isinstance(value, str) else ""


def _says(texts: list[str], data: object) -> bool:
    """Whether the text holds the data already: as JSON, or as servers write what is not an object.

    Of much text that is taken for granted: comparing it would stop all others meanwhile.
    """
    if not texts:
        return False
    if sum(map(len, texts)) > LARGE:
        return True
    if isinstance(data, dict) and data.keys() == {"result"}:
        result = data["result"]
        written = result if isinstance(result, list) else [result]
        if len(written) == len(texts) and all(map(_is_text_of, texts, written)):
            return True
    return len(texts) == 1 and _is_text_of(texts[0], data)


def _is_text_of(text: str, value: object) -> bool:
    if isinstance(value, str):
        return text == value
    if isinstance(value, bool | int | float) or value is None:
        return text.strip().lower() == _compact(value).lower() or text == str(value)
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        return bool(msgspec.json.decode(text) == value)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False


def _compact(value: object) -> str:
    return msgspec.json.encode(value).decode()


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list: the tools of a right shape, and where the next page is, if there is one."""

    tools: tuple[RemoteTool, ...]
    cursor: str | None

    @classmethod
    def read(cls, result: Json) -> "Page":
        """From a result of ``tools/list``. Tools of a wrong shape are left out."""
        tools, cursor = result.get("tools"), result.get("nextCursor")
        good = [tool for it in (tools if isinstance(tools, list) else []) if (tool := _tool(it)) is not None]
        return cls(tuple(good), cursor if isinstance(cursor, str) and cursor else None)

    def for_sdk(self) -> dict[str, Any]:
        """The result again, with nothing in it that the protocol's types would refuse, nor what the SDK has no use for.

        It looks for arguments that go into headers, in every corner of a schema.
        """
        tools = [{"name": it.name, "inputSchema": it.schema if _has_headers(it) else NO_SCHEMA} for it in self.tools]
        page = {"tools": tools, "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
        return page if self.cursor is None else page | {"nextCursor": self.cursor}


class Listing:
    """The tools of a server, page by page, within bounds. Of two with one name the first stands."""

    def __init__(self, limits: McpLimits) -> None:
        self._limits = limits
        self._tools: dict[str, RemoteTool] = {}
        self._size = 0
        self._pages = 0

    @property
    def tools(self) -> tuple[RemoteTool, ...]:
        return tuple(self._tools.values())

    def add(self, page: Iterable[RemoteTool]) -> bool:
        """Take a page; whether there is room for another one. What is over a bound is left out."""
        self._pages += 1
        for tool in page:
            self._size += len(tool.name) + len(tool.description) + len(msgspec.json.encode(tool.schema))
            if self._size > self._limits.max_list or len(self._tools) >= self._limits.max_tools:
                return False
            self._tools.setdefault(tool.name, tool)
        return self._pages < self._limits.max_pages


def _tool(tool: object) -> RemoteTool | None:
    """A tool as it was sent; None where it has a wrong shape."""
    if not isinstance(tool, dict):
        return None
    name, description, schema = tool.get("name"), tool.get("description") or "", tool.get("inputSchema")
    if not isinstance(name, str) or not 0 < len(name) <= NAME_AT_MOST or not name.isprintable():
        return None
    if not isinstance(description, str) or not isinstance(schema, dict) or schema.get("type", "object") != "object":
        return None
    return RemoteTool(name, description[:DESCRIPTION_AT_MOST], {"type": "object"} | schema)


def _has_headers(tool: RemoteTool) -> bool:
    return HEADER_MARK in msgspec.json.encode(tool.schema)

"""What is shown and stored of a turn, without what may not be said (pure)."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from lightspeed_stack.domain.chat import Attachment, Exchange, ToolCall, ToolResult
from lightspeed_stack.domain.knowledge import Passage

type Clean = Callable[[str], str]


def cleaned_call(call: ToolCall, clean: Clean) -> ToolCall:
    arguments = _cleaned_json(call.arguments, clean)
    return call if arguments == call.arguments else replace(call, arguments=arguments)


def cleaned_result(result: ToolResult, clean: Clean) -> ToolResult:
    call, content = cleaned_call(result.call, clean), clean(result.content)
    same = call is result.call and content == result.content
    return result if same else replace(result, call=call, content=content)


def cleaned_passage(passage: Passage, clean: Clean) -> Passage:
    content = clean(passage.content)
    return passage if content == passage.content else replace(passage, content=content)


def cleaned_exchange(exchange: Exchange, clean: Clean) -> Exchange:
    return replace(
        exchange,
        question=clean(exchange.question),
        answer=clean(exchange.answer),
        attachments=tuple(_cleaned_attachment(attachment, clean) for attachment in exchange.attachments),
        tool_results=tuple(cleaned_result(result, clean) for result in exchange.tool_results),
        passages=tuple(cleaned_passage(passage, clean) for passage in exchange.passages),
    )


def _cleaned_attachment(attachment: Attachment, clean: Clean) -> Attachment:
    return replace(attachment, content=clean(attachment.content))


def _cleaned_json(text: str, clean: Clean) -> str:
    """The strings in it one by one, as escapes hide what they say; then all of it, as a key tells what a value is."""
    try:
        said = json.loads(text)
        kept = _cleaned_leaves(said, clean)
    except (ValueError, RecursionError):  # a model wrote it
        return clean(text)
    return clean(text if kept == said else json.dumps(kept, ensure_ascii=False))


def _cleaned_leaves(value: Any, clean: Clean) -> Any:
    match value:
        case str():
            return clean(value)
        case list():
            return [_cleaned_leaves(item, clean) for item in value]
        case dict():
            return {clean(key): _cleaned_leaves(item, clean) for key, item in value.items()}
    return value

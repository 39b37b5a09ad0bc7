"""What is shown and stored of a turn, without what may not be said (pure)."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from lightspeed_stack.assistant.tool_calls import well_formed
from lightspeed_stack.domain.chat import Attachment, Exchange, ToolCall, ToolResult
from lightspeed_stack.domain.knowledge import Citation, Passage

_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")

type Clean = Callable[[str], str]


def cleaned_call(call: ToolCall, clean: Clean) -> ToolCall:
    """Its name and id too: they are a model's own words, as the arguments are."""
    said = replace(call, id=clean(call.id), name=clean(call.name), arguments=_cleaned_json(call.arguments, clean))
    return call if said == call else said


def cleaned_result(result: ToolResult, clean: Clean) -> ToolResult:
    call, content = cleaned_call(result.call, clean), clean(result.content)
    same = call is result.call and content == result.content
    return result if same else replace(result, call=call, content=content)


def cleaned_passage(passage: Passage, clean: Clean) -> Passage:
    said = replace(
        passage,
        content=clean(passage.content),
        title=clean(passage.title),
        url=None if passage.url is None else clean(passage.url),
        section=tuple(map(clean, passage.section)),
        attributes={
            clean(name): clean(value) if isinstance(value, str) else value for name, value in passage.attributes.items()
        },
    )
    return passage if said == passage else said


def cleaned_citations(cited: Iterable[Citation], clean: Clean) -> tuple[Citation, ...]:
    """Each once, as those of cleaned passages are; a turn of the reference service has citations without passages."""
    said = (Citation(None if it.url is None else clean(it.url), clean(it.title)) for it in cited)
    return tuple(dict.fromkeys(said))


def cleaned_exchange(exchange: Exchange, clean: Clean) -> Exchange:
    return replace(
        exchange,
        question=clean(exchange.question),
        answer=clean(exchange.answer),
        attachments=tuple(_cleaned_attachment(attachment, clean) for attachment in exchange.attachments),
        tool_results=tuple(cleaned_result(result, clean) for result in exchange.tool_results),
        passages=tuple(cleaned_passage(passage, clean) for passage in exchange.passages),
        citations=cleaned_citations(exchange.citations, clean),
    )


def _cleaned_attachment(attachment: Attachment, clean: Clean) -> Attachment:
    return replace(attachment, content=clean(attachment.content))


def _cleaned_json(text: str, clean: Clean) -> str:
    """The strings in it one by one, as escapes hide what they say; then all of it, as a key tells what a value is.

    It stays as the model wrote it where nothing is found in it.
    """
    repeated = False

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        found = dict(pairs)
        repeated = repeated or len(found) < len(pairs)
        return found

    try:
        said = json.loads(text, object_pairs_hook=once)
        kept = _cleaned_leaves(said, clean)
        written = well_formed(json.dumps(kept, ensure_ascii=False))
    except (ValueError, RecursionError):  # a model wrote it
        written = well_formed(_ESCAPED.sub(lambda found: chr(int(found[1], 16)), text))
        cleaned = clean(written)
        return clean(text) if cleaned == written else cleaned
    cleaned = clean(written)
    same = kept == said and cleaned == written and not repeated  # of a repeated key only the last value was looked at
    return clean(text) if same else cleaned


def _cleaned_leaves(value: Any, clean: Clean) -> Any:
    match value:
        case str():
            return clean(value)
        case list():
            return [_cleaned_leaves(item, clean) for item in value]
        case dict():
            return {clean(key): _cleaned_leaves(item, clean) for key, item in value.items()}
    return value

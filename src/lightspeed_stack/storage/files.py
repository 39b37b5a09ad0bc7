"""Feedback and transcripts as JSON files, in the reference's formats.

Source: storage.md 1 and 2. Each file is one line of ASCII-escaped JSON with Python's default separators and without a
newline at its end; keys stand in the order of the contract. ``file_names`` says where files lie, ``archive`` puts them
there, ``retention`` takes them away again.
"""

import json
from datetime import UTC
from functools import partial
from math import isfinite
from pathlib import PurePath
from typing import Any

from lightspeed_stack.domain.chat import Exchange, Outcome, ToolCall, ToolResult, Transcript
from lightspeed_stack.domain.feedback import Feedback
from lightspeed_stack.domain.health import Health
from lightspeed_stack.domain.knowledge import Passage
from lightspeed_stack.storage.archive import Archive
from lightspeed_stack.storage.file_names import conversation_directory, user_directory

NO_ANSWER = "No response from the model"
"""What stands in a transcript of a turn that ended before anything was said."""


def feedback_file(feedback: Feedback) -> bytes:
    """The content of a feedback file."""
    return _line(
        {
            "user_id": feedback.user_id,
            "timestamp": str(feedback.at.astimezone(UTC)),
            "conversation_id": feedback.conversation_id,
            "user_question": feedback.user_question,
            "llm_response": feedback.llm_response,
            "sentiment": feedback.sentiment,
            "user_feedback": feedback.user_feedback,
            "categories": feedback.categories,
        }
    )


def transcript_file(transcript: Transcript, *, without_text: bool = False) -> bytes:
    """The content of a transcript file.

    ``without_text`` empties whatever a user, model, tool or document said; numbers of items, kinds, ids, names,
    sources, scores, models and times stay.
    """
    exchange = transcript.exchange

    def said(text: str) -> str:
        return "" if without_text else text

    return _line(
        {
            "metadata": {
                "provider": exchange.provider,
                "model": exchange.model,
                "query_provider": transcript.query_provider,
                "query_model": transcript.query_model,
                "user_id": transcript.user_id,
                "conversation_id": transcript.conversation_id,
                "timestamp": exchange.completed_at.astimezone(UTC).isoformat(),
            },
            "redacted_query": said(exchange.question),
            "query_is_valid": True,
            "llm_response": said(_answer(exchange)),
            "rag_chunks": [{**_chunk(it), "content": said(it.content)} for it in exchange.passages],
            "truncated": exchange.truncated,
            "attachments": [
                {
                    "attachment_type": it.attachment_type,
                    "content_type": it.content_type,
                    "content": said(it.content),
                }
                for it in exchange.attachments
            ],
            "tool_calls": [_call(it, without_text=without_text) for it in exchange.tool_results],
        }
    )


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, allow_nan=False).encode("ascii")


def _answer(exchange: Exchange) -> str:
    silent = not exchange.answer and exchange.outcome is not Outcome.COMPLETE
    return NO_ANSWER if silent else exchange.answer


def _chunk(passage: Passage) -> dict[str, Any]:
    return {
        "content": passage.content,
        "source": passage.url or passage.title,
        "score": round(passage.score, 4) if isfinite(passage.score) else None,
    }


def _call(result: ToolResult, *, without_text: bool) -> dict[str, Any]:
    """One call; its field names are not those of the REST API's ``tool_calls``."""
    call = {"id": result.call.id, "name": result.call.name}
    if without_text:
        return {**call, "args": {}, "response": None}
    return {**call, "args": _arguments(result.call), "response": result.content}


def _arguments(call: ToolCall) -> dict[str, Any] | str:
    """The arguments as an object; as the text that the model wrote where that is none."""
    try:
        parsed = json.loads(call.arguments)
        json.dumps(parsed, allow_nan=False)  # Python reads numbers that are not JSON
    except (ValueError, RecursionError):
        return call.arguments
    return parsed if isinstance(parsed, dict) else call.arguments


class FeedbackFiles:
    """Implements ``storage.base.FeedbackSink``: one file each, all in one directory."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def write(self, feedback: Feedback) -> None:
        """See FeedbackSink."""
        await self._archive.put(PurePath(), partial(feedback_file, feedback))

    async def probe(self) -> Health:
        return await self._archive.probe()


class TranscriptFiles:
    """Implements ``storage.base.TranscriptSink``: one file a turn, by user and conversation."""

    def __init__(self, archive: Archive, *, without_text: bool = False) -> None:
        self._archive = archive
        self._without_text = without_text

    async def write(self, transcript: Transcript) -> None:
        """See TranscriptSink."""
        folder = user_directory(transcript.user_id) / conversation_directory(transcript.conversation_id)
        await self._archive.put(folder, partial(transcript_file, transcript, without_text=self._without_text))

    async def probe(self) -> Health:
        return await self._archive.probe()

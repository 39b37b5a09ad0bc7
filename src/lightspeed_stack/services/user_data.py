"""Joins what users leave behind as files: the sinks, and the tasks that keep their directories within limits."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from lightspeed_stack.config.data import UserDataSection
from lightspeed_stack.storage.archive import Archive
from lightspeed_stack.storage.base import FeedbackSink, TranscriptSink
from lightspeed_stack.storage.files import FeedbackFiles, TranscriptFiles
from lightspeed_stack.storage.retention import Limits, Retention

SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class UserData:
    """``feedback`` is there wherever it has a directory, because it may be switched on while the service runs."""

    feedback: FeedbackSink | None
    transcripts: TranscriptSink | None


@asynccontextmanager
async def open_user_data(section: UserDataSection, failures: Callable[[str], None]) -> AsyncIterator[UserData]:
    """The sinks of a configuration; directories are kept within their limits until the context is left.

    ``failures`` hears ``retention`` whenever that failed.
    """
    days = section.retention_days
    limits = Limits(None if days is None else days * SECONDS_A_DAY, section.max_storage_size)

    def archive(path: str, key: str, *, nested: bool) -> Archive:
        retention = Retention(Path(path), key, nested=nested, limits=limits, failures=failures)
        tasks.start_soon(retention.run)
        return Archive(Path(path), key, retention.wrote)

    tasks: TaskGroup
    stopped: Exception | None = None
    async with anyio.create_task_group() as tasks:
        feedback = transcripts = None
        if section.feedback_storage is not None:
            feedback = FeedbackFiles(archive(section.feedback_storage, "feedback_storage", nested=False))
        # What was promised about old transcripts holds although no new ones are written.
        if section.transcripts_storage is not None:
            transcripts = TranscriptFiles(
                archive(section.transcripts_storage, "transcripts_storage", nested=True),
                without_text=section.transcripts_without_text,
            )
        try:
            yield UserData(feedback, transcripts if section.transcripts_enabled else None)
        except Exception as error:  # noqa: BLE001 - raised below: a task group would wrap it
            stopped = error
        finally:
            tasks.cancel_scope.cancel()
    if stopped is not None:
        raise stopped

"""Where a file of user data lies below its root (pure).

Feedback: ``<uuid4>.json``. Transcripts: ``<user>/<conversation>/<uuid4>.json``. Both as the reference lays them out, so
that whatever collects the files finds them (storage.md 1 and 2); but no id leads out of the root, and no two ids lead
to the same place.
"""

import hashlib
import os
import re
import uuid
from pathlib import PurePath

from lightspeed_stack.domain.ids import ConversationId

MARKER = "sha256-"
"""Begins the name of a directory whose id cannot be its name."""

MAX_ID = 1024
"""Bytes of an id that is its own name: that, the root and a file's name fit into a path."""

MAX_NAME = 255
"""Bytes of one name, in all file systems of note."""

MAX_LEVELS = 16
"""Levels of directories that one user id may make."""

FOREIGN = "lost+found"
"""A directory that file systems bring along, and that only root may enter."""

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_FILE = re.compile(rf"{_UUID}\.json")
_DRAFT = re.compile(rf"\.{_UUID}\.draft")
_CONVERSATION = re.compile(rf"{_UUID}|[0-9a-f]{{48}}|{MARKER}[0-9a-f]{{64}}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def new_file() -> str:
    return f"{uuid.uuid4()}.json"


def new_draft() -> str:
    """The name of a file that is being written: hidden, and not ending in ``.json``, so that nobody reads it."""
    return f".{uuid.uuid4()}.draft"


def is_file(name: str) -> bool:
    return _FILE.fullmatch(name) is not None


def is_draft(name: str) -> bool:
    return _DRAFT.fullmatch(name) is not None


def is_conversation(name: str) -> bool:
    """Whether ``conversation_directory`` gives such names."""
    return _CONVERSATION.fullmatch(name) is not None


def user_directory(user_id: str) -> PurePath:
    """The directory of a user, relative to the root; the root itself for the empty id."""
    if not user_id or _is_plain(user_id):
        return PurePath(_on_disk(user_id))
    return PurePath(_hashed(user_id))


def conversation_directory(conversation_id: ConversationId) -> str:
    """One name: with more, or none, it could be another user's directory."""
    if conversation_id and "/" not in conversation_id and _is_plain(conversation_id):
        return _on_disk(conversation_id)
    return _hashed(conversation_id)


def _is_plain(text: str) -> bool:
    """Whether a text is a path below the root, spelled in the only way there is, and no name of ours."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return False
    names = text.split("/")
    return (
        size <= MAX_ID
        and len(names) <= MAX_LEVELS
        and not text.startswith(MARKER)
        and names[0] != FOREIGN
        and _CONTROL.search(text) is None
        and all(_is_plain_name(name) for name in names)
    )


def _is_plain_name(name: str) -> bool:
    # A directory must not be taken for one of the files that are collected, or for one that is being written.
    ours = name.endswith(".json") or is_draft(name)
    return name not in {"", ".", ".."} and len(name.encode()) <= MAX_NAME and not ours


def _hashed(text: str) -> str:
    return MARKER + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _on_disk(text: str) -> str:
    """The path that is stored as UTF-8, whatever the process's locale."""
    return os.fsdecode(text.encode())

"""Where a service of these tests keeps what it must not lose: databases of one kind, and directories for files."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.servers.postgres import PostgresDatabase

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Places:
    """``postgres`` None is SQLite. ``together``: conversations and their cache are in one database, else in two.

    ``mixed``: PostgreSQL has the cache, and a SQLite file the conversations.
    """

    folder: Path
    postgres: PostgresDatabase | None = None
    together: bool = False
    mixed: bool = False

    @property
    def feedback(self) -> Path:
        return self.folder / "feedback"

    @property
    def transcripts(self) -> Path:
        return self.folder / "transcripts"

    @property
    def database(self) -> Path:
        """The SQLite file of conversations."""
        return self.folder / "conversations.db"

    def configuration(self, model_url: str, *, topics: bool = True, feedback: bool = True) -> str:
        """A configuration with one scripted provider, as YAML; ``feedback`` is where its switch stands at the start."""
        tree = {
            "name": "durable",
            "service": {"access_log": False},
            "user_data_collection": {
                "feedback_enabled": feedback,
                "feedback_storage": str(self.feedback),
                "transcripts_enabled": True,
                "transcripts_storage": str(self.transcripts),
            },
            **self._databases(),
            "inference": {
                "default_provider": "fake",
                "default_model": "fake-llm",
                "topic_summaries": topics,
                "providers": [{"id": "fake", "type": "openai", "url": model_url}],
            },
        }
        return yaml.safe_dump(tree, sort_keys=False)

    def transcribed(self) -> list[str]:
        """The questions of all transcripts, which are complete."""
        return [str(complete(file)["redacted_query"]) for file in self.transcripts.rglob("*.json")]

    def _databases(self) -> Json:
        file: Json = {"sqlite": {"db_path": str(self.database)}}
        if self.postgres is not None:
            server: Json = yaml.safe_load(self.postgres.yaml(namespace="public" if self.together else None))
            return {"database": file if self.mixed else server, "conversation_cache": {"type": "postgres", **server}}
        kept = file if self.together else {"sqlite": {"db_path": str(self.folder / "cache.db")}}
        return {"database": file, "conversation_cache": {"type": "sqlite", **kept}}


def complete(file: Path) -> Json:
    """A JSON file; fails where it is none, or not whole."""
    content = file.read_bytes()
    try:
        found: Json = json.loads(content)
    except ValueError:
        raise AssertionError(f"{file} is no complete JSON: {content[:200]!r}…") from None
    return found

"""What is kept, and where: databases, feedback, transcripts, the conversation cache, knowledge."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, FilePath, SecretStr, field_validator, model_validator

from lightspeed_stack.config.section import Breach, RulesBroken, Section
from lightspeed_stack.config.values import NonEmpty, Port, PosInt

DEFAULT_DATABASE = "/tmp/lightspeed-stack.db"  # noqa: S108 - the reference's default, which deployments rely on


class SqliteSection(Section):
    """One SQLite file."""

    db_path: str = Field(description="Path of the database file.", examples=["/var/lib/lightspeed-stack/service.db"])


class PostgresSection(Section):
    """One PostgreSQL database."""

    host: str = Field(default="localhost", description="Host name of the server.")
    port: Port = Field(default=5432, description="TCP port of the server, 1 to 65535.")
    db: str = Field(description="Name of the database.", examples=["lightspeed"])
    user: str = Field(description="User to log in as.", examples=["lightspeed"])
    password: SecretStr = Field(description="Password of the user.", examples=["${env.POSTGRES_PASSWORD}"])
    namespace: str | None = Field(
        default="lightspeed-stack", description="Schema that holds the tables; created if missing."
    )
    ssl_mode: str = Field(default="prefer", description="libpq's `sslmode`.")
    gss_encmode: str = Field(default="prefer", description="libpq's `gssencmode`.")
    ca_cert_path: FilePath | None = Field(
        default=None,
        description="PEM file of the authority that signed the server's certificate.",
        examples=["/etc/tls/ca.crt"],
    )


class DatabaseSection(Section):
    """Where conversations are kept: SQLite or PostgreSQL, a SQLite file under `/tmp` where nothing is said."""

    sqlite: SqliteSection | None = Field(default=None, description="Use a SQLite file.")
    postgres: PostgresSection | None = Field(default=None, description="Use a PostgreSQL server.")

    @model_validator(mode="before")
    @classmethod
    def _default_file(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("sqlite") is None and given.get("postgres") is None:
            return {**given, "sqlite": SqliteSection(db_path=DEFAULT_DATABASE)}
        return given

    @model_validator(mode="after")
    def _one_database(self) -> Self:
        if self.sqlite is not None and self.postgres is not None:
            raise RulesBroken(
                Breach("Only one database configuration can be provided", "remove sqlite or postgres", "postgres")
            )
        return self


def _storage_breaches(*, enabled: bool, path: str | None, key: str, what: str, purpose: str) -> Iterator[Breach]:
    """The rule for one kind of stored user data; a directory that does not exist yet is made on the first write."""
    if not enabled:
        return
    if path is None:
        yield Breach(f"{key} is required when {what} is enabled", f"add  {key}: /var/lib/lightspeed-stack/{what}", key)
        return
    description = f"Check directory to store {purpose} '{path}'"
    if not Path(path).exists():
        return
    if not Path(path).is_dir():
        yield Breach(f"{description} is not a directory", "write the path of a directory", key)
    elif not os.access(path, os.W_OK, effective_ids=True):
        yield Breach(f"{description} is not writable", "let the service's user write to the directory", key)


MIN_STORAGE_SIZE = 1024 * 1024
"""Bytes; who writes a smaller number has a larger unit in mind, and would lose what is stored."""


class UserDataSection(Section):
    """What users leave behind, as files."""

    feedback_enabled: bool = Field(default=False, description="Whether feedback is taken and stored.")
    feedback_storage: str | None = Field(
        default=None,
        description="Directory for feedback, made when needed.",
        examples=["/var/lib/lightspeed-stack/feedback"],
    )
    transcripts_enabled: bool = Field(default=False, description="Whether transcripts of conversations are stored.")
    transcripts_storage: str | None = Field(
        default=None,
        description="Directory for transcripts, made when needed.",
        examples=["/var/lib/lightspeed-stack/transcripts"],
    )
    transcripts_without_text: bool = Field(
        default=False,
        description="Whether transcripts leave out what was said: questions, answers, passages, attachments, arguments "
        "and results of tools. Models, times, ids, names of tools and sources stay.",
    )
    retention_days: PosInt | None = Field(
        default=None,
        description="Days after which a file in one of the two directories is deleted; null keeps it.",
        examples=[90],
    )
    max_storage_size: int | None = Field(
        default=None,
        ge=MIN_STORAGE_SIZE,
        description="Bytes, at least 1048576, that the files in each of the two directories may have together; with "
        "more, the oldest are deleted until a sixteenth of it is free. Null sets no limit.",
        examples=[1073741824],
    )

    @model_validator(mode="after")
    def _directories(self) -> Self:
        breaches = [
            *_storage_breaches(
                enabled=self.feedback_enabled,
                path=self.feedback_storage,
                key="feedback_storage",
                what="feedback",
                purpose="feedback",
            ),
            *_storage_breaches(
                enabled=self.transcripts_enabled,
                path=self.transcripts_storage,
                key="transcripts_storage",
                what="transcripts",
                purpose="transcripts",
            ),
        ]
        if breaches:
            raise RulesBroken(*breaches)
        return self


class MemoryCacheSection(Section):
    """A cache that lives as long as the service, in memory that all its workers share."""

    max_entries: PosInt = Field(
        description="Most turns to keep, those of all users together; the oldest go first.", examples=[1000]
    )


_CACHE_NAMES = {"memory": "Memory", "sqlite": "SQLite", "postgres": "PostgreSQL"}
_CACHE_IN_SENTENCE = {"memory": "memory", "sqlite": "SQLite", "postgres": "PostgreSQL"}


class ConversationCacheSection(Section):
    """Where the second version of the conversations API keeps what was said."""

    type: Literal["noop", "memory", "sqlite", "postgres"] | None = Field(
        default=None,
        description="Which backend to use; its section must then be given, and no other.",
        examples=["memory"],
    )
    memory: MemoryCacheSection | None = Field(default=None, description="Settings of the type `memory`.")
    sqlite: SqliteSection | None = Field(default=None, description="Settings of the type `sqlite`.")
    postgres: PostgresSection | None = Field(default=None, description="Settings of the type `postgres`.")

    @model_validator(mode="after")
    def _type_and_backend_agree(self) -> Self:
        given = [name for name in _CACHE_NAMES if getattr(self, name) is not None]
        if self.type is None and given:
            raise RulesBroken(
                Breach(
                    "Conversation cache type must be set when backend configuration is provided",
                    f"add  type: {given[0]}",
                    "type",
                )
            )
        if self.type is None or self.type == "noop":
            return self
        if self.type not in given:
            message = f"{_CACHE_NAMES[self.type]} cache is selected, but not configured"
            raise RulesBroken(Breach(message, f"add a section  {self.type}:  beside type", self.type))
        if len(given) > 1:
            message = f"Only {_CACHE_IN_SENTENCE[self.type]} cache config must be provided"
            others = [name for name in given if name != self.type]
            raise RulesBroken(Breach(message, f"remove  {' and '.join(others)}", others[0]))
        return self


class ByokRagSection(Section):
    """A vector database that the generator of a Llama Stack configuration adds."""

    rag_id: NonEmpty = Field(description="Name of the knowledge source.", examples=["ocp_docs"])
    rag_type: NonEmpty = Field(default="inline::faiss", description="Provider type in Llama Stack.")
    embedding_model: NonEmpty = Field(
        default="sentence-transformers/all-mpnet-base-v2", description="Model that made the vectors."
    )
    embedding_dimension: PosInt = Field(default=768, description="Length of the vectors.")
    vector_db_id: NonEmpty = Field(description="Identifier of the vector database.", examples=["vs_ocp_docs"])
    db_path: FilePath = Field(description="File of the vector database.", examples=["/rag/ocp_docs/faiss_store.db"])


class StoreSection(Section):
    """A knowledge store that this service searches itself."""

    name: NonEmpty = Field(description="Name of the store, given once.", examples=["manual"])
    path: NonEmpty = Field(description="Path of the store's file.", examples=["/var/lib/lightspeed-stack/manual.db"])


class EmbeddingSection(Section):
    """A model of the Llama Stack that makes the vectors of documents and questions."""

    model: NonEmpty = Field(
        description="The embedding model, as the Llama Stack lists it.", examples=["openai/text-embedding-3-small"]
    )
    dimension: PosInt = Field(description="Length of its vectors.", examples=[1536])
    max_tokens: PosInt = Field(
        default=256,
        description="Tokens, by estimate, after which a text is cut before it is sent; safe is less than half of what "
        "the model reads.",
    )


class RagSection(Section):
    """Which passages are put before the model."""

    stores: tuple[StoreSection, ...] = Field(default=(), description="Stores to search, all of them for each question.")
    embedding: EmbeddingSection | None = Field(
        default=None,
        description="Embed documents and questions with a model of the Llama Stack; null uses the built-in one.",
    )
    max_passages: int = Field(default=3, ge=1, le=20, description="Most passages for one question, 1 to 20.")
    min_score: float = Field(
        default=0.25, ge=-1, le=1, description="Cosine similarity, -1 to 1, below which a passage is left out."
    )

    @field_validator("stores")
    @classmethod
    def _names_once(cls, stores: tuple[StoreSection, ...]) -> tuple[StoreSection, ...]:
        names = [store.name for store in stores]
        breaches = [
            Breach(f"the name '{name}' is given twice", "give each store a name of its own", f"{index}/name")
            for index, name in enumerate(names)
            if name in names[:index]
        ]
        if breaches:
            raise RulesBroken(*breaches)
        return stores

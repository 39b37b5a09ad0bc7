"""An ``Index`` and a ``Library`` in one SQLite file: vectors as float32, words in FTS5, all with Python's own sqlite3.

Searching multiplies the question's vector with one matrix held in memory (1.5 kB a chunk): good to about 100,000
chunks (measured there: 140 ms a question on two busy cores, 160 MB, 0.8 s to load). Each commit changes
``meta.revision``; a reader that finds another revision loads what is new. The writer uses the write-ahead log, so that
readers go on and a killed ingest leaves whole documents only.
"""

import json
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from lightspeed_stack.domain.knowledge import Passage
from lightspeed_stack.errors import KnowledgeError
from lightspeed_stack.retrieval.base import Candidate, Chunk, Document

FORMAT = 1
BUSY_SECONDS = 5.0
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT, location TEXT NOT NULL UNIQUE, path TEXT NOT NULL, title TEXT NOT NULL,
    url TEXT, digest TEXT NOT NULL, settings TEXT NOT NULL);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, document_id INTEGER NOT NULL REFERENCES documents (id),
    start INTEGER NOT NULL, "end" INTEGER NOT NULL,
    section TEXT NOT NULL, anchor TEXT, content TEXT NOT NULL, vector BLOB NOT NULL);
CREATE INDEX chunks_by_document ON chunks (document_id);
CREATE VIRTUAL TABLE words USING fts5 (content, tokenize = 'porter unicode61');
"""
"""AUTOINCREMENT: an id is never used twice, so a reader can tell what is new since its last look."""

CHUNK = """SELECT c.id, c.content, c.start, c."end", c.section, c.anchor, d.path, d.title, d.url
FROM chunks c JOIN documents d ON d.id = c.document_id WHERE c.id = ?"""


@dataclass(frozen=True, slots=True)
class Space:
    """The vectors that a store must hold: the embedder's name and dimension."""

    embedder: str
    dimension: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """The vectors of one revision, in memory: ``ids`` ascending, ``matrix`` chunks x dimension, float32."""

    store: str
    revision: str
    ids: Any
    matrix: Any


class SqliteIndex:
    """Reads one store. A connection lives for one call: files may be replaced; threads share nothing but vectors."""

    def __init__(self, name: str, path: Path, space: Space) -> None:
        self._name = name
        self._path = path
        self._space = space
        self._lock = threading.Lock()
        self._loaded: Loaded | None = None

    @property
    def name(self) -> str:
        return self._name

    def candidates(self, vector: bytes, terms: Sequence[str], words: Sequence[str], *, limit: int) -> list[Candidate]:
        import numpy as np

        with self._reading() as connection:
            loaded = self._vectors(connection)
            if not len(loaded.ids):
                return []
            similarities = loaded.matrix @ np.frombuffer(vector, dtype="<f4")
            count = min(limit, len(loaded.ids))
            nearest = np.argpartition(-similarities, count - 1)[:count]
            held: dict[int, list[str]] = {int(loaded.ids[row]): [] for row in nearest}
            for term in terms:
                holding = _holding(connection, term, limit)
                for chunk in holding if len(holding) <= limit else ():
                    held.setdefault(chunk, []).append(term)
            places = {chunk: place for place, chunk in enumerate(_by_words(connection, words, limit), 1)}
            chunks = sorted(held.keys() | places.keys())
            candidates = [
                Candidate(
                    self._passage(connection, chunk),
                    float(similarities[row]),
                    tuple(held.get(chunk, ())),
                    1 / places[chunk] if chunk in places else 0.0,
                )
                for chunk, row in zip(chunks, np.searchsorted(loaded.ids, chunks), strict=True)
            ]
        return sorted(candidates, key=lambda it: -it.similarity)

    def check(self) -> None:
        with self._reading():
            pass

    def _passage(self, connection: sqlite3.Connection, chunk: int) -> Passage:
        _, content, start, end, section, anchor, path, title, url = connection.execute(CHUNK, (chunk,)).fetchone()
        headings = tuple(json.loads(section))
        attributes = {"path": path, "section": " > ".join(headings), "start": start, "end": end}
        if anchor:
            attributes["anchor"] = anchor
        return Passage(content, self._name, title, url, headings, start, end, attributes=MappingProxyType(attributes))

    def _vectors(self, connection: sqlite3.Connection) -> Loaded:
        """The vectors of the revision that ``connection`` sees; loads only what an older one did not have."""
        import numpy as np

        meta = _meta(connection)
        with self._lock:
            old = self._loaded
            if old and (old.store, old.revision) == (meta["store"], meta["revision"]):
                return old
            ids = np.array([row[0] for row in connection.execute("SELECT id FROM chunks ORDER BY id")], dtype=np.int64)
            matrix = np.empty((len(ids), self._space.dimension), dtype="<f4")
            at = last = 0
            if old and old.store == meta["store"] and len(old.ids):
                kept = np.isin(old.ids, ids)
                at, last = int(kept.sum()), int(old.ids[-1])
                matrix[:at] = old.matrix[kept]
            added = connection.execute("SELECT vector FROM chunks WHERE id > ? ORDER BY id", (last,))
            try:
                while rows := added.fetchmany(4096):  # not all at once: they would stand in memory twice
                    block = np.frombuffer(b"".join(row[0] for row in rows), dtype="<f4")
                    matrix[at : at + len(rows)] = block.reshape(len(rows), -1)
                    at += len(rows)
            except ValueError as error:
                message = f"the knowledge store '{self._name}' is damaged; fix: delete its file and ingest again"
                raise KnowledgeError(message) from error
            self._loaded = Loaded(meta["store"], meta["revision"], ids, matrix)
            return self._loaded

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """One transaction, so that ids, vectors and texts are of one revision."""
        what = f"the knowledge store '{self._name}'"
        fix = f"fix: lightspeed-stack ingest PATH --store {self._name}"
        if not self._path.exists():
            message = f"{what} has no file {self._path.name} yet; {fix}"
            raise KnowledgeError(message)
        with (
            _translated(what, fix),
            closing(_connect_reading(self._path)) as connection,
        ):
            connection.execute("BEGIN")
            _verify(connection, self._space, what)
            yield connection


class SqliteLibrary:
    """Writes one store, which it creates where there is none; a context manager."""

    def __init__(self, path: Path, space: Space) -> None:
        self._path = path
        self._space = space

    def __enter__(self) -> Self:
        with _translated(str(self._path), "fix: choose another file, or check its permissions"):
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                message = f"{self._path.parent} cannot be created ({error.strerror}); fix: choose another folder"
                raise KnowledgeError(message) from error
            self._connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                self._open()
            except BaseException:
                self._connection.close()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with closing(self._connection):
            try:
                # A file without a log beside it can be read from a read-only disk, such as an image's.
                self._connection.execute("PRAGMA busy_timeout = 200")
                self._connection.execute("PRAGMA journal_mode = DELETE")
            except sqlite3.OperationalError:
                return  # somebody reads just now: the log stays, which is as good everywhere else

    def known(self) -> Mapping[str, tuple[str, str]]:
        with self._translated():
            rows = self._connection.execute("SELECT location, digest, settings FROM documents").fetchall()
        return {location: (digest, settings) for location, digest, settings in rows}

    def put(self, document: Document, chunks: Sequence[Chunk], vectors: Sequence[bytes]) -> None:
        it = document
        with self._writing() as connection:
            _drop(connection, it.location)
            identity = connection.execute(
                "INSERT INTO documents (location, path, title, url, digest, settings) VALUES (?, ?, ?, ?, ?, ?)",
                (it.location, it.path, it.title, it.url, it.digest, it.settings),
            ).lastrowid
            for chunk, vector in zip(chunks, vectors, strict=True):
                section = json.dumps(chunk.section, ensure_ascii=False)
                row = connection.execute(
                    'INSERT INTO chunks (document_id, start, "end", section, anchor, content, vector)'
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (identity, chunk.start, chunk.end, section, chunk.anchor, chunk.content, vector),
                ).lastrowid
                connection.execute("INSERT INTO words (rowid, content) VALUES (?, ?)", (row, chunk.content))

    def remove(self, location: str) -> None:
        with self._writing() as connection:
            _drop(connection, location)

    def _open(self) -> None:
        connection = self._connection
        if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            _verify(connection, self._space, str(self._path))
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            return
        told = {"format": str(FORMAT), "embedder": self._space.embedder, "dimension": str(self._space.dimension)}
        told |= {"store": uuid.uuid4().hex, "revision": uuid.uuid4().hex}
        values = ", ".join(f"('{key}', '{value}')" for key, value in told.items())
        script = f"BEGIN IMMEDIATE; {SCHEMA} INSERT INTO meta VALUES {values}; COMMIT;"  # noqa: S608 - our own names
        connection.executescript(script)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        with self._translated():
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("UPDATE meta SET value = ? WHERE key = 'revision'", (uuid.uuid4().hex,))
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        with _translated(str(self._path), "fix: delete the file and ingest again"):
            yield


@contextmanager
def _translated(what: str, fix: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            message = f"{what} is being written by another process; fix: wait until that has ended"
        else:
            message = f"{what} cannot be used ({error}); {fix}"
        raise KnowledgeError(message) from error
    except sqlite3.DatabaseError as error:
        message = f"{what} is not a readable knowledge store ({error}); fix: delete its file and ingest again"
        raise KnowledgeError(message) from error


def _connect_reading(path: Path) -> sqlite3.Connection:
    """A store on a read-only disk cannot have the shared memory of a write-ahead log, and needs none."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
    except sqlite3.OperationalError as error:
        connection.close()
        unwritable = error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
        if not unwritable or path.with_name(path.name + "-wal").exists():
            raise
        return sqlite3.connect(f"{address}&immutable=1", uri=True, isolation_level=None)
    except BaseException:
        connection.close()
        raise
    return connection


def _meta(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT key, value FROM meta").fetchall())


def _verify(connection: sqlite3.Connection, space: Space, what: str) -> None:
    """Raises KnowledgeError unless the file is a store of this format with vectors of this space."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'meta'").fetchone():
        message = f"{what} is an SQLite file but not a knowledge store; fix: choose another file"
        raise KnowledgeError(message)
    meta = _meta(connection)
    if not {"format", "embedder", "dimension", "store", "revision"} <= meta.keys():
        message = f"{what} is an SQLite file but not a knowledge store; fix: choose another file"
        raise KnowledgeError(message)
    if not meta["format"].isdecimal() or int(meta["format"]) > FORMAT:
        message = f"{what} was written by a newer release; fix: upgrade, or delete its file and ingest again"
        raise KnowledgeError(message)
    if (meta["embedder"], meta["dimension"]) != (space.embedder, str(space.dimension)):
        message = (
            f"{what} holds vectors of '{meta['embedder']}' but '{space.embedder}' is in use;"
            " fix: delete its file and ingest again"
        )
        raise KnowledgeError(message)


def _drop(connection: sqlite3.Connection, location: str) -> None:
    of_it = "SELECT c.id FROM chunks c JOIN documents d ON d.id = c.document_id WHERE d.location = ?"
    connection.execute(f"DELETE FROM words WHERE rowid IN ({of_it})", (location,))  # noqa: S608 - our own text
    connection.execute(f"DELETE FROM chunks WHERE id IN ({of_it})", (location,))  # noqa: S608 - our own text
    connection.execute("DELETE FROM documents WHERE location = ?", (location,))


def _holding(connection: sqlite3.Connection, term: str, limit: int) -> list[int]:
    """The chunks where ``term`` stands literally, whatever its case; one more than ``limit`` at most."""
    rows = connection.execute(
        "SELECT rowid, content FROM words WHERE words MATCH ? ORDER BY rowid LIMIT ?", (_quoted(term), 20 * limit)
    )
    folded = term.casefold()
    return [rowid for rowid, content in rows if folded in content.casefold()][: limit + 1]


def _by_words(connection: sqlite3.Connection, words: Sequence[str], limit: int) -> list[int]:
    """The chunks with any of some words, best first by BM25."""
    if not words:
        return []
    query = " OR ".join(_quoted(word) for word in words)
    rows = connection.execute("SELECT rowid FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?", (query, limit))
    return [row[0] for row in rows]


def _quoted(term: str) -> str:
    """A phrase for FTS5; a term without letters or digits is a phrase of nothing and matches nothing."""
    return '"' + term.replace('"', '""').replace("\0", "") + '"'

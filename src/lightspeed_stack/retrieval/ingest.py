"""Documents to a store: what is new or changed is read, cut, embedded and stored; what has vanished is dropped.

A document is known by its absolute path. Whether it changed is told by its bytes, and by everything else its chunks
depend on: the embedder, the cutting, the readers, its address. Nothing is loaded for documents that did not change.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from lightspeed_stack.errors import KnowledgeError
from lightspeed_stack.retrieval import chunking, readers
from lightspeed_stack.retrieval.base import Chunk, Document, Embedder, Library

MAX_PREFIX = 160
"""Characters of a heading that are embedded with a chunk."""

WORD = re.compile(r"\w")


class Change(StrEnum):
    """What became of a document."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One document after an ingest; ``reason`` says why it failed and what to do."""

    path: str
    change: Change
    chunks: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Addresses:
    """How a document's address is made: ``base_url`` plus its path, without its suffix where ``strip_suffix``."""

    base_url: str | None = None
    strip_suffix: bool = False

    def of(self, path: str) -> str | None:
        if self.base_url is None:
            return None
        page = PurePosixPath(path)
        shown = page.with_suffix("") if self.strip_suffix else page
        return self.base_url.rstrip("/") + "/" + quote(shown.as_posix())


@dataclass(frozen=True, slots=True)
class Found:
    """A file to look at: ``path`` relative to what was given, or why it cannot be looked at."""

    location: Path
    path: str
    problem: str = ""


class Ingest:
    """Fills one store."""

    def __init__(self, library: Library, embedder: Embedder, addresses: Addresses | None = None) -> None:
        self._library = library
        self._embedder = embedder
        self._addresses = addresses or Addresses()

    def add(self, paths: Sequence[Path]) -> Iterator[Outcome]:
        """Bring the store up to date with files and folders; yields each document as it is done.

        Documents that were stored from below one of ``paths`` and are there no more are removed; one that cannot be
        read keeps what was stored of it. Raises KnowledgeError when the store or the embedder fails.
        """
        known = dict(self._library.known())
        gone = set(known)
        for root in paths:
            base = root.resolve()
            under = {location for location in known if Path(location).is_relative_to(base)}
            for found in walk(root):
                under.discard(str(found.location))
                if found.problem:  # a folder that cannot be listed says nothing about what is in it
                    under -= {location for location in under if Path(location).is_relative_to(found.location)}
                yield self._one(found, known)
            for location in sorted(under & gone):
                self._library.remove(location)
                gone.discard(location)
                yield Outcome(os.path.relpath(location, base), Change.REMOVED)

    def _one(self, found: Found, known: dict[str, tuple[str, str]]) -> Outcome:
        if found.problem:
            return Outcome(found.path, Change.FAILED, reason=found.problem)
        try:
            data = _bytes(found.location)
            prints = (hashlib.sha256(data).hexdigest(), self._settings(found.path))
            before = known.get(str(found.location))
            if before == prints:
                return Outcome(found.path, Change.UNCHANGED)
            extract = readers.read(data, found.location.name)
        except KnowledgeError as error:
            return Outcome(found.path, Change.FAILED, reason=error.cause)
        url = extract.url or self._addresses.of(found.path)
        document = Document(str(found.location), found.path, extract.title, url, *prints)
        pieces = chunking.split(extract.text, extract.headings, measure=self._embedder.count)
        chunks = [chunk for chunk in pieces if WORD.search(chunk.content)]  # not the rule between two sections
        vectors = self._embedder.embed([embedded_text(document.title, chunk) for chunk in chunks])
        self._library.put(document, chunks, vectors)
        known[document.location] = prints
        return Outcome(found.path, Change.ADDED if before is None else Change.CHANGED, len(chunks))

    def _settings(self, path: str) -> str:
        depends = [
            self._embedder.name,
            readers.VERSION,
            [chunking.VERSION, chunking.TARGET_TOKENS, chunking.MAX_TOKENS, MAX_PREFIX],
            path,
            self._addresses.of(path),
        ]
        return hashlib.sha256(json.dumps(depends).encode()).hexdigest()


def embedded_text(title: str, chunk: Chunk) -> str:
    """A chunk as it is embedded: with the heading it stands under, where its own words do not begin with that.

    More (the title, the path of headings) was measured and found less: it makes the passages of a document alike.
    """
    heading = chunk.section[-1] if chunk.section else title
    return (
        chunk.content if heading in chunk.content[: len(heading) + 10] else f"{heading[:MAX_PREFIX]}\n{chunk.content}"
    )


def walk(root: Path) -> Iterator[Found]:
    """The readable documents below a folder, in order of their paths; or the one file that was given.

    Left out: hidden files and folders, other kinds of files, and links that lead out of the folder. Links to folders
    are not followed.
    """
    base = root.resolve()
    if not base.is_dir():
        problem = "" if base.exists() else "does not exist; fix: check the path"
        yield Found(base, base.name, problem)
        return
    yield from _below(base, base)


def _below(folder: Path, base: Path) -> Iterator[Found]:
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        problem = f"cannot be listed ({error.strerror}); fix: check its permissions"
        yield Found(folder, folder.relative_to(base).as_posix(), problem)
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if not entry.is_symlink():
                yield from _below(entry, base)
        elif entry.suffix.lower() in readers.READERS and entry.resolve().is_relative_to(base):
            yield _named(entry, base)


def _named(entry: Path, base: Path) -> Found:
    path = entry.relative_to(base).as_posix()
    shown = os.fsencode(path).decode("utf-8", "replace")
    return Found(entry, shown, "" if shown == path else "has a name that is not UTF-8; fix: rename it")


def _bytes(path: Path) -> bytes:
    """A regular file, one byte beyond the limit at most; nothing else is opened, for a pipe would wait for ever."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise KnowledgeError("is not a regular file; fix: remove it")
        with path.open("rb") as file:
            return file.read(readers.MAX_BYTES + 1)
    except OSError as error:
        message = f"cannot be read ({error.strerror}); fix: check its permissions"
        raise KnowledgeError(message) from error

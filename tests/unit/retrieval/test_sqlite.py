"""The store in one SQLite file: what a reader sees, and what it refuses."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lightspeed_stack.errors import KnowledgeError
from lightspeed_stack.retrieval.base import Candidate, Chunk, Document
from lightspeed_stack.retrieval.sqlite import Space, SqliteIndex, SqliteLibrary
from tests.spec.registry import requirement
from tests.unit.retrieval.hashing import SPACE, Hashing, index, ingest

EMBEDDER = Hashing()


def put(store: Path, location: str, *contents: str) -> None:
    chunks = [Chunk(text, 0, len(text), ("A", "B"), "b") for text in contents]
    document = Document(
        location, f"{location}.md", location.title(), f"https://a.example/{location}", "digest", "settings"
    )
    with SqliteLibrary(store, SPACE) as library:
        library.put(document, chunks, EMBEDDER.embed(contents))


def find(
    reader: SqliteIndex, question: str, *, terms: tuple[str, ...] = (), words: tuple[str, ...] = (), limit: int = 10
) -> list[Candidate]:
    return reader.candidates(EMBEDDER.embed([question])[0], terms, words, limit=limit)


@requirement("retrieval:store:passages")
def test_a_passage_tells_where_it_comes_from(tmp_path: Path) -> None:
    put(tmp_path / "s.db", "guide", "pair the keeper")
    [found] = find(index(tmp_path / "s.db"), "pair the keeper")
    passage = found.passage
    assert found.similarity == pytest.approx(1, abs=1e-5)
    assert (passage.content, passage.source, passage.title) == ("pair the keeper", "manual", "Guide")
    assert (passage.url, passage.section) == ("https://a.example/guide", ("A", "B"))
    assert dict(passage.attributes) == {"path": "guide.md", "section": "A > B", "anchor": "b", "start": 0, "end": 15}


@requirement("retrieval:store:candidates")
def test_nearest_come_first_and_terms_and_words_add_others(tmp_path: Path) -> None:
    put(tmp_path / "s.db", "a", "ships and boats", "ships", "error TM-12 here", "they boarded two vessels")
    reader = index(tmp_path / "s.db")
    assert [it.passage.content for it in find(reader, "ships", limit=2)] == ["ships", "ships and boats"]
    found = {it.passage.content: it for it in find(reader, "ships", terms=("tm-12",), words=("board",), limit=2)}
    assert found["error TM-12 here"].terms == ("tm-12",)
    assert found["they boarded two vessels"].words == 1.0
    assert len(found) == 4


@requirement("retrieval:store:candidates")
def test_a_term_is_found_as_it_stands_and_only_where_it_is_rare(tmp_path: Path) -> None:
    put(tmp_path / "s.db", "a", "set max_upload", "the max upload", *(f"common_term {number}" for number in range(5)))
    reader = index(tmp_path / "s.db")
    assert {it.passage.content for it in find(reader, "x", terms=("MAX_UPLOAD",)) if it.terms} == {"set max_upload"}
    assert not [it for it in find(reader, "x", terms=("common_term",), limit=4) if it.terms]
    assert not [it for it in find(reader, "x", terms=('"', "***", "\0", "a OR b", '"x" NEAR')) if it.terms]


@requirement("retrieval:store:sees-new")
def test_a_running_reader_sees_what_is_ingested_changed_and_removed(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    put(store, "a", "one")
    reader = index(store)
    assert {it.passage.content for it in find(reader, "one")} == {"one"}
    put(store, "b", "two")
    put(store, "a", "three")
    assert {it.passage.content for it in find(reader, "one")} == {"two", "three"}
    with SqliteLibrary(store, SPACE) as library:
        library.remove("b")
        assert {it.passage.content for it in find(reader, "one")} == {"three"}
    with SqliteLibrary(store, SPACE) as library:
        library.remove("a")
    assert find(reader, "one") == []


@requirement("retrieval:store:sees-new")
def test_a_reader_notices_that_the_file_is_another(tmp_path: Path) -> None:
    put(tmp_path / "s.db", "a", "old")
    put(tmp_path / "new.db", "a", "new")
    reader = index(tmp_path / "s.db")
    assert [it.passage.content for it in find(reader, "old")] == ["old"]
    (tmp_path / "new.db").replace(tmp_path / "s.db")
    assert [it.passage.content for it in find(reader, "old")] == ["new"]


@requirement("retrieval:store:whole-documents")
def test_a_document_that_fails_leaves_what_was_stored(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    put(store, "a", "old")
    document = Document("a", "a.md", "A", None, "digest", "settings")
    chunks = [Chunk("x", 0, 1), Chunk("y", 0, 1)]
    with SqliteLibrary(store, SPACE) as library:
        with pytest.raises(ValueError, match="shorter"):
            library.put(document, chunks, EMBEDDER.embed(["x"]))
        assert [it.passage.content for it in find(index(store), "old")] == ["old"]
        library.put(document, chunks, EMBEDDER.embed(["x", "y"]))
    assert {it.passage.content for it in find(index(store), "old")} == {"x", "y"}


@requirement("retrieval:store:one-writer")
def test_a_second_writer_is_refused_and_readers_go_on(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    put(store, "a", "one")
    with closing(sqlite3.connect(store, isolation_level=None)) as other, SqliteLibrary(store, SPACE) as library:
        library._connection.execute("PRAGMA busy_timeout = 1")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(KnowledgeError, match="being written by another process; fix: wait"):
            library.remove("a")
        assert [it.passage.content for it in find(index(store), "one")] == ["one"]
        other.execute("ROLLBACK")


def foreign(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("CREATE TABLE things (id INTEGER)")


def foreign_meta(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("CREATE TABLE meta (key TEXT, value TEXT)")


def newer(store: Path) -> None:
    put(store, "a", "one")
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE meta SET value = '2' WHERE key = 'format'")


def other_embedder(store: Path) -> None:
    with SqliteLibrary(store, Space("another-model", 64)):
        pass


def short_vectors(store: Path) -> None:
    put(store, "a", "one")
    with closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE chunks SET vector = x'00000000000000'")


def no_database(store: Path) -> None:
    store.write_bytes(b"these are no database pages " * 100)


def cut_off(store: Path) -> None:
    put(store, "a", *(f"passage {number}" for number in range(200)))
    store.write_bytes(store.read_bytes()[:6000])


def folder(store: Path) -> None:
    store.mkdir()


@requirement("retrieval:store:refused")
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (foreign, "not a knowledge store; fix: choose another file"),
        (foreign_meta, "not a knowledge store; fix: choose another file"),
        (newer, "newer release; fix: upgrade"),
        (other_embedder, "'another-model' but 'hashing-64' is in use; fix: delete its file and ingest again"),
        (no_database, "not a readable knowledge store"),
        (cut_off, "fix: "),
        (folder, "fix: "),
    ],
)
def test_what_is_no_store_of_ours_is_refused_with_the_fix(tmp_path: Path, make: object, reason: str) -> None:
    store = tmp_path / "s.db"
    assert callable(make)
    make(store)
    with pytest.raises(KnowledgeError, match="fix: ") as reading:
        find(index(store), "one")
    assert reason in reading.value.cause
    assert "'manual'" in reading.value.cause
    with pytest.raises(KnowledgeError, match="fix: "), SqliteLibrary(store, SPACE) as library:
        library.put(Document("b", "b", "B", None, "", ""), [Chunk("x", 0, 1)], EMBEDDER.embed(["x"]))


@requirement("retrieval:store:missing")
def test_a_store_that_is_not_there_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match=r"'manual' has no file s\.db yet; fix: .* ingest PATH --store manual"):
        index(tmp_path / "s.db").check()
    assert list(tmp_path.iterdir()) == []


def test_a_store_in_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KnowledgeError, match="cannot be created"), SqliteLibrary(tmp_path / "file" / "s.db", SPACE):
        pass


def test_an_empty_store_finds_nothing(tmp_path: Path) -> None:
    ingest(tmp_path / "new" / "s.db")
    index(tmp_path / "new" / "s.db").check()
    assert find(index(tmp_path / "new" / "s.db"), "one", terms=("x",), words=("y",)) == []


@requirement("retrieval:store:one-file")
def test_a_store_is_one_file_that_can_be_carried_elsewhere(tmp_path: Path) -> None:
    put(tmp_path / "s.db", "a", "one")
    assert [path.name for path in tmp_path.iterdir()] == ["s.db"]
    shutil.copy(tmp_path / "s.db", tmp_path / "copy.db")
    assert [it.passage.content for it in find(index(tmp_path / "copy.db"), "one")] == ["one"]


@requirement("retrieval:store:refused")
def test_vectors_of_another_length_are_refused(tmp_path: Path) -> None:
    short_vectors(tmp_path / "s.db")
    with pytest.raises(KnowledgeError, match="'manual' is damaged; fix: delete its file and ingest again"):
        find(index(tmp_path / "s.db"), "one")

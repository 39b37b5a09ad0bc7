"""Documents to a store: what is taken up, what is left alone, and what a failure leaves."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lightspeed_stack.retrieval.base import Chunk
from lightspeed_stack.retrieval.ingest import Addresses, embedded_text
from tests.spec.registry import requirement
from tests.unit.retrieval.hashing import Hashing, changes, index, ingest


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "guides").mkdir(parents=True)
    (folder / "b.md").write_text("# B\n\nboats\n")
    (folder / "a.txt").write_text("anchors\n")
    (folder / "guides" / "c.html").write_text("<h1>C</h1><p>crew</p>")
    return folder


def contents(store: Path) -> dict[str, str]:
    """Path → first content, of all that a reader finds."""
    vector = Hashing().embed(["anything"])[0]
    found = index(store).candidates(vector, (), (), limit=1000)
    return {str(it.passage.attributes["path"]): it.passage.content for it in found}


def contents_of(store: Path) -> list[str]:
    return [it.passage.content for it in index(store).candidates(Hashing().embed(["x"])[0], (), (), limit=1000)]


@requirement("retrieval:ingest:folders")
def test_a_folder_is_taken_up_in_order(docs: Path, tmp_path: Path) -> None:
    outcomes = ingest(tmp_path / "s.db", docs)
    assert [(it.path, it.change, it.chunks) for it in outcomes] == [
        ("a.txt", "added", 1),
        ("b.md", "added", 1),
        ("guides/c.html", "added", 1),
    ]
    assert contents(tmp_path / "s.db")["a.txt"] == "anchors"


@requirement("retrieval:ingest:folders")
def test_hidden_files_other_kinds_and_links_that_lead_out_are_left_out(docs: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("outside")
    (docs / ".hidden.md").write_text("x")
    (docs / ".git").mkdir()
    (docs / ".git" / "x.md").write_text("x")
    (docs / "picture.png").write_bytes(b"\x89PNG")
    (docs / "out.md").symlink_to(tmp_path / "secret.md")
    (docs / "up").symlink_to(tmp_path)
    (docs / "within.md").symlink_to(docs / "b.md")
    (docs / "nowhere.md").symlink_to(docs / "gone.md")
    taken = changes(ingest(tmp_path / "s.db", docs))
    assert taken == {
        "a.txt": "added",
        "b.md": "added",
        "guides/c.html": "added",
        "within.md": "added",
        "nowhere.md": "failed",
    }


@requirement("retrieval:ingest:unchanged")
def test_what_did_not_change_is_not_embedded_again(docs: Path, tmp_path: Path) -> None:
    ingest(tmp_path / "s.db", docs)
    embedder = Hashing()
    assert set(changes(ingest(tmp_path / "s.db", docs, embedder=embedder)).values()) == {"unchanged"}
    assert embedder.embedded == 0


@requirement("retrieval:ingest:changed")
def test_changed_documents_are_replaced_and_vanished_ones_removed(docs: Path, tmp_path: Path) -> None:
    ingest(tmp_path / "s.db", docs)
    (docs / "b.md").write_text("# B\n\nbarges\n")
    (docs / "a.txt").unlink()
    assert changes(ingest(tmp_path / "s.db", docs)) == {
        "b.md": "changed",
        "guides/c.html": "unchanged",
        "a.txt": "removed",
    }
    assert contents(tmp_path / "s.db") == {"b.md": "# B\n\nbarges", "guides/c.html": "C\n\ncrew"}


@requirement("retrieval:ingest:changed")
def test_only_what_was_below_the_given_folder_is_removed(docs: Path, tmp_path: Path) -> None:
    ingest(tmp_path / "s.db", docs)
    (docs / "a.txt").unlink()
    (docs / "guides" / "c.html").unlink()
    assert changes(ingest(tmp_path / "s.db", docs / "guides")) == {"c.html": "removed"}
    assert set(contents(tmp_path / "s.db")) == {"a.txt", "b.md"}


@requirement("retrieval:ingest:failed")
def test_a_document_that_cannot_be_read_does_not_stop_the_others(docs: Path, tmp_path: Path) -> None:
    ingest(tmp_path / "s.db", docs)
    (docs / "a.txt").write_bytes(b"\0\1\2")
    (docs / "new.pdf").write_bytes(b"no pdf")
    (docs / "z.md").write_text("zenith")
    outcomes = {it.path: it for it in ingest(tmp_path / "s.db", docs)}
    assert {path: it.change.value for path, it in outcomes.items()} == {
        "a.txt": "failed",
        "b.md": "unchanged",
        "guides/c.html": "unchanged",
        "new.pdf": "failed",
        "z.md": "added",
    }
    assert "fix: " in outcomes["a.txt"].reason
    assert contents(tmp_path / "s.db")["a.txt"] == "anchors"  # what was stored of it stays
    assert "new.pdf" not in contents(tmp_path / "s.db")


@requirement("retrieval:ingest:failed")
def test_a_path_that_is_not_there_fails_and_removes_nothing(docs: Path, tmp_path: Path) -> None:
    ingest(tmp_path / "s.db", docs)
    docs.rename(tmp_path / "elsewhere")
    [outcome] = ingest(tmp_path / "s.db", docs)
    assert (outcome.change, outcome.reason) == ("failed", "does not exist; fix: check the path")
    assert len(contents(tmp_path / "s.db")) == 3


@requirement("retrieval:ingest:failed")
def test_a_pipe_is_not_waited_for_and_a_strange_name_is_told(docs: Path, tmp_path: Path) -> None:
    os.mkfifo(docs / "pipe.txt")
    (docs / os.fsdecode(b"na\xefve.txt")).write_text("x")
    reasons = {it.path: it.reason for it in ingest(tmp_path / "s.db", docs) if it.reason}
    assert reasons == {
        "pipe.txt": "is not a regular file; fix: remove it",
        "na\ufffdve.txt": "has a name that is not UTF-8; fix: rename it",
    }


@requirement("retrieval:ingest:addresses")
@pytest.mark.parametrize(
    ("addresses", "path", "url"),
    [
        (Addresses(), "guides/a b.md", None),
        (Addresses("https://a.example/docs"), "guides/a b.md", "https://a.example/docs/guides/a%20b.md"),
        (
            Addresses("https://a.example/docs/", strip_suffix=True),
            "guides/v1.2.md",
            "https://a.example/docs/guides/v1.2",
        ),
    ],
)
def test_addresses_are_base_and_path(addresses: Addresses, path: str, url: str | None) -> None:
    assert addresses.of(path) == url


@requirement("retrieval:ingest:addresses")
def test_what_a_document_says_of_its_address_wins_and_another_base_is_a_change(docs: Path, tmp_path: Path) -> None:
    (docs / "b.md").write_text("---\nurl: https://b.example/own\n---\n# B\n")
    ingest(tmp_path / "s.db", docs)
    again = ingest(tmp_path / "s.db", docs, addresses=Addresses("https://a.example"))
    assert set(changes(again).values()) == {"changed"}
    found = index(tmp_path / "s.db").candidates(Hashing().embed(["x"])[0], (), (), limit=9)
    assert {it.passage.attributes["path"]: it.passage.url for it in found} == {
        "a.txt": "https://a.example/a.txt",
        "b.md": "https://b.example/own",
        "guides/c.html": "https://a.example/guides/c.html",
    }


@requirement("retrieval:ingest:changed")
def test_the_same_file_by_another_way_is_the_same_document(docs: Path, tmp_path: Path) -> None:
    ingest(tmp_path / "s.db", docs)
    assert changes(ingest(tmp_path / "s.db", docs / "guides" / "c.html")) == {"c.html": "changed"}
    assert set(contents(tmp_path / "s.db")) == {"a.txt", "b.md", "c.html"}


def test_rules_between_sections_are_no_passages(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\n\n" + "word " * 130 + "\n\n----\n")
    [outcome] = ingest(tmp_path / "s.db", tmp_path / "a.md")
    assert outcome.chunks == 1
    [content] = contents_of(tmp_path / "s.db")
    assert "----" not in content


def test_a_chunk_is_embedded_with_the_heading_it_lost() -> None:
    assert embedded_text("Title", Chunk("# Ports\n\n7440", 0, 13, ("Ports",))) == "# Ports\n\n7440"
    assert embedded_text("Title", Chunk("and 7443", 0, 8, ("Net", "Ports"))) == "Ports\nand 7443"
    assert embedded_text("Title", Chunk("and 7443", 0, 8)) == "Title\nand 7443"


KILLED = """
import os, signal, sys
from pathlib import Path
from lightspeed_stack.retrieval.ingest import Ingest
from lightspeed_stack.retrieval.sqlite import SqliteLibrary
from tests.unit.retrieval.hashing import SPACE, Hashing

class Deadly(Hashing):
    def embed(self, texts):
        vectors = super().embed(texts)
        if "deadly" in texts[0]:
            # In the middle of a document's transaction: after its first chunk.
            return Half(vectors)
        return vectors

class Half(list):
    def __iter__(self):
        yield self[0]
        os.kill(os.getpid(), signal.SIGKILL)

with SqliteLibrary(Path(sys.argv[1]), SPACE) as library:
    for outcome in Ingest(library, Deadly()).add([Path(sys.argv[2])]):
        pass
"""


@requirement("retrieval:store:whole-documents")
def test_a_killed_ingest_leaves_whole_documents_and_can_go_on(docs: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    (docs / "b.md").write_text("# deadly\n\nfirst\n\n## second\n\npart\n")
    killed = subprocess.run([sys.executable, "-c", KILLED, store, docs], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert contents(store) == {"a.txt": "anchors"}
    assert changes(ingest(store, docs)) == {"a.txt": "unchanged", "b.md": "added", "guides/c.html": "added"}
    assert set(contents(store)) == {"a.txt", "b.md", "guides/c.html"}

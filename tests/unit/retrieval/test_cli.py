"""The commands ingest and search."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lightspeed_stack.cli import knowledge
from lightspeed_stack.config.data import RagSection
from lightspeed_stack.services.knowledge import open_retriever
from tests.spec.registry import requirement

INGEST = "import sys; from lightspeed_stack.cli.knowledge import ingest; sys.exit(ingest(sys.argv[1:]))"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "ports.md").write_text("# Ports\n\n## Keepers\n\nThe harbour listens on port 7440 for keepers.\n")
    (folder / "keys.txt").write_text("The recovery phrase has twelve words.\n")
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "lightspeed-stack.yaml"
    file.write_text(
        "name: test\n"
        "service: {}\n"
        "user_data_collection: {}\n"
        "inference: {providers: [{id: here, type: openai, url: 'http://127.0.0.1:9/v1'}]}\n"
        f"rag: {{stores: [{{name: manual, path: {tmp_path / 'manual.db'}}}]}}\n"
    )
    return file


@requirement("retrieval:cli:ingest", "retrieval:cli:search")
def test_what_is_ingested_is_found(docs: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        str(docs),
        "--store",
        "manual",
        "--config",
        str(config),
        "--base-url",
        "https://a.example",
        "--strip-suffix",
    ]
    assert knowledge.ingest(arguments) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[:2] == ["added      keys.txt (1 chunks)", "added      ports.md (1 chunks)"]
    assert told[2].startswith("2 added, 0 changed, 0 unchanged, 0 removed, 0 failed; 2 chunks in ")
    assert knowledge.ingest(arguments) == 0
    assert capsys.readouterr().out.startswith("0 added, 0 changed, 2 unchanged, 0 removed, 0 failed; 0 chunks in ")

    assert knowledge.search(["Which port do keepers use?", "--config", str(config), "--json", "--limit", "1"]) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert found["score"] > 0.4
    assert found | {"score": 0} == {
        "score": 0,
        "title": "Ports",
        "section": ["Ports", "Keepers"],
        "url": "https://a.example/ports",
        "source": "manual",
        "start": 0,
        "end": 66,
        "content": "# Ports\n\n## Keepers\n\nThe harbour listens on port 7440 for keepers.",
        "attributes": {"path": "ports.md", "section": "Ports > Keepers", "anchor": "keepers", "start": 0, "end": 66},
    }
    assert knowledge.search(["Which port do keepers use?", "--config", str(config), "--store", "manual"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].endswith("  Ports  [manual]")
    assert told[1] == "Ports > Keepers  https://a.example/ports  characters 0-66"


@requirement("retrieval:cli:ingest")
def test_a_failing_document_makes_the_exit_code_one(
    docs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (docs / "bad.pdf").write_bytes(b"nothing of the kind")
    assert knowledge.ingest([str(docs), "--store", "s", "--path", str(tmp_path / "s.db")]) == 1
    told = capsys.readouterr()
    assert "failed     bad.pdf: is a broken PDF" in told.err
    assert "2 added, 0 changed, 0 unchanged, 0 removed, 1 failed" in told.out


@requirement("retrieval:cli:search")
def test_an_off_topic_question_is_told_that_nothing_is_near(
    docs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = ["--path", str(tmp_path / "s.db")]
    assert knowledge.ingest([str(docs), "--store", "s", *path]) == 0
    capsys.readouterr()
    assert knowledge.search(["How do I bake bread?", *path]) == 0
    assert capsys.readouterr().out == "nothing is near enough to the question\n"
    assert knowledge.search(["How do I bake bread?", *path, "--min-score", "-1", "--limit", "2"]) == 0
    assert "[s]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "arguments", "reason"),
    [
        (knowledge.ingest, ["docs", "--store", "other"], "has no store 'other' (it has: manual)\n    fix: write  rag:"),
        (knowledge.ingest, ["docs", "--store", "manual", "--base-url", "javascript:x"], "no web address; fix: "),
        (knowledge.search, ["question", "--store", "other"], "has no store 'other'"),
        (knowledge.search, ["question"], "has no file manual.db yet; fix: lightspeed-stack ingest PATH --store manual"),
    ],
)
@requirement("retrieval:cli:ingest", "retrieval:cli:search")
def test_what_cannot_be_done_is_told_with_the_fix(
    config: Path, capsys: pytest.CaptureFixture[str], command: object, arguments: list[str], reason: str
) -> None:
    assert callable(command)
    assert command([*arguments, "--config", str(config)]) == 1
    assert reason in capsys.readouterr().err


@requirement("retrieval:ingest:unchanged")
def test_a_run_without_changes_imports_no_embedding_library(docs: Path, tmp_path: Path) -> None:
    store = str(tmp_path / "s.db")
    assert knowledge.ingest([str(docs), "--store", "s", "--path", store]) == 0
    script = (
        INGEST.replace("sys.exit(", "code = (")
        + "\nprint(code, sorted({'numpy', 'onnxruntime', 'tokenizers'} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(docs), "--store", "s", "--path", store],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout.splitlines()[-1] == "0 []"


@requirement("retrieval:cli:interrupted")
def test_an_interrupted_ingest_keeps_whole_documents(docs: Path, tmp_path: Path) -> None:
    for number in range(300):
        (docs / f"page{number}.md").write_text(f"# Page {number}\n\nAbout the number {number}.\n" * 20)
    arguments = [sys.executable, "-c", INGEST, str(docs), "--store", "s", "--path", str(tmp_path / "s.db")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("added")
        running.send_signal(signal.SIGINT)
        rest, told = running.communicate(timeout=60)
    assert running.returncode == 130
    assert told.startswith("interrupted; whole documents are stored")
    assert rest.splitlines()[-1].split()[1:2] == ["added,"]


@requirement("retrieval:cli:ingest")
def test_a_reader_who_leaves_does_not_stop_the_work(docs: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", INGEST, str(docs), "--store", "s", "--path", str(tmp_path / "s.db")]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ran = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60)
    finally:
        os.close(writing)
    assert (ran.returncode, ran.stderr) == (0, b"")


async def test_wiring_opens_nothing_before_it_is_asked(tmp_path: Path) -> None:
    section = RagSection.model_validate({"stores": [{"name": "manual", "path": str(tmp_path / "no.db")}]})
    health = await open_retriever(section).probe()
    assert health.message is not None
    assert "lightspeed-stack ingest PATH --store manual" in health.message

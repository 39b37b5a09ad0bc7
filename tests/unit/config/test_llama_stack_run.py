"""The generator of Llama Stack configurations."""

from pathlib import Path

import pytest
import yaml

from lightspeed_stack.config.llama_stack_run import generate_run_yaml
from lightspeed_stack.config.tree import Config
from lightspeed_stack.errors import ConfigurationError
from tests.spec.registry import requirement
from tests.unit.config.conftest import MINIMAL, Files

RUN = """\
version: 2
providers:
  inference:
  - provider_id: openai
    config: {api_key: '${env.KEY:=}'}
apis: [a]
"""


def with_knowledge(files: Files, *ids: str) -> Config:
    (files.directory / "faiss.db").write_text("")
    entries = [
        f"  - {{rag_id: r, vector_db_id: {id_}, db_path: {files.directory}/faiss.db, embedding_dimension: 384}}\n"
        for id_ in ids
    ]
    return files.load(MINIMAL + ("byok_rag:\n" + "".join(entries) if entries else ""))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(RUN)
    return path


@requirement("config:run-yaml:generated")
def test_without_knowledge_the_file_is_written_as_it_is(files: Files, run: Path) -> None:
    output = files.directory / "out.yaml"
    generate_run_yaml(with_knowledge(files), run, output)
    assert output.read_text() == (
        "apis:\n  - a\nproviders:\n  inference:\n    - config:\n        api_key: ${env.KEY:=}\n"
        "      provider_id: openai\nversion: 2\n"
    )


@requirement("config:run-yaml:generated")
def test_knowledge_is_added(files: Files, run: Path) -> None:
    output = files.directory / "out.yaml"
    generate_run_yaml(with_knowledge(files, "vs1"), run, output)
    assert output.read_text() == (
        "apis:\n  - a\n"
        "providers:\n"
        "  inference:\n"
        "    - config:\n        api_key: ${env.KEY:=}\n      provider_id: openai\n"
        "  vector_io:\n"
        "    - config:\n        kvstore:\n          db_path: .llama/vs1.db\n          namespace: null\n"
        "          type: sqlite\n"
        "      provider_id: byok_vs1\n"
        "      provider_type: inline::faiss\n"
        "vector_dbs:\n"
        "  - embedding_dimension: 384\n"
        "    embedding_model: sentence-transformers/all-mpnet-base-v2\n"
        "    provider_id: byok_vs1\n"
        "    vector_db_id: vs1\n"
        "version: 2\n"
    )


@requirement("config:run-yaml:idempotent")
def test_a_second_run_changes_nothing(files: Files, run: Path) -> None:
    config = with_knowledge(files, "vs1", "vs2")
    first = files.directory / "first.yaml"
    generate_run_yaml(config, run, first)
    written = first.read_text()
    generate_run_yaml(config, first, first)
    assert first.read_text() == written
    assert [path.name for path in files.directory.iterdir() if path.name.startswith(".")] == []


@requirement("config:run-yaml:idempotent")
def test_entries_are_replaced_in_place_and_doubles_dropped(files: Files, run: Path) -> None:
    old = {"vector_db_id": "vs1", "provider_id": "x", "embedding_model": "old"}
    other = {"vector_db_id": "other", "provider_id": "y"}
    tree = {"providers": {"vector_io": None}, "vector_dbs": [old, other, old]}
    run.write_text(yaml.safe_dump(tree))
    generate_run_yaml(with_knowledge(files, "vs1"), run, run)
    found = yaml.safe_load(run.read_text())
    assert [entry["vector_db_id"] for entry in found["vector_dbs"]] == ["vs1", "other"]
    assert found["vector_dbs"][0]["provider_id"] == "byok_vs1"
    assert len(found["providers"]["vector_io"]) == 1


@requirement("config:run-yaml:generated")
def test_the_mode_of_an_output_and_a_link_to_it_are_kept(files: Files, run: Path) -> None:
    real, link = files.directory / "real.yaml", files.directory / "link.yaml"
    real.write_text("old")
    real.chmod(0o600)
    link.symlink_to(real)
    generate_run_yaml(with_knowledge(files), run, link)
    assert link.is_symlink()
    assert real.read_text().startswith("apis:")
    assert real.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, ": the file does not exist\n    fix: "),
        ("a: ]", ":1: not valid YAML"),
        ("- a\n", ":1: the file is not a mapping\n    fix: "),
        ("", ":1: the file is not a mapping\n    fix: "),
        ("version: 2\n", ":1: providers: Field required, a mapping\n    fix: add  providers: {}"),
        ("version: 2\nproviders: [a]\n", ":2: providers: Field required, a mapping\n    fix: "),
        ("providers: {}\nvector_dbs: 5\n", ":2: vector_dbs: Input should be a valid list\n    fix: "),
        ("providers:\n  vector_io: {}\n", ":2: providers.vector_io: Input should be a valid list\n    fix: "),
    ],
)
@requirement("config:run-yaml:errors")
def test_unusable_input(files: Files, run: Path, content: str | None, told: str) -> None:
    output = files.directory / "out.yaml"
    output.write_text("old")
    run.unlink()
    if content is not None:
        run.write_text(content)
    with pytest.raises(ConfigurationError) as raised:
        generate_run_yaml(with_knowledge(files, "vs1"), run, output)
    assert f"run.yaml{told}" in raised.value.cause
    assert output.read_text() == "old"


@requirement("config:run-yaml:errors")
@pytest.mark.parametrize("name", ["missing/out.yaml", "run.yaml/out.yaml", "directory"])
def test_an_output_that_cannot_be_written(files: Files, run: Path, name: str) -> None:
    (files.directory / "directory").mkdir()
    with pytest.raises(ConfigurationError) as raised:
        generate_run_yaml(with_knowledge(files), run, files.directory / name)
    assert f"{name}: the file cannot be written: " in raised.value.cause
    assert run.read_text() == RUN

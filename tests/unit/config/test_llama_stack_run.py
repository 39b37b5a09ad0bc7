"""The generator of Llama Stack configurations."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

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


NEW = """\
distro_name: d
apis: [inference]
providers:
  inference:
  - {provider_id: openai, provider_type: 'remote::openai', config: {api_key: '${env.KEY:=}'}}
  - {provider_id: '${env.LOCAL:+local}', provider_type: 'inline::sentence-transformers'}
storage:
  backends:
    kv_default: {type: kv_sqlite, db_path: '${env.DATA:=data}/kv.db'}
registered_resources:
  models:
  - {model_id: small, provider_id: openai, provider_model_id: text-embedding-3-small, model_type: embedding}
"""


def with_knowledge(files: Files, *ids: str, more: str = "") -> Config:
    (files.directory / "faiss.db").touch()
    entries = [
        f"  - {{rag_id: r, vector_db_id: {id_}, db_path: {files.directory}/faiss.db, embedding_dimension: 384{more}}}\n"
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


def generated(files: Files, run: Path, text: str, *ids: str, more: str = "") -> Any:
    run.write_text(text)
    generate_run_yaml(with_knowledge(files, *ids, more=more), run, run)
    return yaml.safe_load(run.read_text())


@requirement("run-yaml:generated:new-schema")
def test_a_file_of_the_new_schema_gets_vector_stores(files: Files, run: Path) -> None:
    tree = generated(files, run, NEW, "vs1", more=", embedding_model: openai/embed")
    assert tree["apis"] == ["inference", "vector_io"]
    assert tree["registered_resources"]["vector_stores"] == [
        {
            "vector_store_id": "vs1",
            "vector_store_name": "r",
            "provider_id": "byok_vs1",
            "embedding_model": "openai/embed",
            "embedding_dimension": 384,
        }
    ]
    assert tree["registered_resources"]["models"][1:] == [
        {
            "model_id": "openai/embed",
            "provider_id": "openai",
            "provider_model_id": "embed",
            "model_type": "embedding",
            "metadata": {"embedding_dimension": 384},
        }
    ]
    assert tree["providers"]["vector_io"] == [
        {
            "provider_id": "byok_vs1",
            "provider_type": "inline::faiss",
            "config": {"persistence": {"namespace": "vector_io::faiss", "backend": "byok_vs1_storage"}},
        }
    ]
    assert tree["storage"]["backends"]["byok_vs1_storage"] == {
        "type": "kv_sqlite",
        "db_path": f"{files.directory}/faiss.db",
    }
    assert "vector_dbs" not in tree


@requirement("run-yaml:generated:new-schema")
def test_without_a_list_of_apis_none_is_made(files: Files, run: Path) -> None:
    tree = generated(files, run, NEW.replace("apis: [inference]\n", ""), "vs1")
    assert "apis" not in tree


@requirement("run-yaml:generated:new-schema")
def test_a_provider_that_is_not_faiss_is_told_its_file_itself(files: Files, run: Path) -> None:
    tree = generated(files, run, NEW, "vs1", more=", rag_type: 'inline::sqlite-vec'")
    assert tree["providers"]["vector_io"][0]["config"] == {
        "db_path": f"{files.directory}/faiss.db",
        "persistence": {"namespace": "vector_io::byok_vs1", "backend": "kv_default"},
    }
    assert list(tree["storage"]["backends"]) == ["kv_default"]


@requirement("run-yaml:generated:idempotent")
def test_a_second_run_changes_nothing_in_the_new_schema(files: Files, run: Path) -> None:
    generated(files, run, NEW, "vs1", "vs2")
    written = run.read_text()
    for kept in ("${env.KEY:=}", "${env.LOCAL:+local}", "${env.DATA:=data}/kv.db"):
        assert kept in written
    generated(files, run, written, "vs1", "vs2")
    assert run.read_text() == written


@requirement("run-yaml:generated:embedding-model")
@pytest.mark.parametrize(
    ("given", "distro", "used", "registered"),
    [
        # registered: by what it is asked for, by its id, by its name with the provider
        ("openai/small", "distro_name: d", "openai/small", None),
        ("small", "distro_name: d", "openai/small", None),
        ("text-embedding-3-small", "distro_name: d", "openai/small", None),
        ("text-embedding-3-small", "image_name: d", "openai/text-embedding-3-small", None),
        # not registered: with the provider that it begins with, or in the stack's own process
        ("openai/embed", "distro_name: d", "openai/embed", ("openai", "embed")),
        ("local/all-mpnet", "distro_name: d", "local/all-mpnet", ("${env.LOCAL:+local}", "all-mpnet")),
        (
            "sentence-transformers/all-mpnet-base-v2",
            "distro_name: d",
            "local/sentence-transformers/all-mpnet-base-v2",
            ("${env.LOCAL:+local}", "sentence-transformers/all-mpnet-base-v2"),
        ),
    ],
)
def test_the_embedding_model_of_a_store_is_registered_once(
    files: Files, run: Path, given: str, distro: str, used: str, registered: tuple[str, str] | None
) -> None:
    text = NEW.replace("distro_name: d", distro)
    resources = generated(files, run, text, "vs1", "vs2", more=f", embedding_model: {given}")["registered_resources"]
    assert {store["embedding_model"] for store in resources["vector_stores"]} == {used}
    added = [(it["model_id"], it["provider_id"], it["provider_model_id"]) for it in resources["models"][1:]]
    assert added == ([] if registered is None else [(used, *registered)])


def faiss_file(path: Path, key: str, chunk: dict[str, str]) -> None:
    """A database with one index, as a stack writes it."""
    value = json.dumps({"chunk_by_index": {"0": json.dumps(chunk)}, "faiss_index": "x" * 5000})
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE kvstore (key TEXT PRIMARY KEY, value TEXT, expiration TIMESTAMP)")
        connection.executemany("INSERT INTO kvstore VALUES (?, ?, NULL)", [("aaa", "first"), (key, value)])


@requirement("run-yaml:generated:stored")
@pytest.mark.parametrize(
    ("key", "namespace"),
    [
        ("vector_io::faiss:faiss_index:v3::vs1", "vector_io::faiss"),
        ("mine:faiss_index:v3::vs1", "mine"),
        ("faiss_index:v3::vs1", ""),
        ("faiss_index:v3::vs10", "vector_io::faiss"),
        ("faiss_index:v3::other", "vector_io::faiss"),
    ],
)
def test_the_namespace_is_that_under_which_the_store_is_found(
    files: Files, run: Path, key: str, namespace: str
) -> None:
    faiss_file(files.directory / "faiss.db", key, {"content": "c", "chunk_id": "1"})
    tree = generated(files, run, NEW, "vs1", more=", embedding_model: openai/embed")
    assert tree["providers"]["vector_io"][0]["config"]["persistence"]["namespace"] == namespace


@requirement("run-yaml:generated:stored")
def test_what_later_releases_cannot_read_is_refused_for_them(files: Files, run: Path) -> None:
    faiss_file(files.directory / "faiss.db", "faiss_index:v3::vs1", {"content": "c", "stored_chunk_id": "1"})
    with pytest.raises(ConfigurationError, match=r"faiss\.db' holds chunks of Llama Stack 0\.2"):
        generated(files, run, NEW, "vs1", more=", embedding_model: openai/embed")
    assert run.read_text() == NEW
    assert generated(files, run, RUN, "vs1")["vector_dbs"][0]["vector_db_id"] == "vs1"


@requirement("config:run-yaml:errors")
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (NEW[NEW.index("storage:") : NEW.index("registered")], "", ": storage.backends: Field required, a mapping"),
        ("type: kv_sqlite", "type: sql_sqlite", ": storage.backends: there is no backend of type kv_sqlite"),
        (
            "inline::sentence",
            "remote::sentence",
            ": providers.inference: no provider serves the embedding model 'mine'",
        ),
        ("  models:\n", "  vector_stores: 5\n  models:\n", ":11: registered_resources.vector_stores: Input should be"),
        ("apis: [inference]", "apis: 5", ":2: apis: Input should be a valid list"),
        ("registered_resources:\n  models:", "models:", ":10: models: only Llama Stack 0.3 reads this beside storage"),
    ],
)
def test_a_new_schema_without_a_place_for_it(files: Files, run: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        generated(
            files, run, NEW.replace(old, new), "vs1", more=", embedding_model: mine, rag_type: 'inline::sqlite-vec'"
        )
    assert told in raised.value.cause
    assert "\n    fix: " in raised.value.cause

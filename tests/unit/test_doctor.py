"""What the doctor finds in a configuration, in the stack's own, and between the two."""

import json
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings

from lightspeed_stack.doctor import Finding, Report, Severity, examine
from lightspeed_stack.errors import ConfigurationError
from lightspeed_stack.stack.library_release import Release
from tests.spec.registry import requirement
from tests.unit.config.test_run_yaml import TREES

FIXTURES = Path(__file__).parents[1] / "fixtures" / "run_yaml"
OGX = Release("ogx", "ogx", "1.5.0")
LLAMA_STACK = Release("llama_stack", "llama-stack", "0.2.22")
SERVICE = "name: s\nservice: {}\nuser_data_collection: {}\n"
SERVER = f"{SERVICE}llama_stack: {{url: 'http://user:canary@stack:8321/x'}}\n"
OLD, MIDDLE, NEW = FIXTURES / "old.yaml", FIXTURES / "upgraded-0.7.yaml", FIXTURES / "upgraded-1.yaml"


def nothing_installed() -> Release:
    raise ConfigurationError("llama_stack.use_as_library_client: nothing is installed\n    fix: install it")


class Case:
    """A folder with a configuration, and what the doctor says of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "lightspeed-stack.yaml"

    def __call__(
        self,
        text: str | None,
        run_yaml: Path | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        installed: Callable[[], Release] = nothing_installed,
    ) -> Report:
        if text is not None:
            self.file.write_text(text, "utf-8")
        config = None if text is None else self.file
        return examine(config, run_yaml, environ=environ or {}, installed=installed)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def in_process(run_yaml: Path) -> str:
    return f"{SERVICE}llama_stack: {{use_as_library_client: true, library_client_config_path: '{run_yaml}'}}\n"


def findings(report: Report, *, of: str = "") -> list[Finding]:
    return [it for chapter in report.chapters for it in chapter.findings if of in it.subject]


def notes(report: Report) -> dict[str, str]:
    return {it.subject: it.message for it in findings(report) if it.severity is Severity.NOTE}


@requirement("doctor:configuration")
def test_a_configuration_that_cannot_be_used_is_told_as_its_loader_does(case: Case) -> None:
    report = case("name: s\nservice: {prot: 1}\nllama_stack: {url: 'stack:1'}\nuser_data_collection: {}\n")
    assert not report.healthy
    assert [(it.severity, it.subject, it.message, it.fix) for it in findings(report)] == [
        (
            Severity.ERROR,
            f"{case.file}:2",
            "service.prot: Extra inputs are not permitted",
            "did you mean `port`?",
        ),
        (Severity.ERROR, f"{case.file}:3", "llama_stack.url: 'stack:1' has no scheme", "write  url: http://stack:1"),
    ]


@requirement("doctor:configuration")
def test_a_server_answers(case: Case) -> None:
    report = case(SERVER)
    assert report.healthy
    assert notes(report) == {"llama_stack": "is the server at stack:8321; --run-yaml examines its configuration"}


@requirement("doctor:configuration")
@pytest.mark.parametrize(
    ("url", "told"),
    [("http://stack", "stack"), ("http://stack:port", "an address that cannot be read"), ("http://[::1]:1/", "::1:1")],
)
def test_a_server_is_named_by_its_host(case: Case, url: str, told: str) -> None:
    assert notes(case(f"{SERVICE}llama_stack: {{url: '{url}'}}\n"))["llama_stack"].startswith(
        f"is the server at {told};"
    )


@requirement("doctor:configuration")
def test_providers_of_its_own_answer(case: Case) -> None:
    providers = "inference: {providers: [{id: mine, type: openai, url: 'http://m/v1'}]}\n"
    assert notes(case(SERVICE + providers)) == {"inference.providers": "this service talks itself to: mine"}


@requirement("doctor:configuration")
def test_a_stack_inside_the_process_answers_where_one_is_installed(case: Case) -> None:
    report = case(in_process(NEW), installed=lambda: OGX)
    assert report.healthy
    assert notes(report)["llama_stack"] == f"ogx 1.5.0 runs inside this process, from {NEW}"
    missing = case(in_process(NEW))
    assert not missing.healthy
    assert [(it.message, it.fix) for it in findings(missing) if it.severity is Severity.ERROR] == [
        ("nothing is installed", "install it")
    ]


@requirement("doctor:stack")
def test_what_a_stack_offers(case: Case) -> None:
    told = notes(case(None, OLD, environ={"OLLAMA_URL": "http://m"}))
    assert {key: told[key] for key in ("schema", "name", "port", "models", "embedding models", "vector stores")} == {
        "schema": "that of Llama Stack 0.2",
        "name": "example",
        "port": "8322",
        "models": "fast, openai/guard",
        "embedding models": "openai/embed",
        "vector stores": "manual",
    }
    assert told["inference"] == "openai (remote::openai), ollama (remote::ollama), vllm (remote::vllm)"
    assert told["shields"] == "output_guard (looks at answers)"
    assert told["tool groups"] == "builtin::rag; not used, lightspeed-stack has tools of its own"
    assert told["not used"] == "agents, telemetry, tool_runtime; lightspeed-stack asks for none of them"
    assert told["keeps data in"].startswith("data/faiss.db, data/files.db, ")
    assert told["keeps answers"] == "all that is asked and said; deleting a conversation here deletes nothing there"
    assert "off" not in told


@requirement("doctor:stack")
def test_what_a_variable_would_switch_on(case: Case) -> None:
    off = "ollama (OLLAMA_URL); in parentheses the variable that switches it on"
    assert notes(case(None, OLD))["off"] == off


@requirement("doctor:stack")
@pytest.mark.parametrize(("text", "told"), [("- a\n", "the file is not a mapping"), ("a: [", "not valid YAML")])
def test_a_stack_s_file_that_cannot_be_read(case: Case, text: str, told: str) -> None:
    path = case.folder / "run.yaml"
    path.write_text(text, "utf-8")
    report = case(None, path)
    assert not report.healthy
    assert told in findings(report)[0].message
    assert not case(None, case.folder / "nowhere.yaml").healthy


@requirement("doctor:stack")
def test_an_unset_variable_stops_only_what_runs_here(case: Case) -> None:
    path = case.folder / "run.yaml"
    path.write_text("{distro_name: d, server: {host: '${env.STACK_HOST}'}}", "utf-8")
    assert case(SERVER, path).healthy
    assert case(SERVER, path, environ={"STACK_HOST": "a"}) != case(SERVER, path)
    assert not case(in_process(path), installed=lambda: OGX).healthy


@requirement("doctor:stack")
@pytest.mark.parametrize(
    ("run_yaml", "installed", "healthy"),
    [
        (OLD, LLAMA_STACK, True),
        (OLD, OGX, False),
        (NEW, OGX, True),
        (MIDDLE, OGX, False),
        (FIXTURES / "ogx-1.0.2-postgres-demo.yaml", OGX, False),
        (FIXTURES / "ogx-1.5.0-watsonx.yaml", OGX, True),
    ],
)
def test_what_the_installed_release_refuses_is_an_error(
    case: Case, run_yaml: Path, installed: Release, healthy: bool
) -> None:
    assert case(in_process(run_yaml), installed=lambda: installed).healthy is healthy


@requirement("doctor:upgrade")
def test_each_step_to_a_later_release_is_told_once(case: Case) -> None:
    report = case(None, OLD)
    assert report.healthy
    titles = [chapter.title for chapter in report.chapters]
    assert titles == [
        f"{OLD}: what it offers",
        f"{OLD}: what is wrong",
        f"To run {OLD} with llama-stack 0.7.3",
        f"To run {OLD} with ogx 1.0.2, with steps above",
        f"To run {OLD} with ogx 1.5.0, with steps above",
    ]
    told = [(it.subject, it.message, it.fix) for it in findings(report) if it.severity is Severity.STEP]
    assert len(told) == len(set(told))
    assert (
        f"{OLD}:19: providers.inference[2].config.url",
        "is passed over without a word",
        "call it  base_url",
    ) in told


@requirement("doctor:upgrade")
def test_what_to_install_and_how_to_start_it(case: Case) -> None:
    *_, last = case(None, OLD).chapters
    assert [(it.subject, it.message) for it in last.findings[:2]] == [
        ("install", "ogx==1.5.0 ogx-api==1.5.0 chardet faiss-cpu pypdf"),
        ("start", f"ogx run {OLD} --port 8322"),
    ]
    *_, before, last = case(None, NEW).chapters
    assert [notes(Report((chapter,)))["steps"] for chapter in (before, last)] == [
        "none, it takes the file as it is"
    ] * 2


INFERENCE = "inference: {{default_provider: {0}, default_model: {1}}}\n"


@requirement("doctor:fitting")
@pytest.mark.parametrize(
    ("provider", "model", "told"),
    [
        ("vllm", "fast", None),
        ("vllm", "granite-3.3-8b-instruct", None),
        (
            "vllm",
            "other",
            (Severity.NOTE, "inference.default_model", "registered are: fast, granite-3.3-8b-instruct"),
        ),
        ("ollama", "m", (Severity.WARNING, "inference.default_provider", "write one of: openai, vllm")),
        ("nobody", "m", (Severity.WARNING, "inference.default_provider", "write one of: openai, vllm")),
    ],
)
def test_the_default_model_is_looked_for(
    case: Case, provider: str, model: str, told: tuple[Severity, str, str] | None
) -> None:
    report = case(SERVER + INFERENCE.format(provider, model), OLD)
    assert report.healthy
    found = [(it.severity, it.subject, it.fix) for it in findings(report, of="inference.default_")]
    assert found == ([] if told is None else [told])


BYOK = "byok_rag: [{{rag_id: r, vector_db_id: {0}, db_path: '{1}'}}]\n"


def stored(path: Path, key: str, chunk: str = "chunk_id") -> Path:
    value = json.dumps({"chunk_by_index": {"0": json.dumps({chunk: "1"})}})
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE kvstore (key TEXT PRIMARY KEY, value TEXT, expiration TIMESTAMP)")
        connection.execute("INSERT INTO kvstore VALUES (?, ?, NULL)", (key, value))
    return path


@requirement("doctor:fitting")
def test_a_knowledge_source_that_the_stack_does_not_have(case: Case) -> None:
    file = stored(case.folder / "faiss.db", "faiss_index:v3::mine")
    report = case(SERVER + BYOK.format("mine", file), NEW)
    assert [(it.severity, it.message, it.fix) for it in findings(report, of="byok_rag[0]")] == [
        (Severity.WARNING, f"{NEW} has no store 'mine'", f"run  lightspeed-stack -g -i {NEW} -o {NEW}")
    ]


@requirement("doctor:fitting")
@pytest.mark.parametrize(
    ("run_yaml", "key", "chunk", "told"),
    [
        (NEW, "faiss_index:v3::manual", "chunk_id", None),
        (NEW, "vector_io::faiss:faiss_index:v3::manual", "chunk_id", (Severity.WARNING, "OGX does not find what ")),
        (MIDDLE, "faiss_index:v3::manual", "chunk_id", None),
        (MIDDLE, "vector_io::faiss:faiss_index:v3::manual", "chunk_id", (Severity.WARNING, "Llama Stack up to 0.7 ")),
        (NEW, "faiss_index:v3::manual", "stored_chunk_id", (Severity.ERROR, "'")),
        (OLD, "faiss_index:v3::manual", "stored_chunk_id", None),
    ],
)
def test_what_a_knowledge_source_s_file_holds_is_found_by_the_stack(
    case: Case, run_yaml: Path, key: str, chunk: str, told: tuple[Severity, str] | None
) -> None:
    file = stored(case.folder / "faiss.db", key, chunk)
    found = findings(case(SERVER + BYOK.format("manual", file), run_yaml), of="byok_rag[0]")
    assert [it.severity for it in found] == ([] if told is None else [told[0]])
    if told is not None:
        assert found[0].message.startswith(told[1])


@requirement("run-yaml:secrets")
@pytest.mark.parametrize("run_yaml", [OLD, MIDDLE, NEW], ids=lambda path: path.stem)
def test_no_secret_is_told(case: Case, run_yaml: Path) -> None:
    assert "canary" not in repr(case(SERVER, run_yaml, environ={"MODELS_KEY": "canary"}))


@requirement("run-yaml:garbage")
@settings(max_examples=50)
@given(TREES)
def test_whatever_stands_in_the_stack_s_file_something_is_told(tree: dict[object, object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.yaml"
        path.write_text(yaml.safe_dump(tree), "utf-8")
        assert examine(None, path, environ={}).chapters

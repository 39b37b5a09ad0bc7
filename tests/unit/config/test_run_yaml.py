"""Understanding a run.yaml, what is wrong with it, and what later releases want changed."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.config.run_yaml import Generation, RunFile, generation_of, identifier_of, read_run_file
from lightspeed_stack.config.run_yaml_checks import Remark, faults
from lightspeed_stack.config.run_yaml_releases import RELEASES, Release, release_for
from lightspeed_stack.config.run_yaml_upgrade import changes
from lightspeed_stack.config.source import Document, dotted, parse_yaml, read_yaml
from lightspeed_stack.stack.versions import MAXIMAL
from tests.spec.registry import requirement

FIXTURES = Path(__file__).parents[2] / "fixtures" / "run_yaml"
OLD, MIDDLE, OGX = Generation
R02, R07, R10, R15 = RELEASES


def read(name: str, environ: Mapping[str, str] | None = None) -> RunFile:
    return read_run_file(read_yaml(FIXTURES / f"{name}.yaml"), environ or {})


def parsed(text: str, environ: Mapping[str, str] | None = None) -> RunFile:
    return read_run_file(parse_yaml(text), environ or {})


@requirement("run-yaml:read")
@pytest.mark.parametrize(
    ("name", "generation", "inference", "stores", "shields"),
    [
        ("old", OLD, ["openai", "vllm"], ["manual"], ["output_guard"]),
        ("upgraded-0.7", MIDDLE, ["openai", "vllm"], ["manual"], ["output_guard"]),
        ("upgraded-1", OGX, ["openai", "vllm"], ["manual"], []),
        ("llama-stack-0.2.22-nvidia", OLD, ["nvidia", "nvidia"], [], ["${env.SAFETY_MODEL}"]),
        ("llama-stack-0.7.3-nvidia", MIDDLE, ["nvidia", "nvidia"], [], ["${env.SAFETY_MODEL}"]),
        ("ogx-1.0.2-postgres-demo", OGX, ["vllm-inference", "sentence-transformers", "transformers"], [], []),
        ("ogx-1.5.0-watsonx", OGX, ["watsonx"], [], []),
    ],
)
def test_a_file_of_any_generation_is_understood(
    name: str, generation: Generation, inference: list[str], stores: list[str], shields: list[str]
) -> None:
    run = read(name)
    assert run.generation is generation
    assert [provider.id for provider in run.enabled("inference")] == inference
    assert [store.id for store in run.stores] == stores
    assert [shield.id for shield in run.shields] == shields


@requirement("run-yaml:read")
def test_everything_that_a_file_says() -> None:
    run = read("old")
    assert (run.name, run.version, run.server.port, run.apis) == (
        "example",
        "2",
        8322,
        ("agents", "inference", "safety", "telemetry", "tool_runtime", "vector_io", "files"),
    )
    assert [(model.identifier(OLD), model.kind, model.dimension) for model in run.models] == [
        ("fast", "llm", None),
        ("openai/guard", "llm", None),
        ("openai/embed", "embedding", 128),
    ]
    assert [(place.kind, place.where) for place in run.places][:2] == [
        ("sqlite", "data/faiss.db"),
        ("sqlite", "data/files.db"),
    ]
    assert [(group.id, group.provider_id) for group in run.tool_groups] == [("builtin::rag", "rag-runtime")]
    assert run.stores[0].embedding_model == "openai/embed"


@requirement("run-yaml:read")
@pytest.mark.parametrize(
    ("text", "generation"),
    [
        ("{}", OLD),
        ("{image_name: a, providers: {}}", OLD),
        ("{image_name: a, storage: {}, models: [{model_id: m}]}", MIDDLE),
        ("{distro_name: a, apis: [safety]}", MIDDLE),
        ("{distro_name: a, providers: {agents: []}}", MIDDLE),
        ("{distro_name: a, registered_resources: {shields: [{shield_id: s}]}}", MIDDLE),
        ("{image_name: a, registered_resources: {models: []}}", MIDDLE),
        ("{distro_name: a, registered_resources: {shields: []}}", OGX),
        ("{distro_name: a, storage: {}}", OGX),
        ("[a]", OLD),
    ],
)
def test_the_schema_shows_in_the_keys(text: str, generation: Generation) -> None:
    assert generation_of(parse_yaml(text).value) is generation


@requirement("run-yaml:environment")
def test_a_variable_switches_a_provider_on() -> None:
    off, on = (
        next(it for it in read("old", environ).providers if it.api == "inference" and it.path[-1] == 1)
        for environ in ({}, {"OLLAMA_URL": "http://models:11434"})
    )
    assert (off.id, off.enabled, off.needs) == ("ollama", False, "OLLAMA_URL")
    assert (on.id, on.enabled, on.needs) == ("ollama", True, None)
    assert on.config["url"] == "http://models:11434"


@requirement("run-yaml:environment")
def test_a_disabled_provider_is_off_and_what_it_refers_to_is_not_needed() -> None:
    run = parsed(
        "providers: {inference: [{provider_id: '${env.P:=__disabled__}', provider_type: t, config: {key: '${env.K}'}},"
        " {provider_id: b, provider_type: u, config: {key: '${env.L}'}}]}"
    )
    assert [(it.id, it.enabled, it.path[-1]) for it in run.providers] == [
        ("${env.P:=__disabled__}", False, 0),
        ("b", True, 1),
    ]
    assert [one.name for one in run.unset] == ["L"]


@requirement("run-yaml:environment")
def test_a_name_that_is_not_known_yet_is_shown_as_it_stands() -> None:
    assert [model.id for model in read("llama-stack-0.2.22-nvidia").models] == [
        "${env.INFERENCE_MODEL}",
        "${env.SAFETY_MODEL}",
    ]
    assert read("llama-stack-0.2.22-nvidia", {"INFERENCE_MODEL": "8"}).models[0].id == "8"


@requirement("run-yaml:identifiers")
@pytest.mark.parametrize(
    ("model_id", "in_provider", "names"),
    [
        ("m", "m", ["p/m", "p/m", "p/m"]),
        ("alias", "m", ["alias", "p/m", "p/alias"]),
        ("p/m", "m", ["p/m", "p/m", "p/m"]),
        ("a/m", "m", ["a/m", "p/m", "p/a/m"]),
    ],
)
def test_a_model_is_registered_under_a_name_of_its_generation(
    model_id: str, in_provider: str, names: list[str]
) -> None:
    assert [identifier_of(model_id, "p", in_provider, generation) for generation in Generation] == names


def provider(api: str, type_: str, config: str = "{}") -> str:
    """The key ``providers`` with a single one."""
    return f"providers: {{{api}: [{{provider_id: a, provider_type: '{type_}', config: {config}}}]}}"


MODEL = "{model_id: m, provider_id: p}"
EMBEDDING = "{model_id: m, provider_id: p, model_type: embedding}"
STORE = "{vector_store_id: s, provider_id: v, embedding_model: m}"
ON = "providers: {inference: [{provider_id: p, provider_type: t}]}"
OFF = "providers: {inference: [{provider_id: '${env.P:+p}', provider_type: t}]}"
STORES = "providers: {vector_io: [{provider_id: v, provider_type: t}]}"


@requirement("run-yaml:faults")
@pytest.mark.parametrize(
    ("text", "path", "message", "stops"),
    [
        ("{server: {port: '${env.P}'}}", ("server", "port"), "the environment variable P is not set", True),
        (
            "{providers: {inference: [{provider_id: a, provider_type: t}, {provider_id: a, provider_type: u}]}}",
            ("providers", "inference", 1, "provider_id"),
            "the id 'a' is given twice in inference: the last one counts",
            False,
        ),
        (
            "{storage: {backends: {kv: {type: kv_sqlite}}, stores: {metadata: {namespace: r, backend: x}}}}",
            ("storage", "stores", "metadata", "backend"),
            "storage.backends has no 'x'",
            True,
        ),
        (f"{{models: [{MODEL}]}}", ("models", 0, "provider_id"), "the provider 'p' is not there", True),
        (f"{{models: [{MODEL}], {OFF}}}", ("models", 0, "provider_id"), "the provider 'p' is off", True),
        ("{shields: [{shield_id: s}]}", ("shields", 0), "the shield 's' is left out: it names no provider", False),
        (
            f"{{models: [{EMBEDDING}], {ON}}}",
            ("models", 0),
            "the embedding model 'm' has no dimension",
            True,
        ),
        (
            f"{{distro_name: d, registered_resources: {{vector_stores: [{STORE}]}}, {STORES}}}",
            ("registered_resources", "vector_stores", 0, "embedding_model"),
            "'m' is not registered: it must be a model that its provider lists itself",
            False,
        ),
        (
            f"{{distro_name: d, {provider('file_processors', 'inline::auto')}}}",
            ("providers", "file_processors", 0, "provider_type"),
            "without markitdown its workers are started again for ever",
            False,
        ),
        (
            f"{{{provider('vector_io', 'inline::sqlite-vec')}}}",
            ("providers", "vector_io", 0, "provider_type"),
            "needs a Python whose SQLite loads extensions, which many do not",
            False,
        ),
        (
            f"{{{provider('inference', 'inline::sentence-transformers')}}}",
            ("providers", "inference", 0, "provider_type"),
            "needs torch, and fetches its model when it is first used",
            False,
        ),
    ],
)
def test_what_is_wrong_with_a_file(text: str, path: tuple[str | int, ...], message: str, stops: bool) -> None:
    assert [(it.path, it.message, it.stops) for it in faults(parsed(text))] == [(path, message, stops)]


@requirement("run-yaml:faults")
def test_what_llama_stack_0_2_does_otherwise_than_it_is_told() -> None:
    assert [(it.message, it.stops) for it in faults(read("old"))] == [
        ("0.2.22 does not use it to embed what vector databases search for", False),
        ("0.2.22 does not keep the id 'manual': each start makes one more store, an empty one", False),
    ]
    assert faults(read("upgraded-0.7")) == ()
    assert faults(read("upgraded-1")) == ()


STEPS_TO_0_7 = [
    ("image_name", "call it  distro_name", False),
    ("apis[0]", "remove it", True),
    ("apis[3]", "remove it", True),
    ("providers.inference[1].config.url", "call it  base_url, with a value that ends in /v1", False),
    ("providers.inference[2].config.url", "call it  base_url", False),
    ("providers.vector_io[0]", "give it a new file, and put the documents in again", False),
    (
        "providers.vector_io[0].config.kvstore",
        (
            "move it to  storage.backends.faiss_store  with  type: kv_sqlite,  and write  "
            "persistence: {namespace: 'vector_io::faiss', backend: faiss_store}"
        ),
        True,
    ),
    (
        "providers.files[0].config.metadata_store",
        (
            "move it to  storage.backends.local_store  with  type: sql_sqlite,  and write  "
            "metadata_store: {table_name: files_metadata, backend: local_store}"
        ),
        True,
    ),
    ("providers.agents", "remove it: lightspeed-stack has turns of its own", True),
    ("providers.telemetry", "remove it: lightspeed-stack has metrics of its own", True),
    (
        "providers.tool_runtime[0].provider_type",
        "write  provider_type: inline::file-search  or remove it",
        True,
    ),
    (
        "metadata_store",
        (
            "move it to  storage.backends.kv_default  with  type: kv_sqlite,  and write  "
            "storage.stores.metadata: {namespace: registry, backend: kv_default}"
        ),
        False,
    ),
    (
        "inference_store",
        (
            "move it to  storage.backends.sql_default  with  type: sql_sqlite,  and write  "
            "storage.stores.inference: {table_name: inference_store, backend: sql_default}"
        ),
        False,
    ),
    ("models", "move it to  registered_resources.models", False),
    ("models[0].model_id", "name it so where it is used, as in shields and vector stores", False),
    ("shields", "move it to  registered_resources.shields", False),
    (
        "vector_dbs",
        "move it to  registered_resources.vector_stores,  and call vector_db_id there  vector_store_id",
        False,
    ),
    (
        "tool_groups",
        "remove it: tool groups register themselves, and lightspeed-stack has tools of its own",
        False,
    ),
]


def steps(remarks: tuple[Remark, ...]) -> list[tuple[str, str, bool]]:
    return [(dotted(remark.path), remark.fix, remark.stops) for remark in remarks]


@requirement("run-yaml:upgrade")
def test_the_steps_from_0_2_to_0_7() -> None:
    assert steps(changes(read("old"), R07)) == STEPS_TO_0_7


@requirement("run-yaml:upgrade")
def test_after_the_steps_nothing_is_left() -> None:
    assert changes(read("upgraded-0.7"), R07) == ()
    assert changes(read("upgraded-1"), R10) == ()
    assert changes(read("upgraded-1"), R15) == ()


@requirement("run-yaml:upgrade")
def test_the_steps_from_0_7_to_ogx() -> None:
    without = ("write  namespace: ''  to go on with it", False)
    assert steps(changes(read("upgraded-0.7"), R10)) == [
        ("apis[1]", "remove it", True),
        ("providers.vector_io[0].config.persistence.namespace", *without),
        ("providers.safety", "remove it, with its shields: nothing takes its place", True),
        ("storage.stores.metadata.namespace", *without),
        (
            "registered_resources.models[0].model_id",
            "name it so where it is used, as in shields and vector stores",
            False,
        ),
        ("registered_resources.shields", "remove it: nothing takes its place", False),
    ]


@requirement("run-yaml:upgrade")
@pytest.mark.parametrize(
    ("keys", "refused", "taken"),
    [
        ("apis: [responses]", R10, R15),
        ("apis: [skills]", R10, R15),
        (provider("batches", "inline::reference", "{kvstore: {namespace: b, backend: kv_default}}"), R10, R07),
        (provider("inference", "inline::transformers"), R15, R10),
        (provider("messages", "inline::builtin"), R15, R10),
        (provider("vector_io", "inline::faiss"), R07, R02),
        (provider("vector_io", "inline::sqlite_vec", "{persistence: {namespace: b, backend: kv_default}}"), R10, R07),
        (provider("safety", "inline::llama-guard"), R10, R07),
    ],
)
def test_one_release_starts_with_it_and_another_does_not(keys: str, refused: Release, taken: Release) -> None:
    run = parsed(f"{{distro_name: d, server: {{insecure: true}}, {keys}}}")
    assert any(remark.stops for remark in changes(run, refused))
    assert not any(remark.stops for remark in changes(run, taken))


@requirement("run-yaml:upgrade")
@pytest.mark.parametrize(
    ("server", "stops"),
    [
        ("{}", True),
        ("{insecure: true}", False),
        ("{tls_certfile: a, tls_keyfile: b}", False),
        ("{tls_certfile: a}", True),
    ],
)
def test_ogx_wants_tls_or_to_be_told(server: str, stops: bool) -> None:
    run = parsed(f"{{distro_name: d, server: {server}}}")
    assert [remark.stops for remark in changes(run, R15)] == ([True] if stops else [])
    assert changes(run, R10) == ()


@requirement("run-yaml:releases")
def test_the_newest_release_is_the_newest_that_we_speak_with() -> None:
    assert RELEASES[-1].name == f"ogx {MAXIMAL}"


@requirement("run-yaml:releases")
@pytest.mark.parametrize(
    ("package", "version", "name"),
    [
        ("ogx", "1.5.0", "ogx 1.5.0"),
        ("ogx", "1.3.1", "ogx 1.0.2"),
        ("ogx", "1.0.0", "ogx 1.0.2"),
        ("llama-stack", "0.5.0rc1", "llama-stack 0.2.22"),
        ("llama-stack", "0.7.3", "llama-stack 0.7.3"),
    ],
)
def test_an_installed_release_counts_as_the_one_below(package: str, version: str, name: str) -> None:
    assert release_for(package, version).name == name


@requirement("run-yaml:secrets")
@pytest.mark.parametrize("name", ["old", "upgraded-0.7", "upgraded-1"])
def test_nothing_shows_a_secret(name: str) -> None:
    run = read(name)
    told = [repr(run), str(faults(run)), *(str(changes(run, release)) for release in RELEASES)]
    assert "canary" in (FIXTURES / f"{name}.yaml").read_text("utf-8")
    assert "canary" not in "".join(told)


KEYS = [
    "apis", "providers", "inference", "vector_io", "safety", "files", "provider_id", "provider_type", "config",
    "kvstore", "persistence", "namespace", "backend", "storage", "backends", "stores", "metadata", "type", "db_path",
    "models", "model_id", "model_type", "metadata", "embedding_dimension", "registered_resources", "vector_stores",
    "vector_dbs", "shields", "server", "port", "auth", "provider_config", "distro_name", "image_name", "url",
    "base_url",
]  # fmt: skip
VALUES = [
    "a", "", "sqlite", "kv_sqlite", "inline::faiss", "remote::openai", "remote::ollama", "inline::auto", "embedding",
    "${env.A}", "${env.A:=b}", "${env.A:+b}", "__disabled__", "inference", "agents", "inline::reference",
]  # fmt: skip
TREES = st.dictionaries(
    st.sampled_from(KEYS) | st.integers(),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.sampled_from(VALUES),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
        max_leaves=20,
    ),
    max_size=8,
)


@requirement("run-yaml:garbage")
@given(TREES)
def test_whatever_stands_in_a_file_it_is_read(tree: dict[object, object]) -> None:
    run = read_run_file(Document(tree, {(): 1}), {})
    faults(run)
    for release in RELEASES:
        changes(run, release)

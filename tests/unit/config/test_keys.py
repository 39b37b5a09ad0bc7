"""Which keys there are, what they default to, what they accept."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from lightspeed_stack.config.dump import as_json
from lightspeed_stack.config.keys import every_key
from lightspeed_stack.config.tree import Config
from tests.spec.registry import requirement
from tests.unit.config.conftest import MINIMAL, Files

POSTGRES = "host port db user password namespace ssl_mode gss_encmode ca_cert_path"
CONTRACT = {
    "": "name service llama_stack user_data_collection database mcp_servers authentication authorization customization "
    "inference conversation_cache byok_rag",
    "service": "host port auth_enabled workers color_log access_log tls_config cors",
    "service.tls_config": "tls_certificate_path tls_key_path tls_key_password",
    "service.cors": "allow_origins allow_credentials allow_methods allow_headers",
    "llama_stack": "url api_key use_as_library_client library_client_config_path",
    "user_data_collection": "feedback_enabled feedback_storage transcripts_enabled transcripts_storage",
    "database": "sqlite postgres",
    "database.sqlite": "db_path",
    "database.postgres": POSTGRES,
    "mcp_servers[]": "name provider_id url",
    "authentication": "module skip_tls_verification k8s_cluster_api k8s_ca_cert_path jwk_config",
    "authentication.jwk_config": "url jwt_configuration",
    "authentication.jwk_config.jwt_configuration": "user_id_claim username_claim role_rules",
    "authentication.jwk_config.jwt_configuration.role_rules[]": "jsonpath operator negate value roles",
    "authorization": "access_rules",
    "authorization.access_rules[]": "role actions",
    "customization": "profile_path disable_query_system_prompt system_prompt_path system_prompt custom_profile",
    "customization.custom_profile": "path prompts",
    "inference": "default_model default_provider",
    "conversation_cache": "type memory sqlite postgres",
    "conversation_cache.memory": "max_entries",
    "conversation_cache.sqlite": "db_path",
    "conversation_cache.postgres": POSTGRES,
    "byok_rag[]": "rag_id rag_type embedding_model embedding_dimension vector_db_id db_path",
}
OURS = {
    "": "rag shields",
    "service": "max_body_size",
    "llama_stack": "timeout max_retries retry_delay allow_degraded_mode",
    "user_data_collection": "transcripts_without_text retention_days max_storage_size",
    "mcp_servers[]": "authorization_headers headers timeout require_approval",
    "authentication": "skip_for_health_probes skip_for_metrics",
    "inference": "providers max_question_length max_attachments max_attachments_length max_infer_iters max_tool_calls "
    "max_turn_tokens max_turn_seconds tool_timeout max_tool_result_tokens max_offered_tools topic_summaries",
    "inference.providers[]": "id type extra url api_key api_key_env allowed_models",
    "rag": "stores embedding max_passages min_score",
    "rag.embedding": "model dimension max_tokens",
    "rag.stores[]": "name path",
    "shields[]": "id type extra required",
}


def by_section() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in every_key(Config):
        above, _, name = key.path.rpartition(".")
        found.setdefault(above, []).append(name)
    return found


@requirement("config:keys:contract")
def test_the_contract_has_98_keys() -> None:
    assert sum(len(names.split()) for names in CONTRACT.values()) == 98


@requirement("config:keys:contract", "config:keys:additions")
def test_the_tree_has_the_keys_of_the_contract_then_ours() -> None:
    expected = {above: names.split() for above, names in CONTRACT.items()}
    for above, names in OURS.items():
        expected[above] = [*expected.get(above, []), *names.split()]
    assert by_section() == expected


def test_every_key_is_described() -> None:
    assert [key.path for key in every_key(Config) if not (key.field.description or "").endswith(".")] == []


@requirement("config:keys:minimal")
def test_the_minimal_file_for_a_server_loads(files: Files) -> None:
    config = files.load(MINIMAL)
    assert config.name == "my service"
    assert config.llama_stack is not None
    assert config.llama_stack.url == "http://localhost:8321"
    assert config.llama_stack.use_as_library_client is False


@requirement("config:keys:minimal")
def test_the_minimal_file_for_the_library_loads(files: Files) -> None:
    run = files.directory / "run.yaml"
    run.write_text("version: 2\n")
    section = f"llama_stack: {{use_as_library_client: true, library_client_config_path: {run}}}\n"
    config = files.load(f"name: x\nservice: {{}}\n{section}user_data_collection: {{}}\n")
    assert config.llama_stack is not None
    assert config.llama_stack.use_as_library_client is True
    assert config.llama_stack.library_client_config_path == str(run)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("service", "host", "localhost"),
        ("service", "port", 8080),
        ("service", "auth_enabled", False),
        ("service", "workers", 1),
        ("service", "color_log", True),
        ("service", "access_log", True),
        ("service", "max_body_size", 4194304),
        ("service.tls_config", "tls_certificate_path", None),
        ("service.tls_config", "tls_key_path", None),
        ("service.tls_config", "tls_key_password", None),
        ("service.cors", "allow_origins", ["*"]),
        ("service.cors", "allow_credentials", False),
        ("service.cors", "allow_methods", ["*"]),
        ("service.cors", "allow_headers", ["*"]),
        ("llama_stack", "api_key", None),
        ("user_data_collection", "feedback_enabled", False),
        ("user_data_collection", "feedback_storage", None),
        ("user_data_collection", "transcripts_enabled", False),
        ("user_data_collection", "transcripts_storage", None),
        ("user_data_collection", "transcripts_without_text", False),
        ("user_data_collection", "retention_days", None),
        ("user_data_collection", "max_storage_size", None),
        ("database", "sqlite", {"db_path": "/tmp/lightspeed-stack.db"}),  # noqa: S108 - the contract's default
        ("database", "postgres", None),
        ("", "mcp_servers", []),
        ("", "authorization", None),
        ("", "customization", None),
        ("", "byok_rag", []),
        ("authentication", "module", "noop"),
        ("authentication", "skip_tls_verification", False),
        ("authentication", "k8s_cluster_api", None),
        ("authentication", "jwk_config", None),
        ("authentication", "skip_for_health_probes", False),
        ("authentication", "skip_for_metrics", False),
        ("inference", "default_model", None),
        ("inference", "default_provider", None),
        ("inference", "providers", []),
        ("inference", "max_question_length", 131072),
        ("inference", "max_attachments", 32),
        ("inference", "max_attachments_length", 1048576),
        ("inference", "topic_summaries", True),
        ("conversation_cache", "type", None),
        ("rag", "stores", []),
        ("rag", "embedding", None),
        ("rag", "max_passages", 3),
        ("rag", "min_score", 0.25),
    ],
)
@requirement("config:keys:contract", "config:keys:additions")
def test_defaults(files: Files, section: str, key: str, value: object) -> None:
    tree: Any = as_json(files.load(MINIMAL))
    for step in filter(None, section.split(".")):
        tree = tree[step]
    assert tree[key] == value


@requirement("config:keys:contract")
def test_defaults_of_sections_that_are_null_without_them(files: Files) -> None:
    (files.directory / "store.db").write_text("")
    tree = as_json(
        files.load(
            MINIMAL
            + "mcp_servers: [{name: a, url: anything}]\n"
            + "database: {postgres: {db: d, user: u, password: p}}\n"
            + "authentication: {module: jwk-token, jwk_config: {url: 'https://idp.example.com'}}\n"
            + "authorization: {}\ncustomization: {}\n"
            + f"byok_rag: [{{rag_id: r, vector_db_id: v, db_path: {files.directory}/store.db}}]\n"
        )
    )
    assert tree["mcp_servers"] == [
        {
            "name": "a",
            "provider_id": "model-context-protocol",
            "url": "anything",
            "authorization_headers": {},
            "headers": [],
            "timeout": None,
            "require_approval": "never",
        }
    ]
    assert tree["database"] == {
        "sqlite": None,
        "postgres": {
            "host": "localhost",
            "port": 5432,
            "db": "d",
            "user": "u",
            "password": "**********",
            "namespace": "lightspeed-stack",
            "ssl_mode": "prefer",
            "gss_encmode": "prefer",
            "ca_cert_path": None,
        },
    }
    assert tree["authentication"]["jwk_config"] == {
        "url": "https://idp.example.com/",
        "jwt_configuration": {"user_id_claim": "user_id", "username_claim": "username", "role_rules": []},
    }
    assert tree["authorization"] == {"access_rules": []}
    assert tree["customization"] == {
        "profile_path": None,
        "disable_query_system_prompt": False,
        "system_prompt_path": None,
        "system_prompt": None,
        "custom_profile": None,
    }
    assert tree["byok_rag"] == [
        {
            "rag_id": "r",
            "rag_type": "inline::faiss",
            "embedding_model": "sentence-transformers/all-mpnet-base-v2",
            "embedding_dimension": 768,
            "vector_db_id": "v",
            "db_path": f"{files.directory}/store.db",
        }
    ]


@pytest.mark.parametrize(
    ("written", "port", "color"),
    [
        ("{port: '9000', color_log: 'no'}", 9000, False),
        ("{port: 9000.0, color_log: 0}", 9000, False),
        ("{port: 65535, color_log: yes}", 65535, True),
        ("{port: 1, color_log: 'yes'}", 1, True),
    ],
)
@requirement("config:values:coerced")
def test_scalars_are_coerced(files: Files, written: str, port: int, color: bool) -> None:
    service = files.load(MINIMAL.replace("service: {}", f"service: {written}")).service
    assert (service.port, service.color_log) == (port, color)


@pytest.mark.parametrize("value", ["123", "1.5", "true", "2024-01-01", "[a]", "null"])
@requirement("config:values:coerced")
def test_nothing_becomes_text(files: Files, value: str) -> None:
    told = files.problems(MINIMAL.replace("name: my service", f"name: {value}"))
    assert told.startswith("lightspeed-stack.yaml:1: name: Input should be a valid string\n    fix: write  name: ")


@requirement("config:values:immutable")
def test_a_loaded_configuration_is_frozen(files: Files) -> None:
    config = files.load(MINIMAL)
    assert config.service.cors.allow_origins == ("*",)
    with pytest.raises(ValidationError):
        config.service.port = 1  # type: ignore[misc]
    with pytest.raises(ValidationError):
        config.name = "other"  # type: ignore[misc]


@requirement("config:llama-stack:optional")
@pytest.mark.parametrize("llama_stack", ["", "llama_stack: null\n"])
def test_llama_stack_is_optional_with_a_provider(files: Files, llama_stack: str) -> None:
    text = f"name: x\nservice: {{}}\nuser_data_collection: {{}}\n{llama_stack}"
    config = files.load(text + "inference: {providers: [{id: a, type: embedded}]}\n")
    assert config.llama_stack is None
    assert as_json(config)["llama_stack"] is None
    for without in ("", "inference: {}\n", "inference: {providers: []}\n", "inference: 5\n"):
        assert "llama_stack: Field required\n    fix: add  llama_stack:" in files.problems(text + without)


@requirement("config:keys:contract")
def test_the_json_schema_can_be_made() -> None:
    schema = Config.model_json_schema(mode="serialization")
    assert list(schema["properties"])[:3] == ["name", "service", "llama_stack"]
    assert json.dumps(schema)

"""Every rule of the contract: what is refused, with which words, at which key."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from lightspeed_stack.config.assistant import CustomizationSection, LlamaStackSection
from lightspeed_stack.config.data import UserDataSection
from lightspeed_stack.config.load import load_config
from lightspeed_stack.errors import ConfigurationError
from tests.spec.registry import requirement
from tests.unit.config.conftest import MINIMAL, Files

RULE = "authentication: {module: jwk-token, jwk_config: {url: 'http://h', jwt_configuration: {role_rules: [%s]}}}"
RULE_AT = "authentication.jwk_config.jwt_configuration.role_rules[0]"
PG = "{db: d, user: u, password: p}"


def with_service(text: str) -> str:
    return MINIMAL.replace("service: {}", f"service: {text}")


def with_stack(text: str) -> str:
    return MINIMAL.replace("llama_stack:\n  url: http://localhost:8321", f"llama_stack: {text}")


def with_data(text: str) -> str:
    return MINIMAL.replace("user_data_collection: {}", f"user_data_collection: {text}")


RULES = [
    (with_service("{port: 65536}"), "service.port", "Port value should be less than 65536"),
    (with_service("{port: 0}"), "service.port", "Input should be greater than 0"),
    (with_service("{workers: 0}"), "service.workers", "Input should be greater than 0"),
    (with_service("{workers: many}"), "service.workers", "Input should be a valid integer"),
    (with_service("{max_body_size: 0}"), "service.max_body_size", "Input should be greater than 0"),
    (with_service("{color_log: maybe}"), "service.color_log", "Input should be a valid boolean"),
    (with_service("null"), "service", "Input should be a valid dictionary"),
    *[
        (
            with_service(f"{{tls_config: {{{key}: nowhere}}}}"),
            f"service.tls_config.{key}",
            "Path does not point to a file",
        )
        for key in ("tls_certificate_path", "tls_key_path", "tls_key_password")
    ],
    (with_service("{cors: {allow_credentials: true}}"), "service.cors.allow_credentials", "Invalid CORS configuration"),
    (with_service("{cors: {allow_origins: '*'}}"), "service.cors.allow_origins", "Input should be a valid list"),
    (
        with_stack("{}"),
        "llama_stack.url",
        "Llama stack URL is not specified and library client mode is not specified",
    ),
    (
        with_stack("{use_as_library_client: false}"),
        "llama_stack.url",
        "Llama stack URL is not specified and library client mode is not enabled",
    ),
    (
        with_stack("{use_as_library_client: true}"),
        "llama_stack.library_client_config_path",
        "Llama stack library client mode is enabled but a configuration file path is not specified",
    ),
    (
        with_stack("{url: 'http://h', use_as_library_client: true, library_client_config_path: nope.yaml}"),
        "llama_stack.library_client_config_path",
        "Llama Stack configuration file 'nope.yaml' is not a file",
    ),
    (
        with_data("{feedback_enabled: true}"),
        "user_data_collection.feedback_storage",
        "feedback_storage is required when feedback is enabled",
    ),
    (
        with_data("{transcripts_enabled: true}"),
        "user_data_collection.transcripts_storage",
        "transcripts_storage is required when transcripts is enabled",
    ),
    (
        with_data("{feedback_enabled: true, feedback_storage: /dev/null}"),
        "user_data_collection.feedback_storage",
        "Check directory to store feedback '/dev/null' is not a directory",
    ),
    (
        with_data("{transcripts_enabled: true, transcripts_storage: /dev/null}"),
        "user_data_collection.transcripts_storage",
        "Check directory to store transcripts '/dev/null' is not a directory",
    ),
    (
        f"{MINIMAL}database: {{sqlite: {{db_path: a}}, postgres: {PG}}}",
        "database.postgres",
        "Only one database configuration can be provided",
    ),
    (f"{MINIMAL}database: {{sqlite: {{}}}}", "database.sqlite.db_path", "Field required"),
    (f"{MINIMAL}database: {{postgres: {{user: u, password: p}}}}", "database.postgres.db", "Field required"),
    (f"{MINIMAL}database: {{postgres: {{db: d, password: p}}}}", "database.postgres.user", "Field required"),
    (f"{MINIMAL}database: {{postgres: {{db: d, user: u}}}}", "database.postgres.password", "Field required"),
    (
        f"{MINIMAL}database: {{postgres: {{db: d, user: u, password: p, port: 65536}}}}",
        "database.postgres.port",
        "Port value should be less than 65536",
    ),
    (
        f"{MINIMAL}database: {{postgres: {{db: d, user: u, password: p, ca_cert_path: nowhere}}}}",
        "database.postgres.ca_cert_path",
        "Path does not point to a file",
    ),
    (f"{MINIMAL}mcp_servers: [{{url: u}}]", "mcp_servers[0].name", "Field required"),
    (f"{MINIMAL}mcp_servers: [{{name: n}}]", "mcp_servers[0].url", "Field required"),
    (
        f"{MINIMAL}authentication: {{module: basic}}",
        "authentication.module",
        "Unsupported authentication module 'basic'. Supported modules: noop, noop-with-token, k8s, jwk-token",
    ),
    (
        f"{MINIMAL}authentication: {{k8s_cluster_api: 'ftp://h'}}",
        "authentication.k8s_cluster_api",
        "URL scheme should be 'http' or 'https'",
    ),
    (
        f"{MINIMAL}authentication: {{k8s_ca_cert_path: nowhere}}",
        "authentication.k8s_ca_cert_path",
        "Path does not point to a file",
    ),
    (
        f"{MINIMAL}authentication: {{module: jwk-token}}",
        "authentication.jwk_config",
        "JWK configuration must be specified when using JWK token authentication",
    ),
    (f"{MINIMAL}authentication: {{jwk_config: {{}}}}", "authentication.jwk_config.url", "Field required"),
    (
        MINIMAL + RULE % "{jsonpath: '$.[', operator: equals, value: [a], roles: [a]}",
        f"{RULE_AT}.jsonpath",
        "Invalid JSONPath expression: $.[",
    ),
    (
        MINIMAL + RULE % "{jsonpath: $.a, operator: like, value: [a], roles: [a]}",
        f"{RULE_AT}.operator",
        "Input should be 'equals', 'contains', 'in' or 'match'",
    ),
    (MINIMAL + RULE % "{jsonpath: $.a, operator: in, roles: [a]}", f"{RULE_AT}.value", "Field required"),
    (
        MINIMAL + RULE % "{jsonpath: $.a, operator: match, value: [a], roles: [a]}",
        f"{RULE_AT}.value",
        "MATCH operator requires a string pattern, list",
    ),
    (
        MINIMAL + RULE % "{jsonpath: $.a, operator: match, value: '(', roles: [a]}",
        f"{RULE_AT}.value",
        "Invalid regex pattern for MATCH operator: (",
    ),
    (
        MINIMAL + RULE % "{jsonpath: $.a, operator: equals, value: [a], roles: []}",
        f"{RULE_AT}.roles",
        "At least one role must be specified in the rule",
    ),
    (
        MINIMAL + RULE % "{jsonpath: $.a, operator: equals, value: [a], roles: [a, a]}",
        f"{RULE_AT}.roles",
        "Roles must be unique in the rule",
    ),
    (
        MINIMAL + RULE % "{jsonpath: $.a, operator: equals, value: [a], roles: ['*']}",
        f"{RULE_AT}.roles",
        "The wildcard '*' role is not allowed in role rules",
    ),
    (
        f"{MINIMAL}authorization: {{access_rules: [{{role: a, actions: [qurey]}}]}}",
        "authorization.access_rules[0].actions[0]",
        "Input should be 'admin', 'list_other_conversations'",
    ),
    (
        f"{MINIMAL}authorization: {{access_rules: [{{role: a}}]}}",
        "authorization.access_rules[0].actions",
        "Field required",
    ),
    (
        f"{MINIMAL}customization: {{profile_path: nowhere.py}}",
        "customization.profile_path",
        "custom profile 'nowhere.py' is not a file",
    ),
    (
        f"{MINIMAL}customization: {{custom_profile: {{path: nowhere.py}}}}",
        "customization.custom_profile.path",
        "custom profile 'nowhere.py' is not a file",
    ),
    (
        f"{MINIMAL}customization: {{system_prompt_path: nowhere.txt}}",
        "customization.system_prompt_path",
        "Path does not point to a file",
    ),
    (
        f"{MINIMAL}inference: {{default_provider: p}}",
        "inference.default_model",
        "Default model must be specified when default provider is set",
    ),
    (
        f"{MINIMAL}inference: {{default_model: m}}",
        "inference.default_provider",
        "Default provider must be specified when default model is set",
    ),
    (
        f"{MINIMAL}conversation_cache: {{memory: {{max_entries: 5}}}}",
        "conversation_cache.type",
        "Conversation cache type must be set when backend configuration is provided",
    ),
    (
        f"{MINIMAL}conversation_cache: {{type: memory}}",
        "conversation_cache.memory",
        "Memory cache is selected, but not configured",
    ),
    (
        f"{MINIMAL}conversation_cache: {{type: sqlite}}",
        "conversation_cache.sqlite",
        "SQLite cache is selected, but not configured",
    ),
    (
        f"{MINIMAL}conversation_cache: {{type: postgres}}",
        "conversation_cache.postgres",
        "PostgreSQL cache is selected, but not configured",
    ),
    (
        f"{MINIMAL}conversation_cache: {{type: memory, memory: {{max_entries: 5}}, sqlite: {{db_path: a}}}}",
        "conversation_cache.sqlite",
        "Only memory cache config must be provided",
    ),
    (
        f"{MINIMAL}conversation_cache: {{type: sqlite, memory: {{max_entries: 5}}, sqlite: {{db_path: a}}}}",
        "conversation_cache.memory",
        "Only SQLite cache config must be provided",
    ),
    (
        f"{MINIMAL}conversation_cache: {{type: postgres, memory: {{max_entries: 5}}, postgres: {PG}}}",
        "conversation_cache.memory",
        "Only PostgreSQL cache config must be provided",
    ),
    (
        f"{MINIMAL}conversation_cache: {{type: redis}}",
        "conversation_cache.type",
        "Input should be 'noop', 'memory', 'sqlite' or 'postgres'",
    ),
    (f"{MINIMAL}conversation_cache: {{memory: {{}}}}", "conversation_cache.memory.max_entries", "Field required"),
    (
        f"{MINIMAL}conversation_cache: {{memory: {{max_entries: 0}}}}",
        "conversation_cache.memory.max_entries",
        "Input should be greater than 0",
    ),
    *[
        (f"{MINIMAL}byok_rag: [{{{key}: ''}}]", f"byok_rag[0].{key}", "String should have at least 1 character")
        for key in ("rag_id", "rag_type", "embedding_model", "vector_db_id")
    ],
    (f"{MINIMAL}byok_rag: [{{embedding_dimension: 0}}]", "byok_rag[0].embedding_dimension", "Input should be greater"),
    (f"{MINIMAL}byok_rag: [{{db_path: nowhere}}]", "byok_rag[0].db_path", "Path does not point to a file"),
    (f"{MINIMAL}byok_rag: [{{}}]", "byok_rag[0].db_path", "Field required"),
    (f"{MINIMAL}rag: {{max_passages: 21}}", "rag.max_passages", "Input should be less than or equal to 20"),
    (f"{MINIMAL}rag: {{max_passages: 0}}", "rag.max_passages", "Input should be greater than or equal to 1"),
    (f"{MINIMAL}rag: {{min_score: 1.5}}", "rag.min_score", "Input should be less than or equal to 1"),
    (f"{MINIMAL}rag: {{stores: [{{name: '', path: a}}]}}", "rag.stores[0].name", "String should have at least 1"),
    (
        f"{MINIMAL}rag: {{stores: [{{name: a, path: a}}, {{name: a, path: b}}]}}",
        "rag.stores[1].name",
        "the name 'a' is given twice",
    ),
    (f"{MINIMAL}inference: {{max_question_length: 0}}", "inference.max_question_length", "Input should be greater"),
]


@pytest.mark.parametrize(("text", "key", "message"), RULES, ids=[f"{key}-{message[:30]}" for _, key, message in RULES])
@requirement("config:rules:contract", "config:errors:located")
def test_rules(files: Files, text: str, key: str, message: str) -> None:
    told = files.problems(text)
    lines = [line for line in told.splitlines() if f": {key}: " in line]
    assert any(message in line for line in lines), told
    assert all(line.startswith("    fix: ") for line in told.splitlines()[1::2])
    assert "Value error" not in told


@pytest.mark.parametrize("name", [f"{above}prot" for above in ("", "service: {", "database: {", "rag: {")])
@requirement("config:keys:unknown")
def test_unknown_keys(files: Files, name: str) -> None:
    text = MINIMAL.replace("service: {}\n", "") if name.startswith("service") else MINIMAL
    told = files.problems(f"{text}{name}: 1{'}' if '{' in name else ''}\n")
    key = name.replace(": {", ".")
    assert f"lightspeed-stack.yaml:{len(text.splitlines()) + 1}: {key}: Extra inputs are not permitted\n" in told


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        (with_service("{prot: 1}"), "did you mean `port`?"),
        (with_service("{log_level: debug}"), "remove it; known keys here: host, port, auth_enabled, workers"),
        (with_data("{data_collector: {}}"), "remove it; known keys here: feedback_enabled, feedback_storage"),
        (f"{MINIMAL}authorization: {{access_rules: [{{role: a, actions: [qurey]}}]}}", "did you mean `query`?"),
        (MINIMAL.replace("http://localhost:8321", "vllm:8000"), "write  url: http://vllm:8000"),
        (MINIMAL.replace("name: my service", "name: 12"), 'write  name: "12"'),
        (with_service("{port: abc}"), "write  port: 8080"),
        (with_service("{cors: {allow_origins: '*'}}"), 'write  allow_origins: ["*"]'),
        (f"{MINIMAL}database: {{postgres: {{}}}}", "add  db: lightspeed"),
        (f"{MINIMAL}database: {{postgres: d}}", "write its keys on the lines below, indented; required: db, user"),
        (f"{MINIMAL}conversation_cache: {{type: xyz}}", "write one of: noop, memory, sqlite, postgres"),
    ],
)
@requirement("config:errors:located", "config:keys:unknown")
def test_fixes(files: Files, text: str, fix: str) -> None:
    assert f"    fix: {fix}" in files.problems(text)


@requirement("config:llama-stack:scheme")
def test_a_url_without_scheme_is_refused_where_it_would_be_used(files: Files) -> None:
    assert files.problems("name: x\nservice: {}\nllama_stack:\n  url: vllm:8000\nuser_data_collection: {}\n") == (
        "lightspeed-stack.yaml:4: llama_stack.url: 'vllm:8000' has no scheme\n    fix: write  url: http://vllm:8000"
    )
    run = files.directory / "run.yaml"
    run.write_text("")
    in_process = f"{{url: vllm, use_as_library_client: true, library_client_config_path: {run}}}"
    assert files.load(with_stack(in_process)).llama_stack is not None


@requirement("config:rules:admin-alone")
def test_admin_stands_alone(files: Files) -> None:
    text = MINIMAL + "authorization: {access_rules: [{role: a, actions: [%s]}]}"
    told = files.problems(text % "admin, query")
    assert "access_rules[0].actions: Access rule with 'admin' action cannot have other actions\n" in told
    assert files.load(text % "admin").authorization is not None


@requirement("config:rules:contract")
def test_a_cache_that_does_nothing_takes_any_section(files: Files) -> None:
    text = "conversation_cache: {type: noop, memory: {max_entries: 5}, sqlite: {db_path: a}}"
    assert files.load(MINIMAL + text).conversation_cache.type == "noop"


@requirement("config:rules:contract")
def test_storage_that_does_not_exist_yet_is_fine(files: Files) -> None:
    text = with_data(f"{{feedback_enabled: true, feedback_storage: {files.directory}/a/b}}")
    assert files.load(text).user_data_collection.feedback_enabled


@requirement("config:rules:contract")
def test_storage_that_cannot_be_written_is_refused(closed: Callable[[int], Path]) -> None:
    path = closed(0o555)
    with pytest.raises(ValidationError, match=f"Check directory to store transcripts '{path}' is not writable"):
        UserDataSection(transcripts_enabled=True, transcripts_storage=str(path))


@requirement("config:rules:contract")
def test_files_that_cannot_be_read_are_refused(closed: Callable[[int], Path]) -> None:
    path = closed(0o000) / "file.txt"
    with pytest.raises(ValidationError, match=f"Llama Stack configuration file '{path}' is not readable"):
        LlamaStackSection(use_as_library_client=True, library_client_config_path=str(path))
    with pytest.raises(ValidationError, match=f"system prompt '{path}' is not readable"):
        CustomizationSection(system_prompt_path=path)
    with pytest.raises(ValidationError, match=f"custom profile '{path}' is not readable"):
        CustomizationSection(profile_path=str(path))
    with pytest.raises(ConfigurationError, match=f"{path}: the file is not readable\n    fix: "):
        load_config(path)

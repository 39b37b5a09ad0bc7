"""What loading says about files that cannot be used."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lightspeed_stack.config.load import load_config
from lightspeed_stack.errors import ConfigurationError
from tests.spec.registry import requirement
from tests.unit.config.conftest import MINIMAL, Files

SECRET = "hunter2hunter2"


@requirement("config:errors:all-at-once", "config:errors:located")
def test_all_problems_are_told_in_the_order_of_the_file(files: Files) -> None:
    text = (
        "name: my service\n"
        "service:\n"
        "  prot: 8080\n"
        "  workers: 0\n"
        "llama_stack: {url: http://localhost:8321}\n"
        "database:\n"
        "  postgres:\n"
        "    db: lightspeed\n"
        "    password: secret\n"
        "mcp_servers:\n"
        "  - name: files\n"
        "    url: 5\n"
    )
    assert files.problems(text) == (
        "lightspeed-stack.yaml:1: user_data_collection: Field required\n"
        "    fix: add  user_data_collection: {}\n"
        "lightspeed-stack.yaml:3: service.prot: Extra inputs are not permitted\n"
        "    fix: did you mean `port`?\n"
        "lightspeed-stack.yaml:4: service.workers: Input should be greater than 0\n"
        "    fix: write  workers: 1\n"
        "lightspeed-stack.yaml:7: database.postgres.user: Field required\n"
        "    fix: add  user: lightspeed\n"
        "lightspeed-stack.yaml:12: mcp_servers[0].url: Input should be a valid string\n"
        '    fix: write  url: "5"'
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", ":1: the file is empty\n    fix: write at least  name, service"),
        (b"# only a remark\n", ":1: the file is empty\n    fix: "),
        (b"\n- a\n", ":2: the file is not a mapping of keys to values\n    fix: "),
        (b"text", ":1: the file is not a mapping of keys to values\n    fix: "),
        (b"name: a\nservice: [\n", ":3: not valid YAML at column 1: "),
        (b"name: a\n  port: 5\n", ":2: not valid YAML at column 7: mapping values are not allowed"),
        (b"name: \xff\n", ":1: the text is not UTF-8\n    fix: "),
        (b"name: a\nservice: \xff\n", ":2: the text is not UTF-8\n    fix: "),
        (b"name: a\x00b\n", ": not valid YAML: unacceptable character #x0000\n    fix: "),
        (b"a: 1\n---\nb: 1\n", ":2: not valid YAML at column 1: but found another document\n    fix: "),
        (b"name: !!python/object:os.system x\n", ":1: name: the YAML tag is not supported\n    fix: remove the tag"),
        (b"name: !!binary aGk=\n", ":1: name: the YAML tag is not supported\n    fix: remove the tag"),
        (b"name: 2024-99-99\n", ":1: name: the value cannot be read\n    fix: put quotes"),
        (b"? [a]\n: b\n", ":1: a key must be a plain word\n    fix: "),
        (b"<<: 5\n", ":1: the merge key << takes mappings only\n    fix: "),
        (b"8080: x\n", ":1: [8080]: Keys should be strings\n    fix: put quotes around the key"),
    ],
)
@requirement("config:errors:file")
def test_files_that_cannot_be_used(files: Files, content: bytes, told: str) -> None:
    problems = files.problems(content)
    assert f"lightspeed-stack.yaml{told}" in problems
    assert len(problems.splitlines()) % 2 == 0


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("missing.yaml", "the file does not exist"),
        (".", "this is a directory"),
        ("a\0b", "the file cannot be read: the path is not valid"),
        ("x" * 5000, "the file cannot be read: File name too long"),
    ],
)
@requirement("config:errors:file")
def test_paths_that_cannot_be_used(tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_config(tmp_path / name)
    assert f": {told}\n    fix: " in raised.value.cause


@requirement("config:errors:duplicates")
def test_duplicate_keys(files: Files) -> None:
    text = MINIMAL + "database:\n  sqlite: {db_path: a, db_path: b}\nname: other\n"
    assert files.problems(text) == (
        "lightspeed-stack.yaml:7: database.sqlite.db_path: the key is given twice, first in line 7\n"
        "    fix: remove one of the two\n"
        "lightspeed-stack.yaml:8: name: the key is given twice, first in line 1\n"
        "    fix: remove one of the two"
    )


@requirement("config:errors:duplicates")
def test_a_merged_key_may_be_given_again(files: Files) -> None:
    text = MINIMAL + (
        "database: {postgres: &pg {db: d, user: u, password: p}}\n"
        "conversation_cache:\n  type: postgres\n  postgres:\n    <<: *pg\n    db: other\n"
    )
    cache = files.load(text).conversation_cache.postgres
    assert cache is not None
    assert (cache.db, cache.user) == ("other", "u")


BOMB = "\n".join(
    ["a0: &a0 [1,1,1,1,1,1,1,1,1,1]"] + [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
)
CHAIN = "\n".join(["a0: &a0 [1]"] + [f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 500)])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x" * (1024 * 1024 + 1), "lightspeed-stack.yaml: the file is larger than 1048576 bytes"),
        ("[" * 500_000, "lightspeed-stack.yaml:1: nested deeper than 64 levels"),
        ("a: " + "{a: " * 70, "lightspeed-stack.yaml:1: nested deeper than 64 levels"),
        (BOMB, "more than 100000 values, aliases included"),
        (CHAIN, "nested deeper than 64 levels"),
        ("a: &a [*a]", "lightspeed-stack.yaml:1: the value contains itself"),
        ("a: &a {<<: *a}", "lightspeed-stack.yaml:1: the value contains itself"),
    ],
    ids=["size", "lists", "mappings", "bomb", "chain", "cycle", "merge"],
)
@requirement("config:errors:bounded")
def test_files_that_are_too_much(files: Files, text: str, told: str) -> None:
    assert told in files.problems(text)


@requirement("config:errors:bounded")
def test_very_many_problems_are_cut(files: Files) -> None:
    told = files.problems("".join(f"key{index}: 1\n" for index in range(1000)))
    assert len(told.splitlines()) == 2 * 51
    assert "lightspeed-stack.yaml: 954 more problems\n    fix: mend the ones above first" in told


@given(st.binary(max_size=300) | st.text(alphabet="ab:-[]{}&*!<>|\"'#\n ,?%@`$0", max_size=80).map(str.encode))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@requirement("config:errors:garbage")
def test_garbage_is_only_ever_a_configuration_error(files: Files, content: bytes) -> None:
    assert "\n    fix: " in files.problems(content)


yaml_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(["service", "llama_stack", "database", "mcp_servers", "inference", "customization"]), yaml_like)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@requirement("config:errors:garbage")
def test_a_section_of_the_wrong_shape_is_only_ever_a_configuration_error(files: Files, key: str, value: object) -> None:
    text = yaml.safe_dump({"name": "x", "service": {}, "user_data_collection": {}, key: value})
    files.path.write_text(text)
    with contextlib.suppress(ConfigurationError):
        load_config(files.path, environ={})


SECRET_PLACES = [
    f"llama_stack: {{url: http://h, api_key: [{SECRET}]}}",
    f"llama_stack: {{url: http://h, api_key: {{{SECRET}: 1}}}}",
    f"llama_stack: {{url: 'user:{SECRET}@h'}}",
    f"database: {{postgres: {{password: [{SECRET}], port: x}}}}",
    f"database: {{postgres: {SECRET}}}",
    f"database: {{postgres: {{password: *{SECRET}}}}}",
    f"database: {{postgres: {{password: !{SECRET} x}}}}",
    f"database: {{postgres: {{password: {SECRET}, password: {SECRET}}}}}",
    f"database: {{postgres: {{passwrod: {SECRET}}}}}",
    f"inference: {{providers: [{{id: a, type: b, api_key: [{SECRET}]}}]}}",
    f"inference: {{providers: [{{id: a, type: b, api_key: {SECRET}, api_key_env: X}}]}}",
    f"inference: {{providers: [{{id: a, type: b, api_key_env: sk-{SECRET}}}]}}",
    f"inference: {{providers: [{{id: a, type: b, url: 'http://user:{SECRET}@h'}}]}}",
    f"inference: {{providers: [{{id: a, type: b, url: 'user:{SECRET}@h'}}]}}",
    f"inference: {{providers: [{{id: a, type: b, extra: {SECRET}}}]}}",
]


@pytest.mark.parametrize("text", SECRET_PLACES)
@requirement("config:secrets:hidden")
def test_no_message_shows_a_secret(files: Files, text: str) -> None:
    told = files.problems(f"name: x\nservice: {{}}\nuser_data_collection: {{}}\n{text}\n")
    assert SECRET not in told.replace(f"api_key.{SECRET}", "")


@requirement("config:secrets:hidden")
def test_a_number_as_secret_is_not_shown(files: Files) -> None:
    told = files.problems(MINIMAL + "database: {postgres: {db: d, user: u, password: 42424242}}")
    assert "42424242" not in told
    assert "fix: put quotes around the value" in told


@requirement("config:secrets:hidden")
def test_a_secret_from_the_environment_is_not_shown(files: Files) -> None:
    text = MINIMAL + "database: {postgres: {db: d, user: u, password: '${env.PW}'}}"
    assert "42424242" not in files.problems(text, {"PW": "42424242"})


@requirement("config:start:light")
def test_loading_imports_little(files: Files) -> None:
    files.path.write_text(MINIMAL)
    program = (
        "import sys; from pathlib import Path; from lightspeed_stack.config.load import load_config;"
        "load_config(Path(sys.argv[1]));"
        "print(sorted({name.partition('.')[0] for name in sys.modules}"
        " & {'fastapi', 'starlette', 'jsonpath_ng', 'sqlalchemy', 'aiohttp', 'numpy', 'ply'}))"
    )
    done = subprocess.run([sys.executable, "-c", program, files.path], check=True, capture_output=True, timeout=60)
    assert done.stdout.decode().strip() == "[]"

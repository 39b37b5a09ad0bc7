"""What others may see of a configuration."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lightspeed_stack.config.dump import as_json, dump
from tests.spec.registry import requirement
from tests.unit.config.conftest import MINIMAL, Files


@requirement("config:dump:contract")
def test_the_dump_of_the_minimal_file(files: Files) -> None:
    text = dump(files.load(MINIMAL))
    assert text.startswith('{\n    "name": "my service",\n    "service": {\n        "host": "localhost",\n')
    assert text.endswith('        "min_score": 0.25\n    },\n    "shields": []\n}')
    assert list(json.loads(text)) == [
        "name",
        "service",
        "llama_stack",
        "user_data_collection",
        "database",
        "mcp_servers",
        "authentication",
        "authorization",
        "customization",
        "inference",
        "conversation_cache",
        "byok_rag",
        "rag",
        "shields",
    ]


@requirement("config:dump:contract")
def test_lists_stay_lists_and_text_stays_readable(files: Files) -> None:
    tree = dump(files.load(MINIMAL.replace("my service", "Bärenhöhle")))
    assert '"name": "Bärenhöhle"' in tree
    assert '"allow_origins": [\n                "*"\n            ]' in tree


@requirement("config:dump:one-function")
def test_the_tree_is_the_dump_parsed(files: Files) -> None:
    config = files.load(MINIMAL)
    assert as_json(config) == json.loads(dump(config))


@requirement("config:dump:contract")
def test_a_dump_loads_again(files: Files) -> None:
    config = files.load(MINIMAL)
    assert files.load(dump(config)) == config


SECRETS = """
llama_stack: {url: http://h, api_key: %s}
database: {postgres: {db: d, user: u, password: %s}}
conversation_cache: {type: postgres, postgres: {db: d, user: u, password: %s}}
inference:
  providers:
    - {id: a, type: foreign, api_key: %s, extra: {token: %s}}
    - {id: b, type: openai, api_key_env: PROVIDER_KEY}
"""


@given(st.text(alphabet="abcdefXYZ0123456789-_äß", min_size=6).map(lambda text: f"§{text}"))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@requirement("config:secrets:hidden", "config:dump:contract")
def test_no_secret_is_dumped_or_represented(files: Files, secret: str) -> None:
    text = "name: x\nservice: {}\nuser_data_collection: {}" + SECRETS % ((json.dumps(secret),) * 5)
    config = files.load(text, {"PROVIDER_KEY": secret})
    tree = as_json(config)
    for shown in (dump(config), json.dumps(tree, ensure_ascii=False), repr(config), str(config)):
        assert secret not in shown
    assert tree["llama_stack"]["api_key"] == "**********"
    assert tree["inference"]["providers"][0]["extra"] == {"token": "**********"}
    assert tree["inference"]["providers"][1]["api_key_env"] == "PROVIDER_KEY"

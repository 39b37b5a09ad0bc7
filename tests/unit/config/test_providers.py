"""Model providers in the configuration."""

import pytest
from pydantic import Field, SecretStr

from lightspeed_stack.config.dump import as_json
from lightspeed_stack.config.providers import ProviderSection
from lightspeed_stack.config.section import Room, Section
from tests.spec.registry import requirement
from tests.unit.config.conftest import Files

HEAD = "name: x\nservice: {}\nuser_data_collection: {}\ninference:\n  providers:\n"


class Settings(Section):
    """As an adapter has them."""

    threads: int = Field(default=2, gt=0)
    token: SecretStr | None = None


class Demanding(Section):
    model: str


def settings_of(_room: Room, type_: str) -> type[Section] | None:
    known: dict[str, type[Section]] = {"local": Settings, "demanding": Demanding}
    return known.get(type_)


@requirement("config:providers:secret")
@pytest.mark.parametrize(
    ("item", "secret"),
    [
        ("{id: a, type: openai}", None),
        ("{id: a, type: openai, api_key: one}", "one"),
        ("{id: a, type: openai, api_key_env: KEY}", "two"),
        ("{id: a, type: openai, api_key: '${env.KEY}'}", "two"),
        ("{id: a, type: openai, api_key_env: NUMERIC}", "1234"),
    ],
)
def test_secrets(files: Files, item: str, secret: str | None) -> None:
    provider = files.load(f"{HEAD}    - {item}\n", {"KEY": "two", "NUMERIC": "1234"}).inference.providers[0]
    found = provider.secret()
    assert (found.get_secret_value() if found else None) == secret


@requirement("config:providers:secret")
def test_a_section_built_by_hand_has_a_secret_too() -> None:
    found = ProviderSection(id="a", type="openai", api_key=SecretStr("one")).secret()
    assert found is not None
    assert found.get_secret_value() == "one"


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ("{type: a}", "inference.providers[0].id: Field required\n    fix: add  id: openai"),
        ("{id: a}", "inference.providers[0].type: Field required\n    fix: add  type: openai"),
        ("{id: '', type: a}", "inference.providers[0].id: String should have at least 1 character"),
        ("{id: a/b, type: a}", "inference.providers[0].id: a provider's id has no slash\n    fix: write  id: a-b"),
        (
            "{id: a, type: a, url: 'vllm:8000/v1'}",
            "providers[0].url: 'vllm:8000/v1' has no scheme\n    fix: write  url: http://vllm:8000/v1",
        ),
        ("{id: a, type: a, url: 'ftp://h'}", "providers[0].url: URL scheme should be 'http' or 'https'\n"),
        ("{id: a, type: a, url: 'http://'}", "providers[0].url: Input should be a valid URL\n"),
        ("{id: a, type: a, url: 'http://h:99999'}", "providers[0].url: Input should be a valid URL\n"),
        ("{id: a, type: a, url: 'http://h?a=b'}", "providers[0].url: Input should be a valid URL\n"),
        ("{id: a, type: a, url: 'http://u:p@h'}", "providers[0].url: the URL holds credentials\n"),
        (
            "{id: a, type: a, api_key: x, api_key_env: KEY}",
            "providers[0].api_key_env: api_key and api_key_env are both given\n    fix: remove one of them",
        ),
        (
            "{id: a, type: a, api_key_env: UNSET}",
            "providers[0].api_key_env: Environment variable 'UNSET' not set or empty\n    fix: set UNSET",
        ),
        ("{id: a, type: a, api_key_env: EMPTY}", "Environment variable 'EMPTY' not set or empty\n"),
        (
            "{id: a, type: a, api_key_env: sk-123}",
            "providers[0].api_key_env: the value is not the name of an environment variable\n",
        ),
        (
            "{id: a, type: a}\n    - {id: a, type: b}",
            "lightspeed-stack.yaml:7: inference.providers[1].id: the id 'a' is given twice\n",
        ),
    ],
)
@requirement("config:providers:checked", "config:providers:secret")
def test_problems(files: Files, item: str, told: str) -> None:
    assert told in files.problems(f"{HEAD}    - {item}\n", {"KEY": "k", "EMPTY": ""})


@requirement("config:providers:checked")
@pytest.mark.parametrize("url", ["http://vllm:8000/v1", "https://h", "http://[::1]:8000/v1"])
def test_urls_lose_their_last_slash(files: Files, url: str) -> None:
    for written in (url, f"{url}/"):
        provider = files.load(f"{HEAD}    - {{id: a, type: openai, url: '{written}'}}\n").inference.providers[0]
        assert provider.url == url


@requirement("config:providers:settings")
def test_extra_becomes_the_settings_of_the_adapter(files: Files) -> None:
    text = f"{HEAD}    - {{id: a, type: local, extra: {{threads: '4', token: hidden}}}}\n    - {{id: b, type: other}}\n"
    config = files.load(text, settings_of=settings_of)
    first, second = config.inference.providers
    assert isinstance(first.settings, Settings)
    assert first.settings.threads == 4
    assert second.settings is None
    shown = as_json(config)["inference"]["providers"]
    assert shown[0] == {
        "id": "a",
        "type": "local",
        "url": None,
        "api_key": None,
        "api_key_env": None,
        "allowed_models": [],
        "extra": {"threads": 4, "token": "**********"},
    }
    assert shown[1]["extra"] == {}


@requirement("config:providers:settings")
def test_mistakes_in_extra_are_told_with_all_others(files: Files) -> None:
    text = HEAD + (
        "    - id: a/b\n"
        "      type: local\n"
        "      extra:\n"
        "        threads: 0\n"
        "        thread: 2\n"
        "        token: [never shown]\n"
        "    - id: c\n"
        "      type: demanding\n"
    )
    told = files.problems(text, settings_of=settings_of)
    assert told == (
        "lightspeed-stack.yaml:6: inference.providers[0].id: a provider's id has no slash\n"
        "    fix: write  id: a-b\n"
        "lightspeed-stack.yaml:9: inference.providers[0].extra.threads: Input should be greater than 0\n"
        "    fix: write  threads: 2\n"
        "lightspeed-stack.yaml:10: inference.providers[0].extra.thread: Extra inputs are not permitted\n"
        "    fix: did you mean `threads`?\n"
        "lightspeed-stack.yaml:11: inference.providers[0].extra.token: Input should be a valid string\n"
        "    fix: put quotes around the value\n"
        "lightspeed-stack.yaml:12: inference.providers[1].extra.model: Field required\n"
        '    fix: add  model: "text"'
    )

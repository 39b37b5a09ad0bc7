"""``${env.NAME}`` in values."""

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.config.environment import expand, expand_text
from tests.spec.registry import requirement
from tests.unit.config.conftest import MINIMAL, Files

ENVIRON = {
    "NAME": "value",
    "EMPTY": "",
    "NUMBER": "8080",
    "FLOAT": "1.5",
    "YES": "TRUE",
    "NO": "false",
    "HOME": "/people/me",
    "TILDE": "~/data",
    "SPACED": " 7 ",
    "UNDER_SCORED": "1_000",
    "NESTED": "${env.NAME}",
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${env.NAME}", "value"),
        ("${env.NAME:=default}", "value"),
        ("${env.UNSET:=default}", "default"),
        ("${env.EMPTY:=default}", "default"),
        ("${env.UNSET:=}", None),
        ("${env.NAME:+text}", "text"),
        ("${env.UNSET:+text}", None),
        ("${env.EMPTY:+text}", None),
        ("${env.NAME:+}", None),
        ("http://${env.NAME}:${env.NUMBER}/x", "http://value:8080/x"),
        ("a${env.UNSET:=}b", "ab"),
        ("${env.NUMBER}", 8080),
        ("${env.NUMBER}0", 80800),
        ("${env.FLOAT}", 1.5),
        ("${env.YES}", True),
        ("${env.NO}", False),
        ("${env.SPACED}", 7),
        ("${env.UNDER_SCORED}", 1000),
        ("${env.UNSET:=8080}", 8080),
        ("${env.TILDE}", "/people/me/data"),
        ("${env.UNSET:=~/x}", "/people/me/x"),
        ("${env.UNSET:=~}", "/people/me"),
        ("${env.UNSET:=~nobody-of-this-name/x}", "~nobody-of-this-name/x"),
        ("a${env.TILDE}", "a/people/me/data"),
        ("${env.NESTED}", "${env.NAME}"),
        ("${env.UNSET:=a:b=c+d}", "a:b=c+d"),
        ("${env.UNSET:=a}b}", "ab}"),
        # Not the syntax: left alone, and not read as another type.
        ("${env.name}", "${env.name}"),
        ("${NAME}", "${NAME}"),
        ("$env.NAME", "$env.NAME"),
        ("${env.NAME:-x}", "${env.NAME:-x}"),
        ("${env.NAME", "${env.NAME"),
        ("true", "true"),
        ("8080", "8080"),
        ("~/x", "~/x"),
        ("", ""),
    ],
)
@requirement("config:environment:expanded")
def test_forms(text: str, value: object) -> None:
    found = expand_text(text, ENVIRON)
    assert (found, type(found)) == (value, type(value))


@requirement("config:environment:expanded")
def test_what_reads_as_not_a_number_becomes_one() -> None:
    assert math.isnan(expand_text("${env.X:=nan}", {}))


@requirement("config:environment:expanded")
def test_values_are_replaced_at_every_depth_and_keys_are_not() -> None:
    tree = {"${env.NAME}": ["${env.NAME}", {"b": "${env.NUMBER}"}, 5, None, True]}
    assert expand(tree, ENVIRON).value == {"${env.NAME}": ["value", {"b": 8080}, 5, None, True]}


@given(st.text().filter(lambda text: "${env." not in text))
@requirement("config:environment:expanded")
def test_text_without_references_stays_as_it_is(text: str) -> None:
    assert expand_text(text, ENVIRON) == text


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text().filter(lambda text: "${env." not in text),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(trees)
@requirement("config:environment:expanded")
def test_trees_without_references_stay_as_they_are(tree: Any) -> None:
    expansion = expand(tree, ENVIRON)
    assert (expansion.value, expansion.unset, expansion.kept) == (tree, [], {})


@requirement("config:environment:unset")
def test_a_variable_that_is_missing_is_told_with_key_and_line(files: Files) -> None:
    text = MINIMAL.replace("http://localhost:8321", "${env.STACK_URL}") + (
        "mcp_servers:\n  - name: a\n    url: http://a\n  - name: b\n    url: ${env.EMPTY}/mcp\n"
    )
    assert files.problems(text, {"EMPTY": ""}) == (
        "lightspeed-stack.yaml:4: llama_stack.url: "
        "Environment variable 'STACK_URL' not set or empty at llama_stack.url\n"
        "    fix: set STACK_URL before the start, or write a default:  ${env.STACK_URL:=default}\n"
        "lightspeed-stack.yaml:10: mcp_servers[1].url: "
        "Environment variable 'EMPTY' not set or empty at mcp_servers[1].url\n"
        "    fix: set EMPTY before the start, or write a default:  ${env.EMPTY:=default}"
    )


@requirement("config:environment:unset")
def test_a_missing_variable_does_not_hide_other_problems(files: Files) -> None:
    text = MINIMAL.replace("http://localhost:8321", "${env.STACK_URL}").replace("service: {}", "service: {prot: 1}")
    told = files.problems(text)
    assert re.findall(r":(\d+): ([\w.]+):", told) == [("2", "service.prot"), ("4", "llama_stack.url")]


DISABLED = """\
mcp_servers:
  - name: first
    provider_id: ${env.X:=__disabled__}
    url: ${env.UNSET_BUT_DISABLED}
  - name: second
    url: http://on
  - name: wrong
    urll: http://wrong
"""


@requirement("config:environment:disabled")
def test_disabled_items_are_dropped(files: Files) -> None:
    text = MINIMAL + DISABLED.replace("urll", "url")
    assert [server.name for server in files.load(text).mcp_servers] == ["second", "wrong"]
    assert len(files.load(text, {"X": "x", "UNSET_BUT_DISABLED": "u"}).mcp_servers) == 3


@requirement("config:environment:disabled")
def test_problems_behind_disabled_items_keep_their_place_in_the_file(files: Files) -> None:
    told = files.problems(MINIMAL + DISABLED)
    assert "lightspeed-stack.yaml:13: mcp_servers[2].urll: Extra inputs are not permitted" in told
    assert "mcp_servers[1]" not in told


@requirement("config:environment:disabled")
def test_an_item_whose_provider_id_is_unset_is_an_error(files: Files) -> None:
    text = "mcp_servers:\n  - name: a\n    provider_id: ${env.X}\n    url: http://a\n"
    assert "mcp_servers[0].provider_id: Environment variable 'X' not set" in files.problems(MINIMAL + text)


@requirement("config:environment:expanded")
def test_a_number_from_the_environment_does_not_become_text(files: Files) -> None:
    text = MINIMAL.replace("  url:", "  api_key: ${env.KEY}\n  url:")
    told = files.problems(text, {"KEY": "424242"})
    assert told == (
        "lightspeed-stack.yaml:4: llama_stack.api_key: Input should be a valid string\n"
        "    fix: the variable is empty or reads as a number or a boolean; give it a value that is text"
    )


@requirement("config:environment:expanded")
def test_numbers_from_the_environment_fit_numbers(files: Files) -> None:
    text = MINIMAL.replace("service: {}", "service: {port: '${env.PORT:=9090}', host: '${env.HOST_NAME}'}")
    service = files.load(text, {"HOST_NAME": "127.0.0.1"}).service
    assert (service.port, service.host) == (9090, "127.0.0.1")

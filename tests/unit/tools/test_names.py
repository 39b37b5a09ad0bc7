"""What tools are called, as models can say it and each once."""

import re
from collections.abc import Mapping, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.tools.names import callable_name, given_names
from tests.spec.registry import requirement

ALPHABET = re.compile(r"[a-zA-Z0-9_-]{1,64}")

LONG = "list_all_of_the_" * 5


@requirement("tools:names:alphabet")
@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("search", "search"),
        ("get-time_2", "get-time_2"),
        ("env.get/odd name", "env_get_odd_name"),
        ("größe", "gr__e"),
        ("", "_"),
        ("x" * 64, "x" * 64),
        (LONG, "list_all_of_the_list_all_of_the_list_all_of_the_list_al_9c4ec71f"),
    ],
)
def test_a_name_is_made_fit(name: str, called: str) -> None:
    assert callable_name(name) == called


@requirement("tools:names:once", "tools:names:stable")
@pytest.mark.parametrize(
    ("servers", "taken", "names"),
    [
        ({"a": ["x", "y"], "b": ["z"]}, (), {"a.x": "x", "a.y": "y", "b.z": "z"}),
        # several servers have it: the first keeps it
        ({"a": ["x"], "b": ["x"], "c": ["x"]}, (), {"a.x": "x", "b.x": "b_x", "c.x": "c_x"}),
        ({"c": ["x"], "b": ["x"]}, (), {"c.x": "x", "b.x": "b_x"}),
        ({"a": ["x"], "my server": ["x"]}, (), {"a.x": "x", "my server.x": "my_server_x"}),
        # two of one server look alike: the one that is called just so keeps it
        ({"a": ["g.t", "g_t"]}, (), {"a.g_t": "g_t", "a.g.t": "a_g_t"}),
        ({"a": ["g t", "g.t"]}, (), {"a.g t": "g_t", "a.g.t": "a_g_t"}),
        # a made name never takes another tool's own
        ({"a": ["x"], "b": ["x"], "c": ["b_x"]}, (), {"a.x": "x", "b.x": "b_x_19c0278b", "c.b_x": "b_x"}),
        # the service's own tools keep theirs
        ({"a": ["x", "y"]}, ("x",), {"a.x": "a_x", "a.y": "y"}),
    ],
)
def test_names_are_given_once(
    servers: Mapping[str, Sequence[str]], taken: Sequence[str], names: Mapping[str, str]
) -> None:
    given = given_names(servers, taken=taken)
    assert {f"{server}.{tool}": name for (server, tool), name in given.items()} == names


tools = st.lists(
    st.one_of(st.sampled_from(["x", "y", "a_x", "b_x", "x.y", "x_y", LONG]), st.text(max_size=80)), unique=True
)
servers = st.dictionaries(st.one_of(st.sampled_from("abc"), st.text(max_size=80)), tools, max_size=5)


@requirement("tools:names:once", "tools:names:alphabet")
@given(servers, st.sets(st.sampled_from(["x", "a_x", "other"])))
def test_every_tool_has_a_name_of_its_own_that_models_can_say(known: dict[str, list[str]], taken: set[str]) -> None:
    names = given_names(known, taken=taken)
    assert names.keys() == {(server, tool) for server, tools in known.items() for tool in tools}
    assert len({*names.values(), *taken}) == len(names) + len(taken)
    assert all(ALPHABET.fullmatch(name) for name in names.values())


@requirement("tools:names:once")
@given(servers, st.randoms())
def test_the_order_of_a_list_does_not_count(known: dict[str, list[str]], chance: Random) -> None:
    shuffled = {server: chance.sample(tools, len(tools)) for server, tools in known.items()}
    assert given_names(shuffled) == given_names(known)


@requirement("tools:names:stable")
@given(servers, tools)
def test_a_server_that_comes_later_takes_no_bare_name(known: dict[str, list[str]], tools: list[str]) -> None:
    before, after = given_names(known), given_names({**known, "\n the last one": tools})
    kept = {key for key, name in before.items() if name == callable_name(key[1])}
    assert {key: after[key] for key in kept} == {key: before[key] for key in kept}

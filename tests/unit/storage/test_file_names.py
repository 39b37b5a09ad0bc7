"""Where files of user data lie: the reference's layout, nothing outside, no two ids in one place."""

import os
from pathlib import PurePath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightspeed_stack.domain.ids import ConversationId
from lightspeed_stack.storage.file_names import (
    MARKER,
    MAX_ID,
    MAX_LEVELS,
    conversation_directory,
    is_conversation,
    is_draft,
    is_file,
    new_draft,
    new_file,
    user_directory,
)
from tests.spec.registry import requirement

CONVERSATION = "93e26998-ad37-4a91-9048-fd12ab3e1e0c"
LATER = "0123456789abcdef" * 3

# Every character, halves of characters and control characters too.
anything = st.text(st.characters(codec=None, exclude_categories=()), max_size=40)
nasty = st.lists(
    st.sampled_from(["", ".", "..", "a", "b", "A", "~", "\0", "\n", "é", "e\u0301", "\ud800", "x" * 256, "y" * 255])
    | st.sampled_from(["a.json", "lost+found", "sha256-", MARKER + "0" * 64, CONVERSATION, new_draft()]),
    max_size=20,
).map("/".join)
ids = anything | nasty
unhurried = settings(deadline=None)


@requirement("user-data:names:plain")
@pytest.mark.parametrize(
    "user_id",
    [
        "alice",
        "00000000-0000-0000-0000-000",
        "auth0|5f7c8ec7c33c6c004bbafe82",
        "f:2f1a:alice@example.com",
        "Ärzte und 医生",
        "system:serviceaccount:default/robot",
        "a/b/c",
        "...",
        ".hidden",
        "with spaces ",
        "x" * 255,
        "/".join("a" * MAX_LEVELS),
    ],
)
def test_an_id_that_can_be_a_path_is_its_path(user_id: str) -> None:
    assert str(user_directory(user_id)) == user_id


@requirement("user-data:names:plain")
def test_the_empty_id_has_no_level() -> None:
    assert user_directory("") == PurePath()


@requirement("user-data:names:hashed")
@pytest.mark.parametrize(
    "user_id",
    [
        "/",
        "/etc",
        "a/",
        "a//b",
        ".",
        "..",
        "../x",
        "a/../b",
        "a/./b",
        "a\0b",
        "a\nb",
        "a\x7f",
        "\x85",
        "\ud800",
        "x" * 256,
        "é" * 128,
        "x/" * 5000 + "x",
        "x" * 10_000,
        "/".join(["x" * 200] * 6),
        "/".join("a" * (MAX_LEVELS + 1)),
        MARKER,
        MARKER + "0" * 64,
        "lost+found",
        "lost+found/alice",
        "a/b.json",
        "a.json/b",
        new_draft(),
    ],
)
def test_any_other_id_is_one_level_with_its_hash(user_id: str) -> None:
    folder = str(user_directory(user_id))
    assert folder.startswith(MARKER)
    assert len(folder) == len(MARKER) + 64
    assert "/" not in folder


@requirement("user-data:names:hashed")
def test_the_hash_is_sha_256_of_the_id() -> None:
    hashed = "d6b96a97d147daaae49eb87a5ca7bfbc280e79551016df8aa5edc5920d21c274"
    assert str(user_directory("../x")) == f"sha256-{hashed}"


@requirement("user-data:names:apart")
@unhurried
@given(ids, ids)
def test_two_ids_never_get_the_same_directory(one: str, other: str) -> None:
    assert (user_directory(one) == user_directory(other)) is (one == other)


@requirement("user-data:names:apart")
@unhurried
@given(ids, ids, ids, ids)
def test_two_conversations_never_get_the_same_directory(user: str, talk: str, other: str, other_talk: str) -> None:
    first = user_directory(user) / conversation_directory(ConversationId(talk))
    second = user_directory(other) / conversation_directory(ConversationId(other_talk))
    assert (first == second) is ((user, talk) == (other, other_talk))


@requirement("user-data:names:apart")
def test_a_conversation_is_not_another_user() -> None:
    """What the rule for users would give these two is the same path."""
    first = user_directory("a/b") / conversation_directory(ConversationId(""))
    second = user_directory("a") / conversation_directory(ConversationId("b"))
    assert first != second


@requirement("user-data:names:inside")
@unhurried
@given(ids, ids)
def test_every_directory_is_below_the_root(user_id: str, conversation_id: str) -> None:
    path = str("/data" / user_directory(user_id) / conversation_directory(ConversationId(conversation_id)))
    assert os.path.normpath(path) == path
    assert path.startswith("/data/")
    assert "\0" not in path
    assert all(len(os.fsencode(name)) <= 255 for name in path.split("/"))
    assert len(os.fsencode(path)) <= MAX_ID + 300


@requirement("user-data:names:inside")
@unhurried
@given(ids)
def test_no_directory_is_taken_for_a_file(user_id: str) -> None:
    names = user_directory(user_id).parts
    assert not [name for name in names if name.endswith(".json") or is_draft(name)]


@requirement("user-data:names:plain")
@pytest.mark.parametrize("conversation_id", [CONVERSATION, LATER])
def test_our_conversations_keep_their_names(conversation_id: str) -> None:
    assert conversation_directory(ConversationId(conversation_id)) == conversation_id


@requirement("user-data:names:apart")
def test_the_names_that_tell_what_is_ours() -> None:
    assert is_file(new_file())
    assert is_draft(new_draft())
    assert not new_draft().endswith(".json")
    assert not is_file("notes.json")
    assert not is_draft(new_file())
    for name in (CONVERSATION, LATER, conversation_directory(ConversationId("../x"))):
        assert is_conversation(name)
    for name in ("alice", CONVERSATION + "x", "", "feedback"):
        assert not is_conversation(name)

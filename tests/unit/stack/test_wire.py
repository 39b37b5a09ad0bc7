"""Bodies and values."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.domain.health import Health, HealthStatus
from lightspeed_stack.errors import BackendFailed
from lightspeed_stack.stack import wire, wire_search
from lightspeed_stack.stack.base import Found, Objection, StackModel, StackProvider, StackShield, Store
from tests.servers.stack_answers import RELEASES, recorded
from tests.spec.registry import requirement


def answer(release: str, key: str) -> bytes:
    return json.dumps(recorded(release)[key]).encode()


def body(value: object) -> bytes:
    return json.dumps(value).encode()


@requirement("stack:wire:lists")
@pytest.mark.parametrize("release", RELEASES)
def test_models_of_all_releases_are_alike(release: str) -> None:
    models = wire.models(answer(release, "GET /v1/models"))
    assert sorted(models, key=lambda model: model.identifier) == [
        StackModel("openai/embed", "openai", "embed", "embedding", {"embedding_dimension": 128}),
        StackModel("openai/fake-llm", "openai", "fake-llm", "llm"),
        StackModel("openai/guard", "openai", "guard", "llm"),
    ]


@requirement("stack:wire:lists")
@pytest.mark.parametrize("release", RELEASES)
def test_providers_of_all_releases_are_alike(release: str) -> None:
    first, *others = wire.providers(answer(release, "GET /v1/providers"))
    config = {"base_url": "http://model:9901/v1", "api_key": "********"}
    untold = Health(HealthStatus.NOT_IMPLEMENTED, "Provider does not implement health check")
    assert first == StackProvider("inference", "openai", "remote::openai", config, untold)
    assert {(it.api, it.provider_id, it.provider_type) for it in others} >= {("vector_io", "faiss", "inline::faiss")}


@requirement("stack:wire:lists")
def test_shields_and_stores_of_old_and_new_releases() -> None:
    old, new = "llama-stack-0.2.22", "llama-stack-0.7.3"
    for release in (old, new):
        shields = wire.shields(answer(release, "GET /v1/shields"))
        assert shields == [StackShield("input_guard", "llama-guard", "openai/guard", {})]
    docs = [Store("vs_docs", "docs", "faiss")]
    assert wire.databases(answer(old, "GET /v1/vector-dbs")) == docs
    assert wire.stores(answer(new, "GET /v1/vector_stores")) == (docs, False)


@requirement("stack:wire:lists")
@pytest.mark.parametrize("release", RELEASES)
def test_what_all_releases_find_is_alike(release: str) -> None:
    found = (
        wire_search.database_found(answer(release, "POST /v1/vector-io/query"))
        if release == "llama-stack-0.2.22"
        else wire_search.store_found(answer(release, "POST /v1/vector_stores/vs_docs/search"))
    )
    assert [(it.content, it.score) for it in found] == [
        ("The quartz pump is restarted with pumpctl restart.", 1.4104262253681945),
        ("Bananas are yellow.", 0.5),
    ]
    assert found[0].attributes.items() >= {"document_id": "d1", "docs_url": "https://x/pump", "title": "Pump"}.items()


@requirement("stack:wire:scores")
@pytest.mark.parametrize(
    ("score", "read"),
    [
        ("0.5", 0.5),
        ("2", 2.0),
        ("-1e3", -1000.0),
        ("null", None),
        ("Infinity", None),
        ("-Infinity", None),
        ("NaN", None),
        ("1e999", None),
        ("1" * 400, None),
        ('"0.5"', None),
        ("true", None),
    ],
)
def test_scores(score: str, read: float | None) -> None:
    hit = f'{{"data": [{{"score": {score}, "content": [{{"type": "text", "text": "a"}}], "attributes": {{}}}}]}}'
    chunk = f'{{"chunks": [{{"content": "a", "metadata": {{}}}}], "scores": [{score}]}}'
    assert wire_search.store_found(hit.encode()) == [Found("a", read)]
    assert wire_search.database_found(chunk.encode()) == [Found("a", read)]


@requirement("stack:wire:lists")
def test_the_exact_match_of_a_new_release_has_no_score() -> None:
    found = wire_search.store_found(answer("llama-stack-0.7.3", "POST /v1/vector_stores/vs_docs/search bananas"))
    assert [(it.content[:7], it.score) for it in found] == [("Bananas", None), ("The qua", 0.49999994039536233)]


@requirement("stack:wire:tolerant")
@pytest.mark.parametrize(
    ("read", "told", "value"),
    [
        (wire.models, {"data": [{"id": "bare"}]}, [StackModel("bare", "", "bare", "llm")]),
        (wire.models, {"data": [{"id": "p/a/b"}], "new": 1}, [StackModel("p/a/b", "p", "a/b", "llm")]),
        (
            wire.models,
            {
                "data": [
                    {"id": "m", "custom_metadata": {"model_type": "rerank", "context_length": 8, "x": [1], "y": None}}
                ]
            },
            [StackModel("m", "", "m", "rerank", {"context_length": 8})],
        ),
        (wire.models, {"data": [{"object": "model"}, {"id": ""}]}, []),
        (
            wire.providers,
            {"data": [{"provider_id": "p"}, {"api": "inference"}]},
            [StackProvider("", "p", "", {}, Health(HealthStatus.NOT_IMPLEMENTED))],
        ),
        (
            wire.providers,
            {"data": [{"provider_id": "p", "config": None, "health": {"status": "Error", "message": "x" * 9999}}]},
            [StackProvider("", "p", "", {}, Health.error("x" * wire.LONGEST_MESSAGE))],
        ),
        (wire.shields, {"data": [{"identifier": "s", "params": None}, {}]}, [StackShield("s", "", "")]),
        (wire.databases, {"data": [{"identifier": "d"}, {}]}, [Store("d", "d")]),
        (
            wire.stores,
            {"data": [{"id": "s", "name": None}, {"name": "t"}], "has_more": True},
            ([Store("s", "s")], True),
        ),
        (wire.routes, {"data": [{"route": "/v1/x", "method": "GET"}, {}]}, [("GET", "/v1/x"), ("", "")]),
        (
            wire_search.store_found,
            {"data": [{"content": "a", "file_id": "f", "filename": "n.md"}, {"content": []}, {}]},
            [Found("a", None, {"document_id": "f", "filename": "n.md"})],
        ),
        (
            wire_search.store_found,
            {
                "data": [
                    {"content": [{"text": "a"}, {"text": "b"}], "attributes": {"k": [1], "n": 1, "filename": "own"}}
                ]
            },
            [Found("a\nb", None, {"n": 1, "filename": "own"})],
        ),
        (
            wire_search.database_found,
            {
                "chunks": [
                    {
                        "content": {"type": "text", "text": "a"},
                        "chunk_metadata": {"source": "s.md", "chunk_window": "0-9"},
                    }
                ]
            },
            [Found("a", None, {"source": "s.md"})],
        ),
        (
            wire_search.database_found,
            {"chunks": [{"content": "a"}, {"content": "b"}], "scores": [1]},
            [Found("a", None), Found("b", None)],
        ),
    ],
)
def test_what_is_missing_or_new(read: Callable[[bytes], object], told: object, value: object) -> None:
    assert read(body(told)) == value


READERS: list[Callable[[bytes], Any]] = [
    wire.version,
    wire.routes,
    wire.models,
    wire.providers,
    wire.shields,
    wire.databases,
    wire.stores,
    lambda told: wire.vectors(told, 1),
    wire_search.store_found,
    wire_search.database_found,
    wire_search.violation,
    wire_search.flagged,
]


@requirement("stack:wire:garbage")
@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"<html>",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'"data"',
        b'{"data": 1}',
        b'{"data": [1]}',
        b'{"detail": "Not Found"}',
        b'{"error": {"message": "m"}}',
        b"[" * 100_000,
        b'{"data": ' + b"[" * 100_000,
    ],
    ids=range(13),
)
def test_garbage_fails_in_our_words(told: bytes) -> None:
    for read in READERS:
        with pytest.raises(BackendFailed, match=r"^Llama Stack's [\w ]+ cannot be read\.$"):
            read(told)


@requirement("stack:wire:garbage")
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda it: (
            st.lists(it)
            | st.dictionaries(
                st.sampled_from(["data", "id", "content", "chunks", "scores", "results", "violation", "version"])
                | st.text(),
                it,
            )
        ),
    )
)
def test_any_json_is_read_or_fails(told: object) -> None:
    for read in READERS:
        try:
            read(body(told))
        except BackendFailed:
            continue


@requirement("stack:wire:judgements")
@pytest.mark.parametrize(
    ("told", "objection"),
    [
        ({"violation": None}, None),
        ({"violation": {"violation_level": "info", "user_message": "m"}}, None),
        ({"violation": {"violation_level": "warn", "user_message": "m"}}, None),
        (
            {"violation": {"violation_level": "error", "user_message": " m ", "metadata": {"type": "S1"}}},
            Objection("m", {"type": "S1"}),
        ),
        ({"violation": {"violation_level": "fatal", "user_message": None}}, Objection("")),
        ({"violation": {}}, Objection("")),
    ],
)
def test_violations(told: object, objection: Objection | None) -> None:
    assert wire_search.violation(body(told)) == objection


@requirement("stack:wire:judgements")
@pytest.mark.parametrize(
    ("results", "objection"),
    [
        ([{"flagged": False}], None),
        ([{"flagged": True}], Objection("", {"categories": []})),
        (
            [{"flagged": False}, {"flagged": True, "user_message": "m", "categories": {"a": True, "b": False}}],
            Objection("m", {"categories": ["a"]}),
        ),
    ],
)
def test_moderations(results: object, objection: Objection | None) -> None:
    assert wire_search.flagged(body({"results": results})) == objection


@requirement("stack:wire:garbage")
@pytest.mark.parametrize("told", [{"violation": 1}, {"violation": "x"}, {}])
def test_no_judgement_is_no_permission(told: object) -> None:
    with pytest.raises(BackendFailed, match="judgement cannot be read"):
        wire_search.violation(body(told))
    with pytest.raises(BackendFailed, match="judgement cannot be read"):
        wire_search.flagged(body({"results": []}))


@requirement("stack:wire:lists")
def test_vectors_stand_in_the_order_of_the_texts() -> None:
    told = {"data": [{"embedding": [2.0], "index": 1}, {"embedding": [1], "index": 0}]}
    assert wire.vectors(body(told), 2) == [[1.0], [2.0]]
    assert wire.vectors(body({"data": [{"embedding": [3]}, {"embedding": [4]}]}), 2) == [[3.0], [4.0]]
    with pytest.raises(BackendFailed, match="list of embeddings cannot be read"):
        wire.vectors(body(told), 3)


@requirement("stack:wire:tolerant")
def test_half_a_surrogate_pair_is_asked_for_as_a_question_mark() -> None:
    asked = [
        wire_search.store_query("a\ud800", 3),
        wire_search.database_query("d", "a\ud800", 3),
        wire_search.shield_run("s", "a\ud800", "assistant"),
        wire_search.moderation("m", "a\ud800"),
        wire.embeddings("m", ["a\ud800"]),
    ]
    assert [json.loads(told) for told in asked] == [
        {"query": "a?", "max_num_results": 3},
        {"vector_db_id": "d", "query": "a?", "params": {"max_chunks": 3}},
        {
            "shield_id": "s",
            "messages": [{"role": "assistant", "content": "a?", "stop_reason": "end_of_turn"}],
            "params": {},
        },
        {"model": "m", "input": "a?"},
        {"model": "m", "input": ["a?"], "encoding_format": "float"},
    ]

"""The embedder that asks the Llama Stack, with what a stack may answer."""

import math
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.config.data import RagSection
from lightspeed_stack.errors import (
    BackendFailed,
    BackendRateLimited,
    ConfigurationError,
    KnowledgeError,
    ModelNotFound,
    StackUnavailable,
)
from lightspeed_stack.retrieval.llama_stack_embedder import (
    MAX_CHARACTERS,
    MAX_TEXTS,
    LlamaStackEmbedder,
    batches,
    beginning,
)
from lightspeed_stack.retrieval.search import KnowledgeRetriever
from lightspeed_stack.services.knowledge import open_retriever
from tests.servers.openai_embeddings import DIMENSION, embed
from tests.spec.registry import requirement
from tests.unit.config.conftest import MINIMAL, Files
from tests.unit.retrieval.hashing import index, ingest

MODEL = "openai/embed"


class Answers:
    """What a stack answers, and what it was asked; ``vectors`` makes the answer of the texts."""

    def __init__(self, vectors: Callable[[Sequence[str]], list[list[float]]]) -> None:
        self.asked: list[list[str]] = []
        self._vectors = vectors

    async def __call__(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        assert model == MODEL
        self.asked.append(list(texts))
        return self._vectors(texts)


def hashed(texts: Sequence[str]) -> list[list[float]]:
    """Of any length but 1."""
    return [[3 * value for value in embed(text)] for text in texts]


def embedder(
    ask: Callable[[str, Sequence[str]], Awaitable[list[list[float]]]],
    *,
    dimension: int = DIMENSION,
    max_tokens: int = 256,
    timeout: float = 5,
) -> LlamaStackEmbedder:
    return LlamaStackEmbedder(ask, MODEL, dimension=dimension, max_tokens=max_tokens, timeout=timeout)


async def embedded(by: LlamaStackEmbedder, texts: Sequence[str]) -> list[bytes]:
    """In a thread, as everybody does."""
    return await anyio.to_thread.run_sync(by.embed, texts)


@requirement("stack-embedding:vectors", "stack-embedding:batches")
async def test_one_unit_vector_a_text_in_order_over_two_requests() -> None:
    answers = Answers(hashed)
    texts = [f"passage number {number}" for number in range(MAX_TEXTS)] + ["", "naïve 日本語 \0 \n"]
    vectors = await embedded(embedder(answers), texts)
    assert [len(asked) for asked in answers.asked] == [MAX_TEXTS, 2]
    assert answers.asked[1] == [".", texts[-1]]  # servers refuse an empty text
    for text, vector in zip(texts, vectors, strict=True):
        values = struct.unpack(f"<{DIMENSION}f", vector)
        assert math.hypot(*values) == pytest.approx(1, abs=1e-6)
        assert values == pytest.approx(embed(text), abs=1e-6)
    assert await embedded(embedder(answers), []) == []
    assert len(answers.asked) == 2


@given(st.lists(st.integers(0, MAX_CHARACTERS + 10), max_size=100))
@requirement("stack-embedding:batches")
def test_batches_hold_all_texts_in_order_within_their_bounds(lengths: list[int]) -> None:
    texts = ["x" * length for length in lengths]
    found = list(batches(texts))
    assert [text for batch in found for text in batch] == texts
    assert all(0 < len(batch) <= MAX_TEXTS for batch in found)
    assert all(sum(map(len, batch)) <= MAX_CHARACTERS or len(batch) == 1 for batch in found)


@requirement("stack-embedding:estimate")
@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        (" \n\t", 0),
        ("pair the keeper", 1 + 1 + 2),
        ("max_passages: 3", 3 + 1 + 1),
        ("größer", 2),
        ("шторм", 3),
        ("日本語", 3),
        ("🚀", 1),
        ("\ud800", 1),
    ],
)
def test_tokens_are_estimated(text: str, tokens: int) -> None:
    assert embedder(Answers(hashed)).count(text) == tokens


@given(st.text(max_size=50), st.text(max_size=50))
@requirement("stack-embedding:estimate")
def test_texts_joined_at_white_space_have_the_tokens_of_both(one: str, other: str) -> None:
    count = embedder(Answers(hashed)).count
    assert count(f"{one} {other}") == count(one) + count(other)


@given(st.text(max_size=80) | st.text("aß日 .", max_size=80), st.integers(1, 20))
@requirement("stack-embedding:estimate")
def test_what_is_cut_is_a_beginning_that_fits(text: str, tokens: int) -> None:
    count = embedder(Answers(hashed)).count
    kept = beginning(text, tokens)
    assert count(kept) <= tokens
    if count(text) <= tokens:
        assert kept == (text if text.strip() else ".")
    else:
        assert text.startswith(kept) or kept == "."


@requirement("stack-embedding:estimate")
async def test_longer_texts_lose_their_end() -> None:
    answers = Answers(hashed)
    await embedded(embedder(answers, max_tokens=10), ["word " * 5000, "日" * 5000])
    assert answers.asked == [["word " * 10, "日" * 10]]


def raising(error: Exception) -> Callable[[Sequence[str]], list[list[float]]]:
    def answer(_texts: Sequence[str]) -> list[list[float]]:
        raise error

    return answer


def saying(*vectors: list[float]) -> Callable[[Sequence[str]], list[list[float]]]:
    return lambda _texts: list(vectors)


LOOK = "check rag.embedding, and the log of the Llama Stack"


@requirement("stack-embedding:refused")
@pytest.mark.parametrize(
    ("answer", "reason", "fix"),
    [
        (raising(StackUnavailable("Connection error.")), "does not answer (Connection error)", "check that it runs"),
        (raising(BackendRateLimited("Slow down.")), "is refused for now (Slow down)", "try again in a moment"),
        (raising(BackendFailed("No such model.")), "failed (No such model)", LOOK),
        (raising(ModelNotFound("No such model.")), "failed (No such model)", LOOK),
        (saying([1, 0, 0]), "made 1 vectors of 2 texts", "use another model"),
        (saying([1, 0, 0], [1, 0]), "vectors of 2 numbers, not 3", "write  rag: {embedding: {dimension: 2}}"),
        (saying([1, 0, 0], [0, 0, 0]), "made a vector without a direction", "use another model"),
        (saying([1, 0, 0], [math.nan, 0, 0]), "made a vector without a direction", "use another model"),
        (saying([1, 0, 0], [-math.inf, 0, 0]), "made a vector without a direction", "use another model"),
        (saying([1, 0, 0], [1e300, 1e300, 0]), "made a vector without a direction", "use another model"),
    ],
)
async def test_what_is_no_vector_is_refused_with_the_fix(
    answer: Callable[[Sequence[str]], list[list[float]]], reason: str, fix: str
) -> None:
    with pytest.raises(KnowledgeError) as raised:
        await embedded(embedder(Answers(answer), dimension=3), ["one", "two"])
    assert raised.value.cause.endswith(f"{reason}; fix: {fix}")
    assert "'openai/embed'" in raised.value.cause


async def never(_model: str, _texts: Sequence[str]) -> list[list[float]]:
    await anyio.sleep_forever()
    raise AssertionError


@requirement("stack-embedding:refused")
async def test_a_stack_that_hangs_is_given_up() -> None:
    with anyio.fail_after(10):
        with pytest.raises(KnowledgeError, match=r"took longer than 0\.05 seconds; fix: look at the log"):
            await embedded(embedder(never, timeout=0.05), ["one"])


@requirement("stack-embedding:given-up")
async def test_a_search_that_is_given_up_stops_its_request(tmp_path: Path) -> None:
    stopped = anyio.Event()

    async def ask(model: str, texts: Sequence[str]) -> list[list[float]]:
        try:
            return await never(model, texts)
        finally:
            stopped.set()

    (tmp_path / "a.md").write_text("# A\n\nText.\n")
    ingest(tmp_path / "a.db", tmp_path / "a.md")
    retriever = KnowledgeRetriever([index(tmp_path / "a.db")], embedder(ask, timeout=30), min_score=0, timeout=0.05)
    with pytest.raises(KnowledgeError, match="took longer"):
        await retriever.search("A?", limit=1)
    with anyio.fail_after(10):
        await stopped.wait()


@requirement("stack-embedding:check")
def test_its_health_costs_no_request() -> None:
    answers = Answers(hashed)
    embedder(answers).check()
    assert answers.asked == []


@requirement("stack-embedding:check")
def test_what_is_not_installed_is_named_with_the_command() -> None:
    """In a process of its own, whose numpy cannot be found, as in a base installation."""
    script = """
import sys
from importlib.machinery import PathFinder

class Base(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name == "numpy" else PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Base
from lightspeed_stack.errors import KnowledgeError
from lightspeed_stack.retrieval.llama_stack_embedder import LlamaStackEmbedder

embedder = LlamaStackEmbedder(None, "m", dimension=1, max_tokens=1, timeout=1)
for use in (embedder.check, lambda: embedder.embed(["x"])):
    try:
        use()
    except KnowledgeError as error:
        print(error.cause)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == 2 * (
        "searching documents needs numpy, which is not installed; fix: pip install 'lightspeed-stack[knowledge]'\n"
    )


@requirement("stack-embedding:other-space")
def test_a_space_is_told_apart_by_model_and_dimension() -> None:
    def name(model: str, dimension: int) -> str:
        return LlamaStackEmbedder(Answers(hashed), model, dimension=dimension, max_tokens=1, timeout=1).name

    assert name("openai/text-embedding-3-small", 1536) == "openai/text-embedding-3-small (1536)"
    assert name("openai/text-embedding-3-small", 512) == "openai/text-embedding-3-small (512)"
    assert name("o'x\n", 1) == "o%27x%0A (1)"


NO_STACK = (
    MINIMAL.replace("llama_stack:\n  url: http://localhost:8321\n", "")
    + "inference: {providers: [{id: a, type: embedded}]}\n"
)


@requirement("stack-embedding:config")
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (NO_STACK + "rag: {embedding: {model: m, dimension: 8}}", ":5: rag.embedding: the embedding model is one of"),
        (
            NO_STACK + "rag: {embedding: {model: m, dimension: 8}}",
            "\n    fix: add  llama_stack: {url: http://localhost",
        ),
        (MINIMAL + "rag: {embedding: {dimension: 8}}", "rag.embedding.model: Field required"),
        (MINIMAL + "rag: {embedding: {model: m}}", "rag.embedding.dimension: Field required"),
        (MINIMAL + "rag: {embedding: {model: '', dimension: 8}}", "rag.embedding.model: String should have at least"),
        (MINIMAL + "rag: {embedding: {model: m, dimension: 0}}", "rag.embedding.dimension: Input should be greater"),
        (
            MINIMAL + "rag: {embedding: {model: m, dimension: 8, max_tokens: 0}}",
            "rag.embedding.max_tokens: Input should be greater",
        ),
    ],
)
def test_what_cannot_embed_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in Files(tmp_path).problems(text)


@requirement("stack-embedding:config")
def test_the_built_in_model_is_the_default(tmp_path: Path) -> None:
    assert Files(tmp_path).load(MINIMAL).rag.embedding is None
    assert Files(tmp_path).load(NO_STACK + "rag: {embedding: null}").rag.embedding is None
    section = Files(tmp_path).load(MINIMAL + "rag: {embedding: {model: openai/embed, dimension: 8}}").rag.embedding
    assert section is not None
    assert (section.model, section.dimension, section.max_tokens) == ("openai/embed", 8, 256)


@requirement("stack-embedding:config")
def test_a_section_by_itself_needs_its_stack() -> None:
    section = RagSection.model_validate({"embedding": {"model": "m", "dimension": 8}})
    with pytest.raises(ConfigurationError, match=r"rag\.embedding: .*\n    fix: add  llama_stack:"):
        open_retriever(section)

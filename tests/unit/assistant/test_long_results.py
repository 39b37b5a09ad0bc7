"""Results of any length are shown in pieces, and nothing of them is lost."""

import json
import re
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.assistant.answer import Answer
from lightspeed_stack.assistant.context import estimate_tokens
from lightspeed_stack.assistant.long_results import MAX_KEPT, NEAR, OVERLAP, READ, SHORTEST, LongResults, piece_end
from lightspeed_stack.domain.chat import ToolCall, ToolResult
from lightspeed_stack.domain.notices import Notice
from tests.servers.openai_server import Script, ScriptedCall
from tests.spec.registry import requirement
from tests.unit.assistant.loops import SAYS, Ran, Tools, calls, run, tool

TOKENS = 1000
NOTE = re.compile(r"\n\[This was cut: characters (\d+) to (\d+) of (\d+)\. To read on, call (\w+) with (\{.*\})\.\]\Z")
END = re.compile(r"\n\[This is the end: characters (\d+) to (\d+) of (\d+)\.\]\Z")


class Books(LongResults):
    """A toolset of texts: the tool ``read`` gives the one that its id names."""

    def __init__(
        self,
        *texts: str,
        max_tokens: int = TOKENS,
        name: str = "read",
        failed: bool = False,
        clean: Callable[[str], str] | None = None,
    ) -> None:
        async def read(call: ToolCall) -> str:
            return texts[int(call.id)]

        self.inner = Tools({name: read}, (tool(name),))
        self.answer = Answer()
        super().__init__(self.inner, max_tokens, self.told, clean)

    async def told(self, notice: Notice) -> None:
        self.answer.notices.append(notice)

    async def first(self, number: int = 0) -> str:
        return (await self.call(ToolCall(str(number), self.inner.tools[0].spec.name, "{}"))).content

    async def at(self, place: str) -> ToolResult:
        return await self.call(ToolCall("r", self.tools[-1].spec.name, place))

    async def whole(self, piece: str) -> tuple[str, int]:
        """All that the notes lead to, put together, and the number of pieces."""
        text, pieces = "", 0
        while True:
            assert estimate_tokens(piece) <= max(TOKENS, SHORTEST)
            pieces += 1
            note = NOTE.search(piece) or END.search(piece)
            assert note is not None
            offset, end = int(note[1]), int(note[2])
            shown = piece[: note.start()]
            assert len(shown) == end - offset
            assert text[offset:] == shown[: len(text) - offset], "the overlap"
            text += shown[len(text) - offset :]
            if note.re is END:
                assert end == len(text) == int(note[3])
                return text, pieces
            piece = (await self.at(note[5])).content


LINES = "\n".join(f"{number}: a line of a log" for number in range(2000))


@requirement("results:read")
@pytest.mark.parametrize(
    "text",
    [LINES, "x" * 100_000, "é" * 30_000, "漢字" * 9_000, "😀" * 9_000, "\ud800" * 9_000, "a\n" * 30_000, "\n" * 30_000],
    ids=["lines", "one-line", "two-bytes", "three-bytes", "four-bytes", "halves", "short-lines", "empty-lines"],
)
@pytest.mark.parametrize("max_tokens", [1, TOKENS])
async def test_the_pieces_make_up_the_whole(text: str, max_tokens: int) -> None:
    books = Books(text, max_tokens=max_tokens)
    assert books.tools == books.inner.tools
    read, pieces = await books.whole(await books.first())
    assert read == text
    assert pieces > 1
    assert [(notice.kind.value, notice.subject) for notice in books.answer.notices] == [("result_cut", "read")], "once"
    assert [it.spec.name for it in books.tools] == ["read", READ]
    assert books.tools[-1].server is None


@requirement("results:cut")
@given(
    st.text(min_size=1, max_size=60), st.integers(1, 2000), st.integers(0, 3000), st.integers(SHORTEST, 2 * SHORTEST)
)
def test_a_piece_fits_and_is_as_long_as_it_may_be(part: str, times: int, offset: int, max_bytes: int) -> None:
    text = part * times
    offset = min(offset, len(text))
    end = piece_end(text, offset, max_bytes)
    size = len(text[offset:end].encode("utf-8", "surrogatepass"))
    assert size <= max_bytes
    if end == len(text):
        return
    assert end - offset > (end - offset) // 3, "so that reading goes on"
    if text[end - 1] != "\n":
        assert size > max_bytes - 4
        assert "\n" not in text[max(end - NEAR, offset + OVERLAP) : end]


@requirement("results:cut")
async def test_a_piece_ends_with_a_line_where_one_ends_near() -> None:
    piece = await Books(LINES).first()
    note = NOTE.search(piece)
    assert note is not None
    assert piece[: note.start()].endswith("a line of a log\n")
    place = json.loads(note[5])
    assert place == {"id": place["id"], "offset": int(note[2]) - OVERLAP}


@requirement("results:cut")
@pytest.mark.parametrize("text", ["", "short", "x" * 2_700, "漢" * 900])
async def test_a_result_within_the_budget_is_as_it_was(text: str) -> None:
    books = Books(text)
    assert await books.first() == text
    assert (books.tools, books.skipped, books.answer.notices) == (books.inner.tools, (), [])


@requirement("results:read")
@pytest.mark.parametrize(
    ("place", "told"),
    [
        ('{"id": "%s", "offset": "2000"}', ""),
        ('{"id": "%s", "offset": -1}', "There is nothing there: offsets go from 0 to 99999."),
        ('{"id": "%s", "offset": 100000}', "There is nothing there: offsets go from 0 to 99999."),
        ('{"id": "%s"}', "Give the id and the offset that the piece before names."),
        ('{"id": "other", "offset": 1}', "This result is not kept any more. Call its tool again if you need it."),
        ("[]", "Give the id and the offset that the piece before names."),
        ("", "Give the id and the offset that the piece before names."),
    ],
)
async def test_a_model_that_reads_badly_is_told(place: str, told: str) -> None:
    books = Books("x" * 100_000)
    note = NOTE.search(await books.first())
    assert note is not None
    result = await books.at(place.replace("%s", json.loads(note[5])["id"]))
    assert result.failed is bool(told)
    assert result.content == told or not told


@requirement("results:memory")
async def test_the_oldest_texts_go_when_there_are_too_many() -> None:
    third = MAX_KEPT // 3 - 1000
    books = Books(*("abcd"[number] * third for number in range(4)))
    places = [NOTE.search(await books.first(number)) for number in range(4)]
    contents = [(await books.at(place[5])).content[:3] for place in places if place is not None]
    assert contents == ["Thi", "bbb", "ccc", "ddd"]


@requirement("results:memory")
@pytest.mark.parametrize("character", ["x", "漢"])
async def test_of_a_text_that_is_too_long_the_beginning_is_kept(character: str) -> None:
    text = character * (MAX_KEPT // sys.getsizeof(character) * 60)
    assert sys.getsizeof(text) > MAX_KEPT
    books = Books(text)
    note = NOTE.search(await books.first())
    assert note is not None
    assert int(note[3]) == len(text)
    id_ = json.loads(note[5])["id"]
    nothing = (await books.at(json.dumps({"id": id_, "offset": len(text) - 1}))).content
    last = int(nothing.removesuffix(".").rpartition(" ")[2])
    assert 0 <= MAX_KEPT - sys.getsizeof(text[: last + 1]) < 2000
    assert (await books.at(json.dumps({"id": id_, "offset": last}))).content == (
        f"{character}\n[This is all that was kept: characters {last} to {last + 1} of {len(text)}.]"
    )


@requirement("results:read")
async def test_a_tool_that_has_the_name_already_keeps_it() -> None:
    books = Books("x" * 100_000, name=READ)
    note = NOTE.search(await books.first())
    assert note is not None
    assert note[4] == f"{READ}_" == books.tools[-1].spec.name
    assert (await books.at(note[5])).content.startswith("x")


@requirement("results:read", "agent:offered")
async def test_a_model_is_offered_to_read_on_when_there_is_something_to_read() -> None:
    ran = Ran()

    def script(body: dict[str, object]) -> Script:
        messages = body["messages"]
        assert isinstance(messages, list)
        if len(messages) == 1:
            return calls(ScriptedCall("0", "read"))
        note = NOTE.search(messages[-1]["content"])
        return SAYS if note is None else calls(ScriptedCall("", note[4], note[5]))

    books = Books("x" * 7_000)
    await run(script, books, ran=ran)
    assert [ran.offered(number) for number in range(4)] == [["read"], *[["read", READ]] * 3]
    assert ran.text == "It is noon."
    assert [result.call.server_name for result in ran.answer.tool_results] == ["clock", None, None]


@requirement("results:cost")
async def test_no_more_of_a_text_is_looked_at_than_a_piece() -> None:
    class Watched(str):
        """A text that counts the characters that are taken out of it."""

        taken = 0
        __slots__ = ()

        def __getitem__(self, key: object) -> str:
            found = super().__getitem__(key)  # type: ignore[index]
            Watched.taken += len(found)
            return found

        def encode(self, *_: object) -> bytes:
            raise AssertionError("all of it was encoded")

    books = Books(Watched("x" * 10_000_000))
    note = NOTE.search(await books.first())
    assert note is not None
    await books.at(note[5])
    assert Watched.taken < 5 * TOKENS * 3


@requirement("results:clean")
async def test_a_secret_that_a_cut_would_part_is_taken_out_before() -> None:
    secret = "BEGIN-" + "k" * 3000 + "-END"
    text = "a" * 2000 + secret + "z" * 9000
    books = Books(text, clean=lambda whole: whole.replace(secret, "[REDACTED]"))
    read, pieces = await books.whole(await books.first())
    assert pieces > 1
    assert read == text.replace(secret, "[REDACTED]")

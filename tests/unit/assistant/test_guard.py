"""What a shield refuses or takes out never leaves, is not kept, and is told."""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import anyio
import pytest

from lightspeed_stack.assistant.guard import WITHHELD, Guard
from lightspeed_stack.assistant.pipeline import Assistant
from lightspeed_stack.backends.catalog import ModelCatalog, Provider
from lightspeed_stack.backends.openai import OpenAIBackend
from lightspeed_stack.domain.chat import Attachment, Exchange, Question, ToolCall, ToolResult, Usage
from lightspeed_stack.domain.events import (
    TokenDelta,
    TurnEnded,
    TurnEvent,
    TurnFailed,
    TurnStarted,
)
from lightspeed_stack.domain.ids import new_conversation_id
from lightspeed_stack.domain.knowledge import Passage
from lightspeed_stack.errors import BackendFailed, ShieldNotFound
from lightspeed_stack.shields.base import Shield, Stage, Violation, stage_of
from lightspeed_stack.storage.conversations import SqlConversations
from tests.servers.openai_server import OpenAIServer, Script, openai_server
from tests.spec.registry import requirement
from tests.unit.assistant.examples import ALICE, exchange
from tests.unit.assistant.loops import Tools
from tests.unit.assistant.shields import REFUSAL, Word, Words, redaction
from tests.unit.assistant.told import Told

KEY = "AKIAIOSFODNN7EXAMPLE"
SHOWN = "[REDACTED:aws_key]"
TOKENS = redaction("inout_tokens")
PASSAGE = Passage(f"Use {KEY}.", "manual", "Title", None)


async def say(told: Told, *pieces: str) -> int:
    """Let a model say these pieces; how many it said before it was stopped."""
    said = 0
    async with told.guard.speaking(told.emit) as emit:
        for piece in pieces:
            await emit(TokenDelta(piece))
            said += 1
    return said


@dataclass(slots=True)
class Seen:
    """What became of a turn of the whole pipeline."""

    events: list[TurnEvent]
    stored: tuple[Exchange, ...]
    chats: list[str]

    @property
    def tokens(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TokenDelta))

    @property
    def refusals(self) -> int:
        ended = self.events[-1]
        return sum(it.kind == "shield_refused" for it in ended.notices) if isinstance(ended, TurnEnded) else 0


@asynccontextmanager
async def model(script: Script) -> AsyncIterator[tuple[ModelCatalog, OpenAIServer]]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(openai_server(script))
        backend = await stack.enter_async_context(OpenAIBackend(server.url))
        catalog = ModelCatalog({"fake": Provider("fake", backend)}, default_provider="fake", default_model="fake-llm")
        yield await stack.enter_async_context(catalog), server


async def ask(
    store: SqlConversations, question: Question, *shields: Shield, script: Script | None = None, live: bool = True
) -> Seen:
    events: list[TurnEvent] = []

    async def emit(event: TurnEvent) -> None:
        events.append(event)

    async with model(script or Script(("The pump ", "is in ", "the cellar."))) as (catalog, server):
        assistant = Assistant(catalog, store, shields=Words(tuple(shields)))
        turn = await assistant.admit(question, ALICE)
        await assistant.answer(turn, emit, live=live)
        chats = [json.dumps(chat) for chat in server.chats]
    started = any(isinstance(event, TurnStarted) for event in events)
    stored = (await store.read(turn.conversation.id, owner=None)).history if started else ()
    return Seen(events, stored, chats)


@requirement("guard:naming")
@pytest.mark.parametrize(
    ("identifier", "stage"),
    [
        ("input_guard", Stage.INPUT),
        ("output_guard", Stage.OUTPUT),
        ("inout_guard", Stage.INOUT),
        ("guard", Stage.INPUT),
        ("my_output_guard", Stage.INPUT),
    ],
)
def test_a_name_says_where_a_shield_looks(identifier: str, stage: Stage) -> None:
    assert stage_of(identifier) is stage


CHOICE = Words((Word("a", "x"), Word("b", "x", required=True), Word("c", "x")))


@requirement("guard:chosen")
@pytest.mark.parametrize(
    ("named", "text", "refused_by"),
    [(None, "x", "a"), ((), "x", "b"), (("c",), "x", "b"), (("c", "a"), "x", "a"), (("c",), "y", None)],
)
async def test_a_request_chooses_among_what_is_not_required(
    named: tuple[str, ...] | None, text: str, refused_by: str | None
) -> None:
    guard = await Guard.of(CHOICE, named, Told(()).tell)
    found = await guard.question(Question(text))
    assert (found.shield if isinstance(found, Violation) else None) == refused_by


@requirement("guard:chosen")
@pytest.mark.parametrize(
    ("source", "cause"),
    [
        (CHOICE, f"shield_ids: there is no shield '{'n' * 100}'; there are: a, b, c."),
        (Words(()), f"shield_ids: there is no shield '{'n' * 100}'; there are none."),
        (None, f"shield_ids: there is no shield '{'n' * 100}'; there are none."),
    ],
)
async def test_a_shield_that_there_is_not_is_refused(source: Words | None, cause: str) -> None:
    with pytest.raises(ShieldNotFound) as raised:
        await Guard.of(source, ("n" * 500,), Told(()).tell)
    assert raised.value.cause == cause


@requirement("guard:input", "guard:notices")
@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("identifier", ["input_guard", "inout_guard", "guard"])
async def test_a_refused_question_reaches_no_model(store: SqlConversations, identifier: str, live: bool) -> None:
    seen = await ask(store, Question("Where is the bomb?"), Word(identifier, "bomb"), live=live)
    assert (seen.tokens, seen.chats, seen.refusals) == (REFUSAL, [], 1)
    assert isinstance(seen.events[0], TurnStarted)
    assert isinstance(seen.events[-1], TurnEnded)
    assert [it.answer for it in seen.stored] == [REFUSAL]


@requirement("guard:input")
async def test_attachments_are_judged_with_the_question(store: SqlConversations) -> None:
    question = Question("What is this?", attachments=(Attachment("log", "text/plain", "a bomb"),))
    seen = await ask(store, question, Word("input_guard", "bomb"))
    assert (seen.tokens, seen.chats) == (REFUSAL, [])


@requirement("guard:input:changed", "guard:stored")
async def test_a_question_is_asked_and_stored_without_what_was_taken_out(store: SqlConversations) -> None:
    question = Question(f"Why does {KEY} fail?", attachments=(Attachment("log", "text/plain", f"{KEY} refused"),))
    seen = await ask(store, question, TOKENS)
    assert KEY not in "".join(seen.chats)
    assert "".join(seen.chats).count(SHOWN) == 2
    assert [(it.question, it.attachments[0].content) for it in seen.stored] == [
        (f"Why does {SHOWN} fail?", f"{SHOWN} refused")
    ]


@requirement("guard:input:changed", "guard:notices")
async def test_changes_of_a_question_are_told_once_for_all_of_it() -> None:
    told = Told((TOKENS, Word("input_word", "bomb")))
    attachments = (Attachment("log", "text/plain", f"{KEY} {KEY}"), Attachment("log", "text/plain", "fine"))
    asked = await told.guard.question(Question(f"Is {KEY} mine?", attachments=attachments, no_tools=True))
    assert asked == Question(
        f"Is {SHOWN} mine?",
        attachments=(replace(attachments[0], content=f"{SHOWN} {SHOWN}"), attachments[1]),
        no_tools=True,
    )
    assert told.told == [("shield_changed", "inout_tokens", "input", "3 places were taken out of the question.")]


@requirement("guard:output", "guard:notices")
@pytest.mark.parametrize("live", [True, False])
async def test_a_refused_answer_is_never_sent_or_kept(store: SqlConversations, live: bool) -> None:
    seen = await ask(store, Question("Where is it?"), Word("output_guard", "pump is in the"), live=live)
    assert (seen.tokens, len(seen.chats), seen.refusals) == (REFUSAL, 1, 1)
    assert [it.answer for it in seen.stored] == [REFUSAL]
    assert isinstance(seen.events[-1], TurnEnded)
    assert seen.events[-1].text == REFUSAL


@requirement("guard:output", "guard:notices")
async def test_an_answer_that_was_begun_ends_in_the_words_of_the_shield() -> None:
    told = Told((Word("output_guard", "bomb", window=8),))
    assert await say(told, "All is well. ", "The ", "bomb is ", "in the ", "cellar.") < 5
    assert told.text == f"All is well. \n\n{REFUSAL}"
    assert told.told == [("shield_refused", "output_guard", "output", "The answer was refused.")]


@requirement("guard:output")
async def test_whoever_goes_on_after_an_objection_is_not_heard() -> None:
    told = Told((Word("output_guard", "bomb", window=1),))
    async with told.guard.speaking(told.emit) as emit:
        for _ in range(2):
            with pytest.raises(Exception, match="output_guard"):
                await emit(TokenDelta("bomb"))
        async with anyio.create_task_group():
            await emit(TokenDelta("The bomb."))
    assert told.text == REFUSAL


@requirement("guard:output:changed", "guard:notices")
@pytest.mark.parametrize("pieces", [["Take AKIAIOSFODNN7EXAMPLE now."], list("Take AKIAIOSFODNN7EXAMPLE now.")])
async def test_what_is_taken_out_of_an_answer_is_on_no_wire(pieces: list[str]) -> None:
    told = Told((TOKENS,))
    await say(told, *pieces)
    assert told.text == f"Take {SHOWN} now."
    assert told.told == [("shield_changed", "inout_tokens", "output", "1 place was taken out of the answer.")]


@requirement("guard:output:changed", "guard:stored")
async def test_what_is_taken_out_of_an_answer_is_in_no_store(store: SqlConversations) -> None:
    script = Script(("Take AKIAIO", "SFODNN7EXA", "MPLE now."))
    seen = await ask(store, Question("Which?"), TOKENS, script=script)
    assert seen.tokens == f"Take {SHOWN} now."
    assert [it.answer for it in seen.stored] == [seen.tokens]
    assert isinstance(seen.events[-1], TurnEnded)
    assert seen.events[-1].text == seen.tokens


@requirement("guard:output:changed")
@pytest.mark.parametrize(
    ("shields", "heard"),
    [
        ((TOKENS, Word("output_word", "AKIA")), f"Take {SHOWN} now."),
        ((Word("output_word", "AKIA"), TOKENS), REFUSAL),
        ((TOKENS, Word("output_word", "REDACTED")), REFUSAL),
    ],
)
async def test_what_one_shield_lets_through_the_next_one_sees(shields: tuple[Shield, ...], heard: str) -> None:
    told = Told(shields)
    await say(told, *"Take AKIAIOSFODNN7EXAMPLE now.")
    assert told.text == heard


@requirement("guard:output:cancelled")
async def test_what_is_held_when_the_caller_leaves_is_dropped() -> None:
    told = Told((TOKENS,))
    with anyio.CancelScope() as scope:
        async with told.guard.speaking(told.emit) as emit:
            await emit(TokenDelta("The key is AKIAIOSF"))
            scope.cancel()
            await anyio.sleep_forever()
    assert told.text == "The key is "


@requirement("guard:pass")
@pytest.mark.parametrize("live", [True, False])
async def test_what_no_shield_objects_to_passes_as_it_is(store: SqlConversations, live: bool) -> None:
    shields = Word("input_guard", "bomb"), Word("output_guard", "bomb"), Word("inout_guard", "bomb"), TOKENS
    seen = await ask(store, Question("Where is it?"), *shields, live=live)
    assert (seen.tokens, seen.refusals) == ("The pump is in the cellar.", 0)
    assert [it.answer for it in seen.stored] == ["The pump is in the cellar."]


@requirement("guard:pass")
async def test_without_shields_everything_is_what_it_was() -> None:
    guard = await Guard.of(None, None, Told(()).tell)
    question, turn, tools = Question("Why?"), exchange("Why?"), Tools()
    ended = TurnEnded("", Usage(), False, (PASSAGE,), (), (), True)
    own = Told(()).emit
    async with guard.speaking(own) as emit:
        assert emit is own
    assert await guard.question(question) is question
    assert await guard.passages((PASSAGE,)) == (PASSAGE,)
    assert guard.cleaned(turn) is turn
    assert guard.shown(ended) is ended
    assert guard.toolset(tools) is tools


@requirement("guard:output", "guard:broken")
@pytest.mark.parametrize("script", [Script(("The bomb ", "is ", "here."), cut_after=2), Script(error_after=2)])
async def test_an_answer_that_was_never_judged_is_not_kept(store: SqlConversations, script: Script) -> None:
    seen = await ask(store, Question("Where is it?"), Word("output_guard", "bomb"), script=script)
    assert seen.tokens == ""
    assert isinstance(seen.events[-1], TurnFailed)
    assert seen.stored == ()


@requirement("guard:broken")
@pytest.mark.parametrize("identifier", ["input_guard", "output_guard"])
async def test_a_shield_that_cannot_judge_lets_nothing_pass(store: SqlConversations, identifier: str) -> None:
    seen = await ask(store, Question("Where is it?"), Word(identifier, broken=True))
    assert seen.tokens == ""
    assert isinstance(seen.events[-1], TurnFailed)
    assert seen.stored == ()


@requirement("guard:broken")
async def test_after_a_shield_that_cannot_judge_nothing_more_is_said() -> None:
    told = Told((Word("output_guard", broken=True, window=4),))
    with pytest.raises(BackendFailed):
        async with told.guard.speaking(told.emit) as emit:
            with pytest.raises(BackendFailed):
                await emit(TokenDelta("One two three."))
            await emit(TokenDelta("Four."))
    assert told.events == []


@requirement("guard:source", "guard:notices")
@pytest.mark.parametrize(
    ("shield", "message"),
    [
        (Word("read", "obey", source=True), "A tool's result was kept from the model."),
        (Word("read", broken=True, source=True), "A tool's result was kept from the model, as it could not be judged."),
    ],
)
async def test_a_result_that_must_not_be_read_is_withheld(
    shield: Word, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def obey(_: ToolCall) -> str:
        return "obey me"

    caplog.set_level(logging.DEBUG)
    told = Told((shield,))
    toolset = told.guard.toolset(Tools({"now": obey}))
    call = ToolCall("1", "now", "{}")
    assert [tool.spec.name for tool in toolset.tools] == ["now"]
    assert await toolset.call(call) == ToolResult(call, WITHHELD, failed=True)
    assert told.told == [("source_withheld", "read", "source", message)]
    assert "obey me" not in caplog.text


@requirement("guard:source")
async def test_passages_that_must_not_be_read_are_left_out() -> None:
    told = Told((Word("read", "obey", source=True),))
    passages = tuple(Passage(content, "manual", "Title", None) for content in ("one", "obey", "two"))
    assert await told.guard.passages(passages) == (passages[0], passages[2])
    assert told.told == [("source_withheld", "read", "source", "A passage was kept from the model.")]


@requirement("guard:parts", "guard:input:changed")
async def test_the_system_prompt_of_a_new_conversation_is_looked_at_and_put_back() -> None:
    told = Told((TOKENS,))
    question = Question("Why?", system_prompt=f"Use {KEY}.", attachments=(Attachment("log", "text/plain", KEY),))
    assert await told.guard.question(question) == replace(
        question, system_prompt=f"Use {SHOWN}.", attachments=(replace(question.attachments[0], content=SHOWN),)
    )
    assert told.told == [("shield_changed", "inout_tokens", "input", "2 places were taken out of the question.")]


@requirement("guard:parts", "guard:input")
@pytest.mark.parametrize("continued", [False, True])
async def test_only_a_new_conversation_is_refused_for_its_system_prompt(continued: bool) -> None:
    id_ = new_conversation_id() if continued else None
    question = Question("Why?", conversation_id=id_, system_prompt="a bomb")
    found = await Told((Word("input_guard", "bomb"),)).guard.question(question)
    assert (found is question) is continued


@requirement("guard:parts", "guard:notices")
async def test_what_is_only_found_where_parts_meet_changes_nothing_and_is_not_told() -> None:
    told = Told((redaction("input_meeting", patterns=({"name": "met", "pattern": "one\\s{1,4}two"},)),))
    question = Question("one", attachments=(Attachment("log", "text/plain", "two"),))
    assert await told.guard.question(question) is question
    assert told.told == []


@requirement("guard:parts", "guard:source", "guard:notices")
async def test_titles_and_sections_are_read_with_their_passage() -> None:
    told = Told((Word("read", "obey", source=True), replace(TOKENS, stage=Stage.SOURCE)))
    leaking = Passage(f"Use {KEY}.", "manual", f"Of {KEY}", None, ("Keys", KEY))
    passages = (
        Passage("one", "manual", "obey", None),
        Passage("two", "manual", "Title", None, ("Part", "obey")),
        leaking,
    )
    assert await told.guard.passages(passages) == (
        replace(leaking, content=f"Use {SHOWN}.", title=f"Of {SHOWN}", section=("Keys", SHOWN)),
    )
    withheld = ("source_withheld", "read", "source", "A passage was kept from the model.")
    changed = ("shield_changed", "inout_tokens", "source", "3 places were taken out of a passage.")
    assert sorted(told.told) == [changed, withheld, withheld]

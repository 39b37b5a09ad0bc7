"""Admit and answer: one pipeline for every protocol.

``admit`` may refuse with an error and changes nothing. ``answer`` speaks in events only; the one that hears them sends
them on, so that a slow reader slows the model and no generator is ever closed from a foreign task.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import anyio

from lightspeed_stack.assistant import agent
from lightspeed_stack.assistant.agent import Budget, Emit
from lightspeed_stack.assistant.context import Prompt, assemble, check_attachments, search_text
from lightspeed_stack.assistant.guard import Guard
from lightspeed_stack.assistant.live import ActiveTurns
from lightspeed_stack.assistant.prompts import Instructions
from lightspeed_stack.assistant.recorder import TurnRecorder
from lightspeed_stack.assistant.summaries import TopicSummaries
from lightspeed_stack.backends.catalog import ModelCatalog
from lightspeed_stack.domain.chat import Conversation, ModelChoice, Outcome, Question, Turn
from lightspeed_stack.domain.events import (
    Cited,
    Compacted,
    TokenDelta,
    TurnEnded,
    TurnEvent,
    TurnFailed,
    TurnStarted,
)
from lightspeed_stack.domain.identity import Principal
from lightspeed_stack.domain.ids import new_conversation_id, new_request_id
from lightspeed_stack.domain.knowledge import Passage, citations
from lightspeed_stack.errors import AssistantError, KnowledgeError, ModelNotFound, PromptTooLong
from lightspeed_stack.retrieval.base import Retriever
from lightspeed_stack.shields.base import ShieldSource
from lightspeed_stack.storage.base import ConversationStore, TranscriptSink
from lightspeed_stack.tools.base import NoTools

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """``max_question_length`` in characters, for the question and for its system prompt; ``max_attachments`` of a
    question, and ``max_attachments_length`` in characters for all of them together; ``max_passages`` a turn;
    ``reply_tokens`` kept free for the answer.

    ``announce_after``: seconds after which a stream starts although the model's server has not accepted the question
    yet. Before that a refusal becomes a real status; after it the caller knows that work is under way.
    """

    max_question_length: int = 131_072
    max_attachments: int = 32
    max_attachments_length: int = 1_048_576
    max_passages: int = 3
    reply_tokens: int = 512
    announce_after: float = 2.0
    budget: Budget = field(default_factory=Budget)

    def check(self, question: Question) -> None:
        """Raise PromptTooLong for the first field of a question that is over its limit."""
        _check("query", len(question.text), "characters", "max_question_length", self.max_question_length)
        if question.system_prompt:
            length = len(question.system_prompt)
            _check("system_prompt", length, "characters", "max_question_length", self.max_question_length)
        if question.attachments:
            count, length = len(question.attachments), sum(len(it.content) for it in question.attachments)
            _check("attachments", count, "entries", "max_attachments", self.max_attachments)
            _check("attachments", length, "characters", "max_attachments_length", self.max_attachments_length)


def _check(field_: str, found: int, unit: str, key: str, allowed: int) -> None:
    if found > allowed:
        fix = "Please shorten it." if unit == "characters" else "Please send fewer."
        raise PromptTooLong(f"{field_} has {found} {unit}, and inference.{key} allows {allowed}. {fix}")


def _ignore(*_: str) -> None:
    """Nobody listens."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Assistant:
    """Answers questions. ``retriever`` is None where no documentation is configured.

    ``transcripts`` is None where none are kept, ``topics`` where conversations get no topic of our making, ``shields``
    where nothing is judged.

    ``failures`` hears what could not be done although the answer was given: ``conversation``, ``turn``,
    ``transcript``, ``retrieval``. ``violated`` hears of every question and answer that a shield refused.
    """

    catalog: ModelCatalog
    conversations: ConversationStore
    retriever: Retriever | None = None
    transcripts: TranscriptSink | None = None
    topics: TopicSummaries | None = None
    shields: ShieldSource | None = None
    instructions: Instructions = field(default_factory=Instructions)
    limits: Limits = field(default_factory=Limits)
    active: ActiveTurns = field(default_factory=ActiveTurns)
    failures: Callable[[str], None] = _ignore
    violated: Callable[[], None] = _ignore
    clock: Callable[[], datetime] = _now

    async def admit(self, question: Question, who: Principal, *, any_owner: bool = False) -> Turn:
        """Decide everything that can be refused. ``any_owner``: the caller may continue conversations of others.

        Sizes are checked first, because that costs nothing; the rest in the order of rest-api.md 1.7: conversation,
        model, system prompt, kinds of attachments.

        Raises PromptTooLong, ConversationNotFound, ModelNotFound, SystemPromptNotAllowed, AttachmentNotAllowed,
        BackendError or StorageError.
        """
        self.limits.check(question)
        started_at = self.clock()
        if question.conversation_id is None:
            conversation = Conversation(new_conversation_id(), who.user_id, None)
        else:
            owner = None if any_owner else who.user_id
            conversation = await self.conversations.load(question.conversation_id, owner=owner)
        model = await self._choose(question, conversation)
        instructions = self.instructions.resolve(question, conversation)
        check_attachments(question.attachments)
        return Turn(
            request_id=new_request_id(),
            conversation=replace(
                conversation, instructions=instructions, last_model=model.label, last_provider=model.provider_id
            ),
            question=question,
            principal=who,
            model=model,
            instructions=instructions,
            started_at=started_at,
        )

    async def _choose(self, question: Question, conversation: Conversation) -> ModelChoice:
        """The model of a turn: what the request names, else what answered last (rest-api.md 1.8).

        A model that answered last and is gone, as in a conversation from before a change of providers, is nothing the
        caller asked for: the default answers then.
        """
        named = question.provider is not None or question.model is not None
        try:
            return await self.catalog.choose(
                conversation.last_provider if question.provider is None else question.provider,
                conversation.last_model if question.model is None else question.model,
            )
        except ModelNotFound:
            if named or conversation.last_model is None:
                raise
            return await self.catalog.choose(None, None)

    async def answer(self, turn: Turn, emit: Emit, *, live: bool = True) -> None:
        """Run a turn; the last event is TurnEnded or TurnFailed, unless the caller cancels.

        ``live``: somebody watches. Then the conversation is stored before TurnStarted tells its id, which comes early
        although the model's server may be slow, and the answer comes in the pieces in which it is made.

        However the turn ends, what was said is kept.
        """
        with self.active.track():
            await self._answer(turn, emit, live=live)

    async def _answer(self, turn: Turn, emit: Emit, *, live: bool) -> None:
        recorder = TurnRecorder(self.conversations, turn, self.clock, self.failures, self.transcripts)
        try:
            asked = await self._generate(turn, emit, recorder, live=live)
        except AssistantError as error:
            await self._keep(recorder, Outcome.FAILED)
            await emit(TurnFailed(error))
            return
        except BaseException:
            await self._keep(recorder, Outcome.INTERRUPTED)
            raise
        stored = await recorder.close(Outcome.COMPLETE)
        said, passages = recorder.answer, recorder.passages
        ended = TurnEnded(
            text=said.text,
            usage=said.usage,
            truncated=said.truncated,
            passages=passages,
            citations=citations(passages),
            tool_results=tuple(said.tool_results),
            stored=stored,
        )
        try:
            await emit(ended)
        finally:  # also where the caller left in the last moment
            if stored and asked and self.topics is not None:
                self.topics.ask(turn)

    async def _keep(self, recorder: TurnRecorder, outcome: Outcome) -> None:
        """Record a cut turn, if anything was said. Its caller may be gone, but what was said has been paid for."""
        if recorder.answer.pieces:
            with anyio.CancelScope(shield=True):
                await recorder.close(outcome)

    async def _generate(self, turn: Turn, emit: Emit, recorder: TurnRecorder, *, live: bool) -> bool:
        """Answer; False where a shield did, for a question that no model may be asked."""
        guard = await Guard.of(self.shields, self.violated)
        refusal = await guard.question(turn.question)
        if refusal is not None:
            await _Opening(recorder, emit, live=live).once()
            recorder.answer.pieces.append(refusal.message)
            await emit(TokenDelta(refusal.message))
            return False
        passages = await self._read(turn)
        recorder.passages = passages or ()
        prompt = self._assemble(turn, passages)
        opening = _Opening(recorder, emit, dropped=prompt.dropped, live=live)
        run = _Run(turn, prompt, recorder, guard, live)
        if live:
            await self._generate_live(run, opening)
        else:
            await self._run(run, emit, accepted=opening.once)
        return True

    async def _generate_live(self, run: "_Run", opening: "_Opening") -> None:
        """Open the turn beside the model's work: when its server has accepted, or when that takes long.

        Reading goes on meanwhile, so that the first pieces are in hand even if the server is gone the next moment.
        """
        failure: AssistantError | None = None
        accepted = False
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(opening.after, self.limits.announce_after)

            async def accept() -> None:
                nonlocal accepted
                accepted = True
                tasks.start_soon(opening.once)

            try:
                await self._run(run, opening.emit, accepted=accept)
            except AssistantError as error:  # caught here: a task group would wrap it
                failure = error
            if accepted:
                await opening.done.wait()
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _run(self, run: "_Run", emit: Emit, *, accepted: Callable[[], Awaitable[None]]) -> None:
        async def say(heard: Emit) -> None:
            await agent.run(
                self.catalog.backend(run.turn.model),
                run.turn.model.asked_as,
                run.prompt.messages,
                NoTools(),
                heard,
                run.recorder.answer,
                budget=self.limits.budget,
                live=run.live,
                accepted=accepted,
            )

        await run.guard.answer(run.recorder.answer, emit, say)

    async def _read(self, turn: Turn) -> tuple[Passage, ...] | None:
        """Passages for the question; None where there is no documentation.

        A failing store does not fail the turn: nothing is found, and the model still has to say what it does not know.
        """
        if self.retriever is None or turn.question.no_tools:
            return None
        asked = search_text(turn.question.text, turn.conversation.history)
        try:
            return await self.retriever.search(asked, limit=self.limits.max_passages)
        except KnowledgeError as error:
            log.error("answering without documentation: %s", error.cause)
            self.failures("retrieval")
            return ()

    def _assemble(self, turn: Turn, passages: tuple[Passage, ...] | None) -> Prompt:
        window = turn.model.context_window
        budget = None if window is None else max(window - self.limits.reply_tokens, window // 2)
        return assemble(turn.instructions, turn.conversation.history, passages, turn.question, budget=budget)


@dataclass(frozen=True, slots=True)
class _Run:
    """What one generation needs."""

    turn: Turn
    prompt: Prompt
    recorder: TurnRecorder
    guard: Guard
    live: bool


class _Opening:
    """Emits what comes before the first token, once, with the conversation stored before its id is told.

    In a live turn ``once`` runs in tasks beside the model's work, never in that itself: storing goes on to its end when
    the caller leaves, and the model must not.
    """

    def __init__(self, recorder: TurnRecorder, emit: Emit, *, dropped: int = 0, live: bool) -> None:
        self._recorder = recorder
        self._emit = emit
        self._dropped = dropped
        self._live = live
        self._lock = anyio.Lock()
        self.done = anyio.Event()

    async def after(self, seconds: float) -> None:
        await anyio.sleep(seconds)
        await self.once()

    async def emit(self, event: TurnEvent) -> None:
        """Emit an event that must not come before the opening."""
        if not self.done.is_set():
            await self.done.wait()
        await self._emit(event)

    async def once(self) -> None:
        async with self._lock:
            if self.done.is_set():
                return
            turn, passages = self._recorder.turn, self._recorder.passages
            if self._live:
                await self._recorder.announce()
            await self._emit(TurnStarted(turn.conversation.id, turn.request_id, turn.model))
            if passages:
                await self._emit(Cited(passages, citations(passages)))
            if self._dropped:
                await self._emit(Compacted(self._dropped))
            self.done.set()


async def collect(run: Callable[[Emit], Awaitable[None]]) -> TurnEnded:
    """Fold a turn into its end. Raises what the turn failed with."""
    last: TurnEvent | None = None

    async def keep(event: TurnEvent) -> None:
        nonlocal last
        last = event

    await run(keep)
    if isinstance(last, TurnFailed):
        raise last.error
    if not isinstance(last, TurnEnded):
        raise TypeError(f"a turn ended in {type(last).__name__}")
    return last

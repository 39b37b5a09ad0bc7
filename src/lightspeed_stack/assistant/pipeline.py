"""Admit and answer: one pipeline for every protocol.

``admit`` may refuse with an error and changes nothing. ``answer`` speaks in events only; the one that hears them sends
them on, so that a slow reader slows the model and no generator is ever closed from a foreign task.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

import anyio
import anyio.to_thread

from lightspeed_stack.assistant import agent
from lightspeed_stack.assistant.agent import Work
from lightspeed_stack.assistant.answer import Emit, Tell
from lightspeed_stack.assistant.context import Prompt, assemble, check_attachments, search_text
from lightspeed_stack.assistant.guard import Guard
from lightspeed_stack.assistant.limits import Limits, tokens_of
from lightspeed_stack.assistant.live import ActiveTurns
from lightspeed_stack.assistant.long_results import LongResults
from lightspeed_stack.assistant.opening import Opening
from lightspeed_stack.assistant.progress import Progress
from lightspeed_stack.assistant.prompts import Instructions
from lightspeed_stack.assistant.recorder import MUCH, TurnRecorder
from lightspeed_stack.assistant.summaries import TopicSummaries
from lightspeed_stack.backends.catalog import ModelCatalog
from lightspeed_stack.domain.chat import Conversation, ModelChoice, Outcome, Question, Turn
from lightspeed_stack.domain.events import TokenDelta, TurnEnded, TurnEvent, TurnFailed
from lightspeed_stack.domain.identity import Principal, ToolAccess
from lightspeed_stack.domain.ids import new_conversation_id, new_request_id
from lightspeed_stack.domain.knowledge import Passage, citations
from lightspeed_stack.domain.notices import Notice, NoticeKind
from lightspeed_stack.errors import AssistantError, KnowledgeError, ModelNotFound
from lightspeed_stack.retrieval.base import Retriever
from lightspeed_stack.shields.base import ShieldSource, Violation
from lightspeed_stack.storage.base import ConversationStore, TranscriptSink
from lightspeed_stack.tools.approval import ApprovalPolicy, NobodyToAsk
from lightspeed_stack.tools.base import NoTools, Tool, ToolSelection, Toolset, ToolSource

log = logging.getLogger(__name__)

TOPIC_READS = 4000
"""Characters of a question from which its topic is made."""


def _ignore(*_: object) -> None:
    """Nobody listens."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Assistant:
    """Answers questions. ``retriever`` is None where no documentation is configured.

    ``transcripts`` is None where none are kept, ``topics`` where conversations get no topic of our making, ``shields``
    where nothing is judged, ``tools`` where there are none; ``selection`` chooses among many.

    ``failures`` hears what could not be done although the answer was given: ``conversation``, ``turn``,
    ``transcript``, ``retrieval``. ``observed`` hears of calls of tools, their results, and notices.
    """

    catalog: ModelCatalog
    conversations: ConversationStore
    retriever: Retriever | None = None
    tools: ToolSource | None = None
    selection: ToolSelection | None = None
    approvals: ApprovalPolicy = field(default_factory=NobodyToAsk)
    transcripts: TranscriptSink | None = None
    topics: TopicSummaries | None = None
    shields: ShieldSource | None = None
    instructions: Instructions = field(default_factory=Instructions)
    limits: Limits = field(default_factory=Limits)
    active: ActiveTurns = field(default_factory=ActiveTurns)
    failures: Callable[[str], None] = _ignore
    observed: Callable[[TurnEvent], None] = _ignore
    clock: Callable[[], datetime] = _now

    async def admit(
        self, question: Question, who: Principal, *, any_owner: bool = False, access: ToolAccess | None = None
    ) -> Turn:
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
            access=access or ToolAccess(),
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
        opening = Opening(recorder, emit, self.observed, live=live)
        try:
            guard = await Guard.of(self.shields, turn.question.shield_ids, opening.tell)
            if not guard.idle:
                recorder.cleaned, opening.shown = guard.cleaned, guard.shown
            outcome = await self._generate(recorder, guard, opening, live=live)
        except AssistantError as error:
            await self._keep(recorder, Outcome.FAILED)
            await emit(TurnFailed(error))
            return
        except BaseException:
            await self._keep(recorder, Outcome.INTERRUPTED)
            raise
        stored = await recorder.close(outcome)
        try:
            await emit(await _shown(_ended(recorder, stored=stored), guard))
        finally:  # also where the caller left in the last moment
            if stored and outcome is Outcome.COMPLETE and self.topics is not None:
                self.topics.ask(_for_topic(recorder.turn, guard))

    async def _keep(self, recorder: TurnRecorder, outcome: Outcome) -> None:
        """Record a cut turn, if anything was said or done. Its caller may be gone, but it has been paid for."""
        if recorder.answer.pieces or recorder.answer.tool_results:
            with anyio.CancelScope(shield=True):
                await recorder.close(outcome)

    async def _generate(self, recorder: TurnRecorder, guard: Guard, opening: Opening, *, live: bool) -> Outcome:
        """Answer; REFUSED where a shield did, for a question that no model may be asked."""
        question = await guard.question(recorder.turn.question)
        if isinstance(question, Violation):
            recorder.turn = await _clean(recorder.turn, guard)
            await opening.once()
            recorder.answer.pieces.append(question.message)
            await opening.emit(TokenDelta(question.message))
            return Outcome.REFUSED
        turn = recorder.turn = await _clean(replace(recorder.turn, question=question), guard)
        toolset, offered = await self._tools(turn, guard, opening.tell)
        passages = await self._read(turn, guard)
        recorder.passages = passages or ()
        prompt = self._assemble(turn, passages, offered)
        opening.dropped = prompt.dropped
        work = self._work(turn, guard.toolset(toolset), offered, live=live)
        run = _Run(work, Progress.begin(prompt.messages), recorder, guard, opening)
        if live:
            await self._generate_live(run)
        else:
            await run.to_the_end(self.observed, accepted=opening.once)
        return Outcome.COMPLETE

    async def _generate_live(self, run: "_Run") -> None:
        """Open the turn beside the model's work: when its server has accepted, or when that takes long.

        Reading goes on meanwhile, so that the first pieces are in hand even if the server is gone the next moment.
        """
        opening = run.opening
        failure: AssistantError | None = None
        accepted = False
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(opening.after, self.limits.announce_after)

            async def accept() -> None:
                nonlocal accepted
                accepted = True
                tasks.start_soon(opening.once)

            try:
                await run.to_the_end(self.observed, accepted=accept)
            except AssistantError as error:  # caught here: a task group would wrap it
                failure = error
            if accepted:
                await opening.done.wait()
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def _work(self, turn: Turn, toolset: Toolset, offered: tuple[Tool, ...], *, live: bool) -> Work:
        return Work(
            backend=self.catalog.backend(turn.model),
            model=turn.model.asked_as,
            toolset=toolset,
            offered=offered,
            budget=self.limits.budget.within(turn.question.budget),
            live=live,
            approvals=self.approvals,
            room=self._room(turn, offered),
        )

    async def _tools(self, turn: Turn, guard: Guard, tell: Tell) -> tuple[Toolset, tuple[Tool, ...]]:
        """The tools of the turn, and those of them that the model is offered. Raises ToolAuthorizationRequired."""
        if self.tools is None or turn.question.no_tools:
            return NoTools(), ()
        toolset = await self.tools.toolset(turn.access)
        for server in toolset.skipped:
            await tell(Notice(NoticeKind.SERVER_SKIPPED, server.name, server.message, server.reason.value))
        tools = toolset.tools
        if not tools:
            return toolset, ()
        window = turn.model.context_window
        limit = self.limits.offered_tools(window, tools)
        if len(tools) > limit and self.selection is not None:
            asked = search_text(turn.question.text, turn.conversation.history)
            tools = await self.selection.relevant(asked, tools, limit=limit)
        tools = self.limits.fitting(window, tools[:limit])
        if len(tools) < len(toolset.tools):
            message = f"Of {len(toolset.tools)} tools the {len(tools)} most relevant to the question were offered."
            await tell(Notice(NoticeKind.TOOLS_CHOSEN, str(len(tools)), message))
        clean = None if guard.idle else guard.clean
        return LongResults(toolset, self.limits.tool_result_tokens(window), tell, clean), tools

    async def _read(self, turn: Turn, guard: Guard) -> tuple[Passage, ...] | None:
        """Passages for the question; None where there is no documentation.

        A failing store does not fail the turn: nothing is found, and the model still has to say what it does not know.
        """
        if self.retriever is None or turn.question.no_tools:
            return None
        asked = search_text(turn.question.text, turn.conversation.history)
        try:
            found = await self.retriever.search(asked, limit=self.limits.max_passages)
        except KnowledgeError as error:
            log.error("answering without documentation: %s", error.cause)
            self.failures("retrieval")
            return ()
        return found and await guard.passages(found)

    def _room(self, turn: Turn, offered: tuple[Tool, ...]) -> int | None:
        """Tokens for the messages of a prompt, beside the tools that it offers."""
        room = self.limits.prompt_tokens(turn.model.context_window)
        return None if room is None else room - sum(map(tokens_of, offered))

    def _assemble(self, turn: Turn, passages: tuple[Passage, ...] | None, offered: tuple[Tool, ...]) -> Prompt:
        return assemble(
            turn.instructions,
            turn.conversation.history,
            passages,
            turn.question,
            budget=self._room(turn, offered),
            with_tools=bool(offered),
        )


@dataclass(frozen=True, slots=True)
class _Run:
    """One answer on its way: from the model, past the shields, to whoever listens and to the record."""

    work: Work
    progress: Progress
    recorder: TurnRecorder
    guard: Guard
    opening: Opening

    async def to_the_end(
        self, observed: Callable[[TurnEvent], None], *, accepted: Callable[[], Awaitable[None]]
    ) -> None:
        answer, emit = self.recorder.answer, self.opening.emit

        async def say(event: TurnEvent) -> None:
            if isinstance(event, TokenDelta):
                answer.pieces.append(event.text)
            else:
                observed(event)
            await emit(event)

        async with self.guard.speaking(say) as heard:
            waiting = await agent.run(self.work, self.progress, answer, heard, self.opening.tell, accepted=accepted)
            if waiting is not None:
                raise TypeError("a policy asks a human, and this version has no way to")


async def _clean(turn: Turn, guard: Guard) -> Turn:
    """The turn without what may not be kept or asked in what surrounds its question.

    Old turns may be from before a shield was there. A caller's system prompt is stored with the conversation.
    """
    if guard.idle:
        return turn
    cleaned = partial(_cleaned, turn, guard)
    said = sum(len(it.question) + len(it.answer) for it in turn.conversation.history)
    return cleaned() if said <= MUCH else await anyio.to_thread.run_sync(cleaned)


def _cleaned(turn: Turn, guard: Guard) -> Turn:
    instructions = turn.instructions
    if turn.is_new and turn.question.system_prompt:
        instructions = guard.clean(turn.question.system_prompt)  # which the guard has seen with the question
    old = turn.conversation.history
    history = tuple(replace(it, question=guard.clean(it.question), answer=guard.clean(it.answer)) for it in old)
    conversation = replace(turn.conversation, instructions=instructions, history=history)
    return replace(turn, instructions=instructions, conversation=conversation)


def _for_topic(turn: Turn, guard: Guard) -> Turn:
    """The turn with a question that is fit for its topic, which is stored: its beginning says enough."""
    return replace(turn, question=replace(turn.question, text=guard.clean(turn.question.text[:TOPIC_READS])))


async def _shown(ended: TurnEnded, guard: Guard) -> TurnEnded:
    """The end as it may be shown; much text is searched through off the event loop."""
    if guard.idle or sum(len(result.content) for result in ended.tool_results) <= MUCH:
        return guard.shown(ended)
    return await anyio.to_thread.run_sync(guard.shown, ended)


def _ended(recorder: TurnRecorder, *, stored: bool) -> TurnEnded:
    said, passages = recorder.answer, recorder.passages
    return TurnEnded(
        text=said.text,
        usage=said.usage,
        truncated=said.truncated,
        passages=passages,
        citations=citations(passages),
        tool_results=tuple(said.tool_results),
        stored=stored,
        notices=tuple(said.notices),
    )


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

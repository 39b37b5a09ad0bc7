"""The loop as these tests run it: a scripted model over a real socket, and tools that do as they are told."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from lightspeed_stack.assistant import agent
from lightspeed_stack.assistant.agent import Waiting, Work
from lightspeed_stack.assistant.answer import Answer
from lightspeed_stack.assistant.progress import Progress
from lightspeed_stack.backends.base import ToolSpec
from lightspeed_stack.backends.openai import OpenAIBackend
from lightspeed_stack.domain.chat import Budget, Message, ToolCall, ToolResult
from lightspeed_stack.domain.events import TokenDelta, ToolCalled, ToolReturned, TurnEvent
from lightspeed_stack.domain.notices import Notice
from lightspeed_stack.tools.approval import Allow, ApprovalPolicy, Deny, NobodyToAsk
from lightspeed_stack.tools.base import SkippedServer, Tool, Toolset, unknown_tool
from tests.servers.openai_server import Script, ScriptedCall, openai_server

type Does = Callable[[ToolCall], Awaitable[str]]


async def noon(call: ToolCall) -> str:
    return f"noon for {call.arguments}"


def tool(name: str, *, server: str | None = "http://tools.example", needs_approval: bool = False) -> Tool:
    spec = ToolSpec(name, f"Does {name}.", '{"type": "object"}')
    return Tool(spec, "clock" if server else "builtin", "model-context-protocol", server, needs_approval)


@dataclass(slots=True)
class Tools:
    """A toolset; ``ran`` are the calls that reached it."""

    does: Mapping[str, Does] = field(default_factory=lambda: {"now": noon})
    tools: tuple[Tool, ...] = ()
    skipped: tuple[SkippedServer, ...] = ()
    ran: list[ToolCall] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tools = self.tools or tuple(map(tool, self.does))

    async def call(self, call: ToolCall) -> ToolResult:
        self.ran.append(call)
        if call.name not in self.does:
            return ToolResult(call, unknown_tool(call.name), failed=True)
        return ToolResult(call, await self.does[call.name](call))


@dataclass(slots=True)
class Clock:
    """Seconds that pass when a test says so."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Ran:
    """What became of a run of the loop."""

    answer: Answer = field(default_factory=Answer)
    events: list[TurnEvent] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    accepted: int = 0
    waiting: Waiting | None = None
    chats: list[dict[str, Any]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, TokenDelta))

    @property
    def called(self) -> list[str]:
        return [event.call.id for event in self.events if isinstance(event, ToolCalled)]

    @property
    def returned(self) -> list[str]:
        return [event.result.call.id for event in self.events if isinstance(event, ToolReturned)]

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(notice.kind.value, notice.subject) for notice in self.notices]

    @property
    def results(self) -> list[str]:
        return [result.content for result in self.answer.tool_results]

    def offered(self, number: int) -> list[str]:
        """The names of the tools that a round was offered."""
        return [it["function"]["name"] for it in self.chats[number].get("tools", ())]

    async def emit(self, event: TurnEvent) -> None:
        self.events.append(event)

    async def tell(self, notice: Notice) -> None:
        self.notices.append(notice)

    async def accept(self) -> None:
        self.accepted += 1


type Scripts = Script | Sequence[Script] | Callable[[dict[str, Any]], Script]

QUESTION = Progress.begin([Message("user", "What time is it?")])


async def run(
    scripts: Scripts,
    toolset: Toolset,
    budget: Budget | None = None,
    *,
    progress: Progress = QUESTION,
    decisions: Mapping[str, Allow | Deny] | None = None,
    approvals: ApprovalPolicy | None = None,
    offered: tuple[Tool, ...] | None = None,
    clock: Callable[[], float] | None = None,
    ran: Ran | None = None,
    read_text_calls: bool = True,
) -> Ran:
    """Run the loop, or resume it where there are ``decisions``."""
    ran = ran or Ran()
    async with openai_server(scripts) as server, OpenAIBackend(server.url) as backend:
        work = Work(
            backend,
            "fake-llm",
            toolset,
            toolset.tools if offered is None else offered,
            budget or Budget(rounds=10),
            live=True,
            approvals=approvals or NobodyToAsk(),
            read_text_calls=read_text_calls,
            clock=clock or anyio.current_time,
        )
        try:
            if decisions is None:
                ran.waiting = await agent.run(work, progress, ran.answer, ran.emit, ran.tell, accepted=ran.accept)
            else:
                ran.waiting = await agent.resume(
                    work, progress, decisions, ran.answer, ran.emit, ran.tell, accepted=ran.accept
                )
        finally:
            ran.chats = server.chats
    return ran


def calls(*made: ScriptedCall, says: str = "", usage: tuple[int, int] | None = (5, 2)) -> Script:
    return Script((says,) if says else (), tool_calls=made, usage=usage)


SAYS = Script(("It is ", "noon."), usage=(9, 3))
CALLS = calls(ScriptedCall("c1", "now", '{"zone": "UTC"}'), ScriptedCall("c2", "now"))

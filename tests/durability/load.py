"""Users who ask until the service dies under them, and a ledger of what they were promised."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random

import aiohttp
import anyio
from anyio.lowlevel import checkpoint

from tests.durability.places import Json
from tests.durability.talking import QUERY, STREAM, answer_to, ask, give_feedback
from tests.servers.openai_server import Script

USERS = 6

AFTERMATH = 150
"""Turns of the event loop, at most, between the last event and the death: a few milliseconds, as a write takes."""


@dataclass(slots=True)
class Fuse:
    """Burns with every event: what the model is asked, and what users receive. ``more`` events later it is over."""

    length: int
    more: int | None = None
    burnt: anyio.Event = field(default_factory=anyio.Event)
    over: bool = False

    def burn(self) -> None:
        self.length -= 1
        if self.length <= 0:
            self.burnt.set()
        self.over = self.more is not None and self.length <= -self.more

    def playing(self, play: Callable[[Json], Script]) -> Callable[[Json], Script]:
        """A model that burns it."""

        def burning(body: Json) -> Script:
            self.burn()
            return play(body)

        return burning


@dataclass(slots=True)
class Ledger:
    """``kept``: questions by conversation whose ``end``, or 200, arrived, in that order. ``sent``: all questions.

    ``in_flight``: the questions under way when the service died, with their conversations, None for a new one.
    ``feedback`` has the texts that were accepted. ``condemned``: what was asked to be deleted, ``deleted``: what was
    said to be.
    """

    kept: dict[str, list[str]] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)
    in_flight: dict[str, str | None] = field(default_factory=dict)
    feedback: set[str] = field(default_factory=set)
    feedback_sent: set[str] = field(default_factory=set)
    condemned: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)

    def keep(self, conversation_id: str, question: str) -> None:
        self.kept.setdefault(conversation_id, []).append(question)
        self.in_flight.pop(question, None)


@dataclass(slots=True)
class User:
    """One of several who ask at the same time, now and then in one another's conversations."""

    name: str
    http: aiohttp.ClientSession
    ledger: Ledger
    fuse: Fuse
    random: Random
    asked: int = 0

    async def talk(self, *, survives: bool) -> None:
        """Ask until the fuse is over; an answer that breaks off ends it, unless the service ``survives``."""
        while not self.fuse.over:
            try:
                await self._act()
            except aiohttp.ClientError:
                if not survives:
                    return

    async def _act(self) -> None:
        chance = self.random.random()
        if chance < 0.1:
            await self._ask_and_delete()
            return
        kept = list(self.ledger.kept)
        goes_on = chance < 0.7 and kept
        conversation_id, question = await self._ask(self.random.choice(kept[-2 * USERS :]) if goes_on else None)
        if self.random.random() < 0.3:
            await self._feed_back(conversation_id, question)

    async def _ask(self, conversation_id: str | None, *, keep: bool = True) -> tuple[str, str]:
        self.asked += 1
        question = f"{self.name} {self.asked}"
        ledger, known = self.ledger, conversation_id or ""
        ledger.sent.add(question)
        ledger.in_flight[question] = conversation_id

        def heard(kind: str, data: Json) -> None:
            nonlocal known
            self.fuse.burn()
            if kind in {"start", "answer"}:
                known = data["conversation_id"]
            if kind in {"end", "answer"} and keep:
                ledger.keep(known, question)

        path = self.random.choice((QUERY, STREAM))
        answer = await ask(self.http, question, conversation_id, path=path, heard=heard)
        assert answer.ended
        assert answer.text == answer_to(question)
        return known, question

    async def _ask_and_delete(self) -> None:
        """Begin a conversation that nobody else goes on with, and delete it."""
        conversation_id, question = await self._ask(None, keep=False)
        self.ledger.in_flight.pop(question)
        self.ledger.condemned.add(conversation_id)
        version = self.random.choice((1, 2))
        async with self.http.delete(f"/v{version}/conversations/{conversation_id}") as response:
            # Where a worker dies before it answers, the client asks again by itself, and it may all be done.
            assert response.status in ({200, 403, 404} if self.fuse.burnt.is_set() else {200}), await response.text()
        self.ledger.deleted.add(conversation_id)
        self.fuse.burn()

    async def _feed_back(self, conversation_id: str, question: str) -> None:
        text = f"On {question}"
        self.ledger.feedback_sent.add(text)
        await give_feedback(self.http, text, question, conversation_id)
        self.ledger.feedback.add(text)
        self.fuse.burn()


async def drive(
    doors: Sequence[aiohttp.ClientSession], ledger: Ledger, fuse: Fuse, random: Random, kill: Callable[[], None]
) -> None:
    """Let users ask until the fuse is burnt, then ``kill``, a seeded moment later, and wait for all users to end.

    Each of them goes through one of ``doors``.
    """
    name = f"{random.getrandbits(32):08x}"
    survives = fuse.more is not None
    async with anyio.create_task_group() as tasks:
        for number in range(USERS):
            user = User(f"{name}-{number}", doors[number % len(doors)], ledger, fuse, Random(f"{name}{number}"))
            tasks.start_soon(partial(user.talk, survives=survives))
        await fuse.burnt.wait()
        for _ in range(random.randrange(AFTERMATH)):
            await checkpoint()
        kill()

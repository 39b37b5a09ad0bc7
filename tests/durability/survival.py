"""What must be there when a service is back on its data: everything that was promised, whole, once, and usable."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.durability.load import Ledger
from tests.durability.places import Json, Places, complete
from tests.durability.talking import (
    QUERY,
    STREAM,
    asked,
    delete,
    history,
    is_gone,
    listed,
    pairs,
    prompts,
    rename,
    topics_asked,
)
from tests.servers.openai_server import OpenAIServer
from tests.servers.processes import ServiceProcess

type Turns = list[tuple[str, str]]


@dataclass(slots=True)
class Found:
    """What was found, for a report: turns stored whose end was never told, conversations without turns, drafts."""

    untold: int = 0
    empty: int = 0
    drafts: int = 0


@dataclass(slots=True)
class Survivors:
    """Looks after one set of places through many deaths. ``files`` holds those already read, by path."""

    places: Places
    model: OpenAIServer
    found: Found = field(default_factory=Found)
    files: dict[Path, Json] = field(default_factory=dict)
    topics: dict[str, str] = field(default_factory=dict)

    async def check(self, http: aiohttp.ClientSession, ledger: Ledger, touched: set[str], *, new: bool) -> set[str]:
        """See that the service has what the ledger says; ``touched`` are the conversations to be read whole.

        ``new``: it has just started, so that no topic is being made. Gives the conversations of which no answer was
        kept.
        """
        self._read_files()
        self.found.drafts += sum(len(list(root.rglob("*.draft"))) for root in self._roots)
        self._check_feedback(ledger)
        # In this order, because a topic that is just being made comes into the first view first.
        second, first = await listed(http, 2), await listed(http)
        assert set(ledger.kept) <= set(second) <= set(first)
        assert ledger.deleted.isdisjoint(first)
        self._check_topics(first, second, one=new and self.places.together)
        untold = set(first) - set(ledger.kept)
        for conversation_id in touched | untold:
            await self.check_conversation(http, ledger, conversation_id)
        return untold

    async def check_conversation(self, http: aiohttp.ClientSession, ledger: Ledger, conversation_id: str) -> None:
        """Read a conversation whole, in both versions of the API and in its transcripts."""
        turns = await history(http, conversation_id)
        kept = ledger.kept.get(conversation_id, [])
        assert (await listed(http))[conversation_id]["message_count"] == len(turns)
        assert_kept(kept, turns, ledger.sent)
        if conversation_id in await listed(http, 2):
            assert await history(http, conversation_id, 2) == turns
        else:
            assert kept == []
        self._read_files()
        assert_kept(kept, self._transcripts(conversation_id), ledger.sent)
        self.found.untold += len(turns) - len(kept)
        self.found.empty += not turns

    @property
    def _roots(self) -> tuple[Path, Path]:
        return self.places.feedback, self.places.transcripts

    def _transcripts(self, conversation_id: str) -> Turns:
        """Oldest first."""
        found = [it for path, it in self.files.items() if path.parent.name == conversation_id]
        found.sort(key=lambda it: it["metadata"]["timestamp"])
        return [(it["redacted_query"], it["llm_response"]) for it in found]

    def _read_files(self) -> None:
        """Every file that a reader would take is complete."""
        for root in self._roots:
            for path in root.rglob("*.json"):
                if path not in self.files:
                    self.files[path] = complete(path)

    def _check_feedback(self, ledger: Ledger) -> None:
        texts = Counter(it["user_feedback"] for path, it in self.files.items() if path.parent == self.places.feedback)
        assert ledger.feedback <= set(texts) <= ledger.feedback_sent
        assert set(texts.values()) <= {1}

    def _check_topics(self, first: dict[str, Json], second: dict[str, Json], *, one: bool) -> None:
        """A topic is asked for once, and never changes once it is set; ``one``: it is set in both views at once."""
        assert set(Counter(topics_asked(self.model)).values()) <= {1}
        for conversation_id, entry in first.items():
            topic = entry["topic_summary"]
            before = self.topics.setdefault(conversation_id, topic)
            assert before in {"", topic}
            self.topics[conversation_id] = topic
            if conversation_id in second:
                assert second[conversation_id]["topic_summary"] in ({topic or None} if one else {topic or None, None})

    async def continue_and_delete(self, http: aiohttp.ClientSession, conversation_id: str) -> None:
        """See that a conversation is not stuck: it can be continued either way, renamed and deleted."""
        topic = (await listed(http))[conversation_id]["topic_summary"]
        before = [question for question, _ in await history(http, conversation_id)]
        for path in (QUERY, STREAM):
            before.append(f"{conversation_id} by {path}")
            await asked(http, before[-1], conversation_id, path=path)
            assert prompts(self.model)[before[-1]] == before
        assert await history(http, conversation_id) == await history(http, conversation_id, 2) == pairs(before)
        first, second = (await listed(http))[conversation_id], (await listed(http, 2))[conversation_id]
        assert first["message_count"] == len(before)
        if topic:  # what one of the two views missed has been made up for
            assert first["topic_summary"] == second["topic_summary"] == topic
        await rename(http, conversation_id, "Renamed")
        for version in (1, 2):
            assert (await listed(http, version))[conversation_id]["topic_summary"] == "Renamed"
        await delete(http, conversation_id)
        await is_gone(http, conversation_id)


def assert_kept(kept: list[str], found: Turns, sent: set[str]) -> None:
    """All that was kept is found once and in its order, and nothing is found that was not asked and answered."""
    assert found == pairs(question for question, _ in found)
    questions = [question for question, _ in found]
    assert set(questions) <= sent
    assert set(Counter(questions).values()) <= {1}
    assert set(kept) <= set(questions)
    for user in {question.split()[0] for question in kept}:
        told = [question for question in kept if question.startswith(user)]
        assert told == [question for question in questions if question in told]


def assert_calm(service: ServiceProcess) -> None:
    """Nothing failed, but for workers that were killed."""
    wrong = [line for line in service.log.splitlines() if " ERROR " in line and "and is replaced" not in line]
    assert wrong == [], service.log
    assert "Traceback" not in service.log, service.log

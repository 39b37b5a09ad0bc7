"""The vector databases and vector stores of a Llama Stack: all of them are searched for each question, as one.

Above: ``assistant`` by the door ``Retriever``. Below: the door ``stack.base``; the stack embeds the question itself.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from urllib.parse import urlsplit

import anyio

from lightspeed_stack.domain.health import Health
from lightspeed_stack.domain.knowledge import Passage
from lightspeed_stack.errors import BackendError, KnowledgeError, StackUnavailable
from lightspeed_stack.retrieval import ranking
from lightspeed_stack.stack.base import Found, Stack, Store

log = logging.getLogger(__name__)

PARALLEL = 8
"""Stores that are searched at the same time for one question."""

SPARE = 2
"""Times the passages that are wanted are asked for: some say the same as others."""

MAX_QUESTION = 4_000
"""Characters of a question that are looked up; embedding models read little more."""

MAX_CONTENT = 4_000
"""Characters of a passage, about a thousand tokens; releases cut files into pieces of 800 by themselves.

A document that was stored whole would take the place of all other passages in a prompt, or not fit into it at all.
"""

MAX_VALUE = 1_000
"""Characters of an attribute's text; longer ones are left out."""

TITLES = ("title", "filename", "document_id")
ADDRESSES = ("docs_url", "url", "source_url", "source")


class StackRetriever:
    """Searches the stores that the stack lists. ``timeout`` in seconds, for one question in all stores."""

    def __init__(self, stack: Stack, *, timeout: float = 10.0) -> None:
        self._stack = stack
        self._timeout = timeout

    async def search(self, question: str, *, limit: int) -> tuple[Passage, ...] | None:
        """See Retriever. A store that fails does not hide the others. Raises KnowledgeError when all of them fail."""
        try:
            stores = await self._stack.stores()
        except BackendError as error:
            raise KnowledgeError(f"the stores of Llama Stack cannot be listed: {error.cause}") from error
        if not stores:
            return None
        text = question[:MAX_QUESTION].strip()
        if limit < 1 or not text:
            return ()
        found = await self._search_all(stores, text, limit * SPARE)
        return ranking.distinct(merge(found), limit=limit)

    async def warm(self) -> None:
        """Nothing is to be loaded: the stack is looked at when it is reached, and its models are its own affair."""

    async def probe(self) -> Health:
        """Says what keeps the stores from being known, unless it is the whole stack, whose own health tells that."""
        try:
            await self._stack.stores()
        except StackUnavailable:
            return Health.ok()
        except BackendError as error:
            return Health.error(f"the stores of Llama Stack cannot be listed: {error.cause}")
        return Health.ok()

    async def _search_all(self, stores: Sequence[Store], text: str, limit: int) -> list[tuple[Store, list[Found]]]:
        """What was found in each store that answered in time, in the order of the stores."""
        found: dict[int, list[Found]] = {}
        failures: list[str] = []
        waiting = iter(enumerate(stores))

        async def work() -> None:
            for number, store in waiting:
                try:
                    found[number] = await self._stack.search(store, text, limit=limit)
                except BackendError as error:
                    failures.append(error.cause)
                    log.warning("store %r of Llama Stack: %s", store.name, error.cause)

        with anyio.move_on_after(self._timeout) as scope:
            async with anyio.create_task_group() as tasks:
                for _ in range(min(PARALLEL, len(stores))):
                    tasks.start_soon(work)
        if scope.cancelled_caught:
            late = f"{len(stores) - len(found) - len(failures)} of {len(stores)} did not answer in {self._timeout:g} s"
            failures.append(late)
            log.warning("stores of Llama Stack: %s", late)
        if not found:
            raise KnowledgeError(f"no store of Llama Stack could be searched: {failures[0]}")
        return [(stores[number], found[number]) for number in sorted(found)]


def merge(found: Iterable[tuple[Store, Sequence[Found]]]) -> list[Passage]:
    """All passages, best first.

    Within one provider by score. Across providers by their places: one tells a cosine, another an inverse distance, and
    so their scores do not compare. Neither do those of one provider where some are not told, or do not fall.
    """
    of_provider: dict[str, list[list[Passage]]] = {}
    comparable: dict[str, bool] = {}
    for store, hits in found:
        provider = store.provider_id or store.id
        of_provider.setdefault(provider, []).append([passage(store, hit) for hit in hits])
        comparable[provider] = comparable.get(provider, True) and _falling(hits)
    merged = [
        sorted((it for one in lists for it in one), key=lambda it: -it.score)
        if comparable[provider]
        else ranking.fuse(lists)
        for provider, lists in of_provider.items()
    ]
    return merged[0] if len(merged) == 1 else ranking.fuse(merged)


def passage(store: Store, hit: Found) -> Passage:
    """What a search found, as a passage of ours; where in its document it stands is not told."""
    attributes = {
        key: value for key, value in hit.attributes.items() if not isinstance(value, str) or len(value) <= MAX_VALUE
    }
    return Passage(
        content=_cut(hit.content),
        source=store.name,
        title=next((title for key in TITLES if (title := _text(attributes, key))), store.name),
        url=next((url for key in ADDRESSES if _is_address(url := _text(attributes, key))), None),
        score=hit.score or 0.0,
        attributes=attributes,
    )


def _falling(hits: Sequence[Found]) -> bool:
    scores = [hit.score for hit in hits]
    told = [score for score in scores if score is not None]
    return len(told) == len(scores) and all(one >= other for one, other in pairwise(told))


def _cut(text: str) -> str:
    """At most ``MAX_CONTENT`` characters, whole words of them where there are some."""
    if len(text) <= MAX_CONTENT:
        return text
    head = text[: MAX_CONTENT + 1]
    return (head.rsplit(maxsplit=1)[0] if len(head.split(maxsplit=1)) > 1 else head)[:MAX_CONTENT]


def _text(attributes: Mapping[str, object], key: str) -> str:
    value = attributes.get(key)
    return value.strip() if isinstance(value, str) else ""


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc) and len(text.split()) == 1

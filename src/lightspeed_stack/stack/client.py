"""One Llama Stack of any supported release, by its protocol.

Above: the door ``stack.base``; ``connection`` has it look around at the start. Below: any ``Transport``; ``wire`` and
``wire_search`` know the bodies, ``capabilities`` what a release can do, ``refreshed`` how long an answer is good for.
"""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Literal, Self
from urllib.parse import quote

import anyio
from anyio.abc import TaskGroup

from lightspeed_stack.domain.health import Health, HealthStatus
from lightspeed_stack.errors import BackendError, BackendFailed, BackendUnavailable, StackNotSupported, StackUnavailable
from lightspeed_stack.stack import versions, wire, wire_search
from lightspeed_stack.stack.base import (
    Capabilities,
    Found,
    Objection,
    StackModel,
    StackProvider,
    StackShield,
    Store,
)
from lightspeed_stack.stack.capabilities import capabilities
from lightspeed_stack.stack.refreshed import Job, Refreshed
from lightspeed_stack.stack.refusals import CredentialsRefused, NotAccepted, NotKnown, refusal
from lightspeed_stack.transport.base import Method, Response, Transport, whole

log = logging.getLogger(__name__)

MAX_BODY = 8 * 1024 * 1024
"""Bytes of a list, a search or a judgement."""

MAX_VECTORS = 64 * 1024 * 1024
"""Bytes of vectors."""

LIST_TIMEOUT = 5.0
PAGE = 100
MAX_PAGES = 20
"""Vector stores that are looked at are 2,000 at most; a question is searched for in all of them."""

ITSELF = "llama_stack"
"""By which name ``probe`` tells of the stack itself."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a stack told of itself. ``refused`` says why we do not speak with its version."""

    capabilities: Capabilities
    providers: tuple[StackProvider, ...] = ()
    refused: str | None = None


class StackClient:
    """See ``stack.base.Stack``. An async context manager: leaving it ends refreshes that are under way.

    ``transport`` is open before and after. Times are seconds: ``timeout`` for one search, one judgement, one set of
    vectors, ``list_timeout`` for what a stack tells of itself.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        timeout: float,
        list_timeout: float = LIST_TIMEOUT,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._transport = transport
        self._timeout = timeout
        self._list_timeout = list_timeout
        self._open = AsyncExitStack()
        self._tasks: TaskGroup | None = None
        self._able: Capabilities | None = None
        start = self._in_background
        self._seen = Refreshed("what Llama Stack can do", self._look, start, clock=clock)
        self._shields = Refreshed("shields of Llama Stack", self._list_shields, start, clock=clock)
        self._stores = Refreshed("vector stores of Llama Stack", self._list_stores, start, clock=clock)

    async def __aenter__(self) -> Self:
        self._tasks = await self._open.enter_async_context(anyio.create_task_group())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()
            self._tasks = None
        await self._open.aclose()

    async def look_around(self) -> None:
        """Learn anew what requests need to know, so that they need not ask.

        Raises StackNotSupported, StackUnavailable, or another BackendError where the stack refuses.
        """
        seen = await self._seen.ask()
        if seen.refused is not None:
            raise StackNotSupported(seen.refused)
        for what, part in (("shields", self._shields), ("vector stores", self._stores)):
            try:
                await part.ask()
            except (StackUnavailable, CredentialsRefused):
                raise
            except BackendError as error:  # it generates nevertheless, and is asked again when it is needed
                log.warning("Llama Stack's %s cannot be listed: %s", what, error.cause)

    async def capabilities(self) -> Capabilities:
        seen = await self._seen.get()
        if seen.refused is not None:
            self._seen.expire()  # another release may take its place at any time
            raise BackendFailed(seen.refused)
        return seen.capabilities

    async def version(self) -> str:
        return wire.version(await self._get("/v1/version"))

    async def models(self) -> list[StackModel]:
        return wire.models(await self._get("/v1/models"))

    async def providers(self) -> list[StackProvider]:
        return wire.providers(await self._get("/v1/providers"))

    async def listed_providers(self) -> list[StackProvider]:
        await self.capabilities()
        return list((await self._seen.get()).providers)

    async def shields(self) -> list[StackShield]:
        await self.capabilities()
        return list(await self._shields.get())

    async def stores(self) -> list[Store]:
        await self.capabilities()
        return list(await self._stores.get())

    async def search(self, store: Store, text: str, *, limit: int) -> list[Found]:
        able = await self.capabilities()
        try:
            if able.stores == "databases":
                return (await self._search_database(store.id, text, limit))[:limit]
            path = f"{able.openai}/vector_stores/{quote(store.id, safe='')}/search"
            return wire_search.store_found(await self._post(path, wire_search.store_query(text, limit)))[:limit]
        except (NotKnown, NotAccepted):
            self._stores.expire()
            raise

    async def run_shield(self, identifier: str, text: str, *, role: Literal["user", "assistant"]) -> Objection | None:
        self._require(able=(await self.capabilities()).shields, what="shields")
        try:
            body = await self._post("/v1/safety/run-shield", wire_search.shield_run(identifier, text, role))
        except (NotKnown, NotAccepted):
            self._shields.expire()
            raise
        return wire_search.violation(body)

    async def moderate(self, model: str, text: str) -> Objection | None:
        able = await self.capabilities()
        self._require(able=able.moderations, what="moderations")
        return wire_search.flagged(await self._post(f"{able.openai}/moderations", wire_search.moderation(model, text)))

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        able = await self.capabilities()
        self._require(able=able.embeddings, what="embeddings")
        if not texts:
            return []
        body = await self._post(f"{able.openai}/embeddings", wire.embeddings(model, texts), bound=MAX_VECTORS)
        return wire.vectors(body, len(texts))

    @asynccontextmanager
    async def complete(self, body: bytes) -> AsyncIterator[Response]:
        """See Stack. The context is entered whatever the status: what a refusal means is for who knows the request."""
        path = f"{(await self.capabilities()).openai}/chat/completions"
        async with AsyncExitStack() as exchange:
            try:
                response = await exchange.enter_async_context(self._transport.request("POST", path, body))
            except BackendUnavailable as error:
                self._seen.expire()
                raise StackUnavailable(error.cause) from error
            if response.status == 404:
                self._seen.expire()
            yield response

    async def probe(self) -> Mapping[str, Health]:
        """See Stack. What a provider says of its illness stays inside: it may name addresses."""
        try:
            with anyio.fail_after(self._list_timeout):
                providers = await self.providers()
                await self.capabilities()
        except TimeoutError:
            return {ITSELF: Health.error(f"{StackUnavailable.response}: Request timed out.")}
        except BackendError as error:
            return {ITSELF: Health.error(f"{error.response}: {error.cause}")}
        told: dict[str, Health] = {}
        for provider in providers:
            name, status = provider.provider_id, provider.health.status
            if status is HealthStatus.ERROR:  # one provider may serve several APIs
                told[name] = Health.error(f"Llama Stack reports an error; see /v1/providers/{name}")
            elif status is HealthStatus.OK:
                told.setdefault(name, Health.ok())
        return told

    def _in_background(self, job: Job) -> None:
        if self._tasks is not None:
            self._tasks.start_soon(job)

    async def _look(self) -> _Seen:
        version = await self.version()
        try:
            versions.check(version)
        except StackNotSupported as error:
            return _Seen(Capabilities(version), refused=error.cause)
        providers = await self.providers()
        routes = wire.routes(await self._get("/v1/inspect/routes"))
        able = capabilities(version, routes, {provider.api for provider in providers})
        if able != self._able:  # what another release has listed is not there any more, and a shield must not be missed
            self._able = able
            self._shields.forget()
            self._stores.forget()
        return _Seen(able, tuple(providers))

    async def _list_shields(self) -> tuple[StackShield, ...]:
        if not (await self.capabilities()).shields:
            return ()
        return tuple(wire.shields(await self._get("/v1/shields")))

    async def _list_stores(self) -> tuple[Store, ...]:
        able = await self.capabilities()
        if able.stores == "none":
            return ()
        if able.stores == "databases":
            return tuple(wire.databases(await self._get("/v1/vector-dbs")))
        found: list[Store] = []
        path = f"{able.openai}/vector_stores?limit={PAGE}&order=asc"
        for _ in range(MAX_PAGES):
            last = f"&after={quote(found[-1].id, safe='')}" if found else ""
            page, more = wire.stores(await self._get(f"{path}{last}"))
            found += page
            if not more or not page:
                break
        return tuple(dict.fromkeys(found))

    async def _search_database(self, database: str, text: str, limit: int) -> list[Found]:
        path = "/v1/vector-io/query"
        try:
            body = await self._post(path, wire_search.database_query(database, text, limit))
        except NotAccepted:
            # 0.2 refuses to tell of an exact match, whose score is infinite: nearly the same question is no such match.
            again = f"{text} {text.rsplit(maxsplit=1)[-1]}" if text.split() else text
            body = await self._post(path, wire_search.database_query(database, again, limit))
        return wire_search.database_found(body)

    @staticmethod
    def _require(*, able: bool, what: str) -> None:
        if not able:
            raise BackendFailed(f"This Llama Stack has no {what}.")

    async def _get(self, path: str) -> bytes:
        return await self._exchange("GET", path, None, bound=MAX_BODY, seconds=self._list_timeout)

    async def _post(self, path: str, body: bytes, *, bound: int = MAX_BODY) -> bytes:
        return await self._exchange("POST", path, body, bound=bound, seconds=self._timeout)

    async def _exchange(self, method: Method, path: str, body: bytes | None, *, bound: int, seconds: float) -> bytes:
        """The body of a successful answer. That of a refusal is not looked at: its status says all that we may tell."""
        try:
            async with self._transport.request(method, path, body, timeout=seconds) as response:
                if not 200 <= response.status < 300:
                    log.warning("Llama Stack refused %s: status %d", path.partition("?")[0], response.status)
                    raise refusal(response.status, response.retry_after)
                return await whole(response, limit=bound)
        except BackendUnavailable as error:
            self._seen.expire()
            raise StackUnavailable(error.cause) from error
        except NotKnown:
            self._seen.expire()  # perhaps another release answers by now
            raise

"""What real releases of Llama Stack and OGX said, said again over a socket; and what they say when they are ill.

In tests::

    async with stack_answers("ogx-1.5.0") as stack:
        ...  # stack.url; stack.asked: "GET /v1/version", "POST /v1/vector_stores/vs_docs/search" …
        stack.status = 500  # refuses everything from now on; stack.hangs = True: never answers again
        stack.become("llama-stack-0.2.22")  # another release in its place

``tests/fixtures/stack`` has the answers, recorded from the releases with one vector store of two chunks; vectors are
cut. A key is method and path; where a word follows, the answer is to a request whose body has that word.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import anyio
from aiohttp import web

ANSWERS = Path(__file__).parents[1] / "fixtures" / "stack"
RELEASES = tuple(sorted(path.stem for path in ANSWERS.glob("*.json")))

type Json = dict[str, Any]


@cache
def recorded(release: str) -> Json:
    """Key → body of one release."""
    answers: Json = json.loads((ANSWERS / f"{release}.json").read_text("utf-8"))
    return answers


@dataclass(slots=True)
class StackAnswers:
    """``answers`` may be changed; ``refused`` names keys that are refused with ``status``, all where it is empty.

    ``refusals`` counts down to 0, from where on nothing is refused any more; None is for ever.
    ``asked`` are method and path of all requests, ``bodies`` those of requests that have one, ``queries`` likewise.
    ``port`` of 0 takes a free one.
    """

    answers: Json
    port: int = 0
    status: int | None = None
    refused: frozenset[str] = frozenset()
    refusals: int | None = None
    retry_after: str | None = None
    hangs: bool = False
    raw: bytes | None = None
    """said in place of every answer"""
    asked: list[str] = field(default_factory=list)
    bodies: list[Json] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    over: anyio.Event = field(default_factory=anyio.Event)
    """set when the context is left"""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def become(self, release: str) -> None:
        self.answers = dict(recorded(release))

    async def handle(self, request: web.Request) -> web.Response:
        key = f"{request.method} {request.rel_url.raw_path}"
        body = await request.text()
        self.asked.append(key)
        self.queries.append(request.query_string)
        if body:
            self.bodies.append(json.loads(body))
        if self.hangs:
            await self.over.wait()
        if self.refuses(key):
            headers = {"Retry-After": self.retry_after} if self.retry_after else {}
            return web.json_response(
                {"error": {"message": "a secret of theirs"}}, status=self.status or 500, headers=headers
            )
        if self.raw is not None:
            return web.Response(body=self.raw, content_type="application/json")
        answer = self.answer(key, body.lower())
        return web.json_response({"detail": "Not Found"}, status=404) if answer is None else web.json_response(answer)

    def refuses(self, key: str) -> bool:
        if self.status is None or self.refusals == 0 or (self.refused and key not in self.refused):
            return False
        if self.refusals is not None:
            self.refusals -= 1
        return True

    def answer(self, key: str, body: str) -> Any:
        for known, answer in self.answers.items():
            if known.startswith(f"{key} ") and known.rpartition(" ")[2] in body:
                return answer
        return self.answers.get(key)


@asynccontextmanager
async def stack_answers(release: str, *, port: int = 0, **changes: Any) -> AsyncIterator[StackAnswers]:
    """Serve until the context is left, which breaks what is under way. ``changes`` are fields of ``StackAnswers``."""
    stack = StackAnswers(dict(recorded(release)), **changes)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stack.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        stack.port = runner.addresses[0][1]
        yield stack
    finally:
        stack.over.set()
        await runner.cleanup()

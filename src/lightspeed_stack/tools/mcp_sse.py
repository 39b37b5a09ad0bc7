"""The client's side of the older HTTP+SSE transport: one stream of events with all answers, a POST for each message.

Above: ``mcp_session`` runs the SDK's session over it. Below: ``mcp_http``. Ours, as the SDK's bounds an event to 1 MiB,
leaves a caller waiting whose message was refused, and sends one message only after the other was taken.

Source: Model Context Protocol 2024-11-05, transports, HTTP with SSE.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import httpx2
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import ErrorData, JSONRPCError, JSONRPCRequest, jsonrpc_message_adapter
from pydantic import ValidationError

from lightspeed_stack.tools.mcp_faults import Fault, FaultKind, challenge_of

type Inbox = MemoryObjectSendStream[SessionMessage | Exception]
type Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]

ASKING = {"Accept": "text/event-stream", "Cache-Control": "no-store"}


@asynccontextmanager
async def sse_streams(
    client: httpx2.AsyncClient, url: str, *, max_event: int, ended: Callable[[Fault], None]
) -> AsyncIterator[Streams]:
    """The streams for a session. ``ended`` is called when the server's stream is over, before all waiters are told."""
    into, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write, out = anyio.create_memory_object_stream[SessionMessage](0)
    async with into, read, write, out, anyio.create_task_group() as tasks:
        connection = _Connection(client, url, max_event, into)
        tasks.start_soon(connection.read, ended)
        tasks.start_soon(connection.write, out, tasks)
        try:
            yield read, write
        finally:
            tasks.cancel_scope.cancel()


class _Connection:
    def __init__(self, client: httpx2.AsyncClient, url: str, max_event: int, into: Inbox) -> None:
        self._client = client
        self._url = httpx2.URL(url)
        self._max_event = max_event
        self._into = into
        self._endpoint: httpx2.URL | None = None
        self._open = anyio.Event()

    async def read(self, ended: Callable[[Fault], None]) -> None:
        fault = Fault(FaultKind.BROKEN_OFF)
        try:
            await self._read()
        except Fault as known:
            fault = known
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError):
            fault = Fault(FaultKind.UNREACHABLE)
        except httpx2.LocalProtocolError:
            fault = Fault(FaultKind.BAD_HEADERS)
        except httpx2.SSEError:
            fault = Fault(FaultKind.TOO_LONG)
        except ValidationError:
            fault = Fault(FaultKind.GARBAGE)
        except httpx2.HTTPError:
            fault = Fault(FaultKind.BROKEN_OFF)
        ended(fault)
        self._open.set()
        await self._into.aclose()

    async def _read(self) -> None:
        async with self._client.stream("GET", self._url, headers=ASKING) as response:
            _raise_for_refusal(response)
            async for event in httpx2.EventSource(response, max_event_size=self._max_event):
                if event.event == "endpoint" and self._endpoint is None:
                    self._endpoint = self._within_origin(event.data)
                    self._open.set()
                elif event.event == "message" and event.data:
                    message = jsonrpc_message_adapter.validate_json(event.data, by_name=False)
                    await self._into.send(SessionMessage(message))

    def _within_origin(self, data: str) -> httpx2.URL:
        try:
            there = self._url.join(data)
        except httpx2.InvalidURL:
            raise Fault(FaultKind.GARBAGE) from None
        if (there.scheme, there.host, there.port) != (self._url.scheme, self._url.host, self._url.port):
            raise Fault(FaultKind.GARBAGE)
        return there

    async def write(self, out: MemoryObjectReceiveStream[SessionMessage], tasks: TaskGroup) -> None:
        await self._open.wait()
        async for sent in out:
            if isinstance(sent.message, JSONRPCRequest):
                tasks.start_soon(self._post, sent)
            else:
                await self._post(sent)  # what comes after may depend on it

    async def _post(self, sent: SessionMessage) -> None:
        if self._endpoint is None:
            return  # the stream is over, and all who wait are told
        message = sent.message
        body = message.model_dump_json(by_alias=True, exclude_unset=True).encode()
        response = await self._client.post(self._endpoint, content=body, headers={"Content-Type": "application/json"})
        if response.status_code >= 400 and isinstance(message, JSONRPCRequest):
            answer = JSONRPCError(jsonrpc="2.0", id=message.id, error=_error_of(response))
            try:
                await self._into.send(SessionMessage(answer))
            except (anyio.ClosedResourceError, anyio.BrokenResourceError):
                return  # nobody waits any more


def _error_of(response: httpx2.Response) -> ErrorData:
    try:
        answer = jsonrpc_message_adapter.validate_json(response.content, by_name=False)
    except ValidationError:
        answer = None
    if isinstance(answer, JSONRPCError):
        return answer.error
    return ErrorData(code=FaultKind.STATUS, message="", data={"status": response.status_code})


def _raise_for_refusal(response: httpx2.Response) -> None:
    status = response.status_code
    if status in {401, 403}:
        challenge = challenge_of(response.headers.get("www-authenticate"))
        raise Fault(FaultKind.UNAUTHORIZED, status=status, challenge=challenge)
    content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if status >= 500:
        raise Fault(FaultKind.STATUS, status=status)
    if status != 200 or content_type != "text/event-stream":
        raise Fault(FaultKind.NOT_HERE, status=status)

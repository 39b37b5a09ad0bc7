"""The client: plain sockets, so that it takes as little of the machine as it can."""

import asyncio
import json
import time
from dataclasses import dataclass

REPLY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """What the client saw: latencies and, for streams, times to the first token, in seconds; the whole time."""

    latencies: list[float]
    first_tokens: list[float]
    seconds: float


def request(path: str, number: int) -> bytes:
    """A question; the model answers streaming ones token by token, others at once."""
    pace = "slowly" if "stream" in path else "quickly"
    body = json.dumps({"query": f"What is question {number} about? Answer {pace}."}).encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def reply(reader: asyncio.StreamReader) -> float | None:
    """Read one response; the time at which its first token came, None where it is no stream.

    Raises RuntimeError for a status other than 200.
    """
    head = await reader.readuntil(b"\r\n\r\n")
    lowered = head.lower()
    if b" 200 " not in lowered[:20]:
        raise RuntimeError(head.decode("latin-1"))
    if b"content-length:" in lowered:
        length = int(lowered.split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        return None
    first: float | None = None
    text = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        data = await reader.readexactly(size + 2)
        if first is None:
            text += data
            if b'"token"' in text:
                first = time.perf_counter()
    await reader.readexactly(2)
    return first


async def client(port: int, path: str, count: int, load: Load) -> None:
    """``count`` requests in turn over one connection, each a new conversation."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    try:
        for number in range(count):
            began = time.perf_counter()
            writer.write(request(path, number))
            async with asyncio.timeout(REPLY_SECONDS):
                first = await reply(reader)
            load.latencies.append(time.perf_counter() - began)
            if first is not None:
                load.first_tokens.append(first - began)
    finally:
        writer.close()
        await writer.wait_closed()


async def fire(port: int, path: str, *, clients: int, requests: int) -> Load:
    """``requests`` in all from ``clients`` at once."""
    load = Load([], [], 0.0)
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(clients):
            tasks.create_task(client(port, path, requests // clients, load))
    return Load(load.latencies, load.first_tokens, time.perf_counter() - began)

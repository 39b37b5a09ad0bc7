"""How a service under a fault says that it is ill, and what it counts."""

import aiohttp
import anyio
from anyio.lowlevel import checkpoint

from tests.durability.talking import json_of
from tests.telemetry.scraping import scrape

PATIENCE = 40
"""Seconds for a service to notice; a probe is remembered for one."""


async def until_ill(http: aiohttp.ClientSession, *parts: str) -> dict[str, str]:
    """Wait until readiness names exactly these parts; their messages. Liveness holds meanwhile."""
    with anyio.fail_after(PATIENCE):
        while (found := await ill(http)).keys() != set(parts):
            await checkpoint()
    assert (await json_of(http, "/liveness")) == {"alive": True}
    return found


async def until_well(http: aiohttp.ClientSession) -> None:
    await until_ill(http)


async def ill(http: aiohttp.ClientSession) -> dict[str, str]:
    """The parts that readiness names, with their messages."""
    async with http.get("/readiness") as response:
        told = await response.json()
    assert response.status == (200 if told["ready"] else 503), told
    assert told["ready"] == (not told["providers"])
    return {it["provider_id"]: it["message"] for it in told["providers"]}


async def degraded(http: aiohttp.ClientSession) -> dict[str, float]:
    """What could not be done although an answer was given, counted."""
    found = (await scrape(http)).series("ls_degraded_total")
    return {dict(labels)["what"]: value for labels, value in found.items()}

"""``python -m bench.tools``: what ill servers of tools cost a question that needs none of them.

The same service twice, with one server of tools that is well: alone, and beside eight that hang, lie, crash, are slow
or are not there. Streams go to both in turn, and to a third one without any server of tools.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.install import REPOSITORY
from bench.load import fire
from bench.mcp_servers import WELL
from bench.processes import Command, Running, running
from bench.run import STREAM, machine, model_server, percentile

NONE, ALONE, BESIDE = "no tools", "one well", "one well, eight ill"
TARGET = 1.1
READY_SECONDS = 60.0

type Urls = dict[str, str]


@contextmanager
def tool_servers() -> Iterator[Urls]:
    with subprocess.Popen(
        [sys.executable, "-m", "bench.mcp_servers"], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def command(name: str, urls: Urls, model_url: str, folder: Path) -> Command:
    """A service with these servers of tools."""
    entries = "".join(f"\n  - {{name: {server}, url: '{url}'}}" for server, url in urls.items())
    text = (REPOSITORY / "bench" / "lightspeed-stack.yaml").read_text("utf-8")
    path = folder / f"{name.replace(' ', '-').replace(',', '')}.yaml"
    path.write_text(f"{text}mcp_servers:{entries or ' []'}\n", "utf-8")
    variables = {"BENCH_PORT": "{port}", "BENCH_DATABASE": f"{folder}/{{port}}.db", "BENCH_MODEL_URL": model_url}
    return Command(name, [str(Path(sys.executable).with_name("lightspeed-stack")), "-c", str(path)], variables)


def wait_until_ready(server: Running, names: set[str]) -> None:
    """Wait until the tools of the well server are listed, and the ill ones were found ill or list something."""
    deadline = time.monotonic() + READY_SECONDS
    told: dict[str, Any] = {}
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/v1/tools", timeout=30) as answer:
            told = json.load(answer)
        listed = {tool["toolgroup_id"] for tool in told["tools"]}
        skipped = {it["name"] for it in told.get("skipped_servers", []) if it["reason"] != "connecting"}
        if (not names or WELL in listed) and listed | skipped >= names:
            return
        time.sleep(0.2)
    raise RuntimeError(f"{server.name}: not ready: {told}")


def measured(servers: list[Running], *, rounds: int, streams: int) -> dict[str, list[float]]:
    """Times to the first token in milliseconds, by server; rounds go A B C, C B A."""
    times: dict[str, list[float]] = {server.name: [] for server in servers}
    for server in servers:
        asyncio.run(fire(server.port, STREAM, clients=4, requests=16))
    for number in range(rounds):
        for server in servers if number % 2 == 0 else reversed(servers):
            load = asyncio.run(fire(server.port, STREAM, clients=1, requests=streams))
            times[server.name] += [1e3 * first for first in load.first_tokens]
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--streams", type=int, default=25, help="streams of each service a round")
    options = parser.parse_args()
    os.chdir(REPOSITORY)
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        ExitStack() as stack,
        model_server() as model_url,
        tool_servers() as urls,
    ):
        folder = Path(name)
        sides = {NONE: {}, ALONE: {WELL: urls[WELL]}, BESIDE: urls}
        servers = []
        for side, its in sides.items():
            server = stack.enter_context(running(command(side, its, model_url, folder), folder / "servers.log"))
            wait_until_ready(server, set(its))
            servers.append(server)
        times = measured(servers, rounds=options.rounds, streams=options.streams)
        memory = {server.name: server.rss() for server in servers}
    report(times, memory)


def report(times: dict[str, list[float]], memory: dict[str, float]) -> None:
    print(machine())
    print(f"{'first token':24}{'median ms':>10}{'p95 ms':>10}{'ratio':>8}{'RSS MB':>8}  target")
    floor = statistics.median(times[ALONE])
    for side, its in times.items():
        ratio = statistics.median(its) / floor
        target = f"ratio ≤ {TARGET}: {'met' if ratio <= TARGET else 'MISSED'}" if side == BESIDE else ""
        figures = f"{statistics.median(its):10.2f}{percentile(its, 0.95):10.2f}{ratio:8.2f}{memory[side]:8.0f}"
        print(f"{side:24}{figures}  {target}")


if __name__ == "__main__":
    main()

"""``make bench``: the service against a bare relay, in turn, so that their ratio holds on a busy machine.

Prints medians over rounds and the ratio to the relay, writes ``bench/results/*.json``, and says which targets are met.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bench.install import REPOSITORY, build_wheel, install, size_of
from bench.load import fire
from bench.processes import Command, Running, running

RELAY, SERVICE = "relay", "service"
QUERY, STREAM = "/v1/query", "/v1/streaming_query"
TOKENS = 20
TOKEN_SECONDS = 0.002  # between streamed tokens, so that each comes alone

type Samples = dict[str, list[float]]

# Figure → (what is compared with the target, the target).
RATIO_TARGETS = {"query CPU-ms, 1 client": 2.5, "query CPU-ms, 8 clients": 2.5, "start CPU-s": 1.5}
VALUE_TARGETS = {"RSS MB after 500 queries": 100.0, "base install MB": 80.0}


@contextmanager
def model_server() -> Iterator[str]:
    """The scripted model in a process of its own; its address."""
    arguments = ["--tokens", str(TOKENS), "--slow-delay", str(TOKEN_SECONDS)]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.servers.openai_server", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def commands(model_url: str, folder: Path) -> dict[str, Command]:
    """How each side is started; ``folder`` keeps the databases, one a start."""
    variables = {"BENCH_PORT": "{port}", "BENCH_DATABASE": f"{folder}/{{port}}.db", "BENCH_MODEL_URL": model_url}
    program = str(Path(sys.executable).with_name("lightspeed-stack"))
    return {
        RELAY: Command(RELAY, [sys.executable, "-m", "bench.relay", "{port}", model_url], {}),
        SERVICE: Command(SERVICE, [program, "-c", "bench/lightspeed-stack.yaml"], variables),
    }


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def measure(server: Running, samples: Samples, *, queries: int) -> None:
    """One round with one server: new conversations at 1 and at 8 clients, then streams."""
    for clients in (1, 8):
        before = server.cpu()
        load = asyncio.run(fire(server.port, QUERY, clients=clients, requests=queries))
        called = f"{clients} client{'s' if clients > 1 else ''}"
        samples[f"query CPU-ms, {called}"].append(1e3 * (server.cpu() - before) / len(load.latencies))
        samples[f"query p50 ms, {called}"].append(1e3 * percentile(load.latencies, 0.5))
        samples[f"query p99 ms, {called}"].append(1e3 * percentile(load.latencies, 0.99))
        samples[f"queries/s, {called}"].append(len(load.latencies) / load.seconds)
    before = server.cpu()
    load = asyncio.run(fire(server.port, STREAM, clients=8, requests=max(queries // 4, 8)))
    samples["stream CPU-ms, 20 tokens, 8 clients"].append(1e3 * (server.cpu() - before) / len(load.latencies))
    load = asyncio.run(fire(server.port, STREAM, clients=1, requests=max(queries // 20, 5)))
    samples["first token ms, 1 client"].append(1e3 * statistics.median(load.first_tokens))


def work(sides: dict[str, Command], log: Path, *, rounds: int, queries: int) -> dict[str, Samples]:
    """Both servers stand side by side; rounds go A B A B."""
    results: dict[str, Samples] = {name: defaultdict(list) for name in sides}
    with ExitStack() as stack:
        servers = [stack.enter_context(running(command, log)) for command in sides.values()]
        for server in servers:
            asyncio.run(fire(server.port, QUERY, clients=8, requests=48))
            asyncio.run(fire(server.port, STREAM, clients=8, requests=16))
        for number in range(rounds):
            for server in servers if number % 2 == 0 else reversed(servers):
                measure(server, results[server.name], queries=queries)
    return results


def starts(sides: dict[str, Command], log: Path, *, times: int) -> dict[str, Samples]:
    """CPU seconds until the first /liveness, and the memory after 500 queries; the first start is not counted."""
    results: dict[str, Samples] = {name: defaultdict(list) for name in sides}
    for number in range(times + 1):
        for name, command in sides.items():
            with running(command, log) as server:
                if number:
                    results[name]["start CPU-s"].append(server.start_cpu)
                if number == times:
                    asyncio.run(fire(server.port, QUERY, clients=4, requests=500))
                    results[name]["RSS MB after 500 queries"].append(server.rss())
    return results


def base_install(folder: Path) -> Samples:
    environment = folder / "environment"
    size = size_of(environment, install(build_wheel(folder / "dist"), environment))
    return {"base install MB": [size.installed], "base install MB with byte code": [size.with_bytecode]}


def machine() -> str:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    load = os.getloadavg()[0]
    cores = len(os.sched_getaffinity(0))
    return f"{model[1] if model else 'unknown CPU'}, {cores} cores, load {load:.1f}, Python {sys.version.split()[0]}"


def report(medians: dict[str, dict[str, float]]) -> list[str]:
    """The table, one line a figure, with ratio and verdict where both sides were measured."""
    figures = list(dict.fromkeys(figure for side in medians.values() for figure in side))
    lines = [f"{'':38}{'relay':>10}{'service':>10}{'ratio':>8}  target"]
    for figure in figures:
        relay, service = (medians.get(side, {}).get(figure) for side in (RELAY, SERVICE))
        ratio = service / relay if relay and service is not None else None
        columns = [f"{value:10.2f}" if value is not None else f"{'-':>10}" for value in (relay, service)]
        lines.append(
            f"{figure:38}{''.join(columns)}{f'{ratio:8.2f}' if ratio else ' ' * 8}  {verdict(figure, service, ratio)}"
        )
    return lines


def verdict(figure: str, service: float | None, ratio: float | None) -> str:
    if figure in RATIO_TARGETS and ratio is not None:
        target = RATIO_TARGETS[figure]
        return f"ratio ≤ {target}: {'met' if ratio <= target else 'MISSED'}"
    if figure in VALUE_TARGETS and service is not None:
        target = VALUE_TARGETS[figure]
        return f"< {target:.0f}: {'met' if service < target else 'MISSED'}"
    return ""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The service against a bare relay.")
    parser.add_argument("--only", choices=[RELAY, SERVICE], help="measure one side")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each side (default: %(default)s)")
    parser.add_argument("--queries", type=int, default=400, help="queries a round (default: %(default)s)")
    parser.add_argument("--starts", type=int, default=5, help="counted starts of each side (default: %(default)s)")
    parser.add_argument("--no-install", action="store_true", help="leave out the size of a base install")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 120 queries, 2 starts, no install")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.queries, options.starts, options.no_install = 3, 120, 2, True
    return options


def main() -> None:
    options = arguments()
    os.chdir(REPOSITORY)
    results: dict[str, Samples] = defaultdict(dict)
    with tempfile.TemporaryDirectory(prefix="bench-") as name, model_server() as model_url:
        folder = Path(name)
        log = folder / "servers.log"
        sides = commands(model_url, folder)
        if options.only:
            sides = {options.only: sides[options.only]}
        for part in (
            starts(sides, log, times=options.starts),
            work(sides, log, rounds=options.rounds, queries=options.queries),
        ):
            for side, samples in part.items():
                results[side] |= samples
        if not options.no_install and options.only != RELAY:
            results[SERVICE] |= base_install(folder)
    medians = {
        side: {figure: statistics.median(values) for figure, values in samples.items()}
        for side, samples in results.items()
    }
    print(machine())
    print("\n".join(report(medians)))
    now = datetime.now(UTC)
    path = REPOSITORY / "bench" / "results" / f"{now:%Y%m%dT%H%M%SZ}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        json.dumps({"at": now.isoformat(), "machine": machine(), "medians": medians, "samples": results}, indent=2)
    )


if __name__ == "__main__":
    main()

"""``python -m bench.lists``: do lists and single conversations cost the same with a million conversations as with few?

Two services stand side by side, one on a database with 1,000 conversations, one on 1,000,000, and are asked in turn, so
that what the machine does meanwhile hits both. Half of the conversations belong to one user, whose list is the longest;
every other user has twenty. Prints the p99 of each operation, median over rounds, and the ratio of the two services.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

from tests.servers.postgres import postgres_server

from bench.install import REPOSITORY
from bench.processes import Command, Running, running
from bench.run import SERVICE, commands, machine, model_server, percentile
from bench.stock import Stock, fill_postgres, fill_sqlite

TARGET = 1.5
SIZES = (1_000, 1_000_000)
REPLY_SECONDS = 60.0

type Samples = dict[str, list[float]]


def operations(stock: Stock, random: Random) -> dict[str, str]:
    """What is asked: the path of each operation, of a random conversation and user among the many, or of the one."""
    number, user = random.randrange(stock.conversations), f"user-{random.randrange(stock.users)}"
    owner = stock.owner(number)
    id_ = stock.id(number)
    return {
        "v1 list, 20 of the longest": "/v1/conversations?limit=20&user_id=everyman",
        "v1 list, a page in its middle": f"/v1/conversations?limit=20&user_id=everyman&after={stock.middle}",
        "v1 list, 20 of one among many": f"/v1/conversations?limit=20&user_id={user}",
        "v1 get": f"/v1/conversations/{id_}?user_id={owner}",
        "v2 list, 20 of the longest": "/v2/conversations?limit=20&user_id=everyman",
        "v2 list, 20 of one among many": f"/v2/conversations?limit=20&user_id={user}",
        "v2 get": f"/v2/conversations/{id_}?user_id={owner}",
    }


async def seconds(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> float:
    """How long one GET takes. Raises RuntimeError for a status other than 200."""
    began = time.perf_counter()
    writer.write(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
    async with asyncio.timeout(REPLY_SECONDS):
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head[:20]:
            raise RuntimeError(f"{path}: {head.decode('latin-1')}")
        await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
    return time.perf_counter() - began


async def measure(sides: Sequence[tuple[Running, Stock]], *, rounds: int, requests: int) -> list[Samples]:
    """The p99 in milliseconds of each operation, a value a round, for each side."""
    results: list[Samples] = [defaultdict(list) for _ in sides]
    random = Random(7)
    wires = [await asyncio.open_connection("127.0.0.1", server.port, limit=2**22) for server, _ in sides]
    for number in range(rounds + 1):
        taken: list[Samples] = [defaultdict(list) for _ in sides]
        for turn in range(requests):
            for side in range(len(sides)) if turn % 2 else reversed(range(len(sides))):
                for name, path in operations(sides[side][1], random).items():
                    taken[side][name].append(1e3 * await seconds(*wires[side], path))
        if number:  # the first round warms both
            for result, samples in zip(results, taken, strict=True):
                for name, values in samples.items():
                    result[name].append(percentile(values, 0.99))
    for _, writer in wires:
        writer.close()
    return results


@contextmanager
def services(kind: str, sizes: Sequence[int], folder: Path) -> Iterator[list[tuple[Running, Stock]]]:
    """One service for each size, with its database filled."""
    with ExitStack() as stack:
        template = commands(stack.enter_context(model_server()), folder)[SERVICE]
        postgres = stack.enter_context(postgres_server()) if kind == "postgres" else None
        sides = []
        for size in sizes:
            stock = Stock(size)
            began = time.perf_counter()
            if postgres is not None:
                database = stack.enter_context(postgres.database())
                fill_postgres(database, stock)
                section = database.yaml(4, namespace="public")
            else:
                path = folder / f"{size}.db"
                fill_sqlite(path, stock)
                section = f"sqlite:\n    db_path: {path}"
            print(f"{kind}: {size:,} conversations in {time.perf_counter() - began:.0f} s")
            config = folder / f"{kind}-{size}.yaml"
            config.write_text(configured(kind, section), "utf-8")
            command = Command(f"{kind} {size}", [template.arguments[0], "-c", str(config)], template.variables)
            sides.append((stack.enter_context(running(command, folder / "servers.log")), stock))
        yield sides


def configured(kind: str, section: str) -> str:
    """The configuration of the other measurements, with both kinds of tables in one database."""
    text = (REPOSITORY / "bench" / "lightspeed-stack.yaml").read_text("utf-8")
    text = text.replace("sqlite:\n    db_path: ${env.BENCH_DATABASE}", section)
    return f"{text}\nconversation_cache:\n  type: {kind}\n  {section}\n"


def report(kind: str, sizes: Sequence[int], results: Sequence[Samples]) -> list[str]:
    lines = [f"{f'{kind}, p99 ms':38}" + "".join(f"{size:>12,}" for size in sizes) + f"{'ratio':>8}  target"]
    for name in results[0]:
        few, many = (statistics.median(result[name]) for result in results)
        # Round by round, because the machine is not the same in all of them.
        ratio = statistics.median(b / a for a, b in zip(results[0][name], results[1][name], strict=True))
        met = "met" if ratio <= TARGET else "MISSED"
        lines.append(f"{name:38}{few:12.2f}{many:12.2f}{ratio:8.2f}  ratio ≤ {TARGET}: {met}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="Lists and conversations among few and among a million.")
    parser.add_argument("--kinds", nargs="+", choices=["sqlite", "postgres"], default=["sqlite", "postgres"])
    parser.add_argument("--rounds", type=int, default=7, help="counted rounds (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=200, help="requests a round and operation (%(default)s)")
    parser.add_argument("--many", type=int, default=SIZES[1], help="conversations of the large side (%(default)s)")
    options = parser.parse_args()
    os.chdir(REPOSITORY)
    sizes = (SIZES[0], options.many)
    print(machine())
    for kind in options.kinds:
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as name,
            services(kind, sizes, Path(name)) as sides,
        ):
            results = asyncio.run(measure(sides, rounds=options.rounds, requests=options.requests))
            print("\n".join(report(kind, sizes, results)), flush=True)


if __name__ == "__main__":
    main()

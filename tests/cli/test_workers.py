"""Several workers as one service, in real processes: what is counted, who dies, and who ends."""

import os
import signal
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import anyio
import pytest

from tests.servers.openai_server import OpenAIServer, Script, openai_server
from tests.servers.processes import READY, ServiceProcess, service_process
from tests.servers.service import configuration
from tests.spec.registry import requirement
from tests.telemetry.scraping import Scrape, scrape

WORKERS = 4
USAGE = (11, 5)
MODEL = {"provider": "fake", "model": "fake-llm"}
QUERIES = {"path": "/v1/query", "status_code": "200"}
STREAMS = {"path": "/v1/streaming_query", "status_code": "200"}
NOWHERE = "http://127.0.0.1:9/v1"


@dataclass(frozen=True, slots=True)
class Fleet:
    """A service of four workers. Its tests share it, so they compare with what was counted before."""

    service: ServiceProcess
    model: OpenAIServer

    async def ask(self, number: int, path: str = "/v1/query") -> None:
        """So many questions at once, and all of them are answered."""

        async def one() -> None:
            async with self.service.http.post(path, json={"query": "?"}) as response:
                await response.read()
                assert response.status == 200

        async with anyio.create_task_group() as tasks:
            for _ in range(number):
                tasks.start_soon(one)

    async def scrape(self) -> Scrape:
        return await scrape(self.service.http)

    async def kill_one(self) -> int:
        """Kill a worker, and wait until another serves in its place; its process id."""
        started = self.service.log.count(READY)
        victim = self.service.workers()[0]
        os.kill(victim, signal.SIGKILL)
        await self.service.said(READY, times=started + 1)
        return victim


@pytest.fixture(scope="module")
async def fleet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    async with openai_server(Script(("Hi",), usage=USAGE)) as model:
        async with service_process(configuration(model.url, folder), folder, workers=WORKERS) as service:
            yield Fleet(service, model)


@contextmanager
def only(worker: int, service: ServiceProcess) -> Iterator[None]:
    """All other workers stand still, so that this one answers."""
    others = [pid for pid in service.workers() if pid != worker]
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)


def counted(found: Scrape) -> dict[str, float]:
    """What questions add to."""
    return {
        "queries": found.value("ls_rest_api_calls_total", **QUERIES) or 0,
        "streams": found.value("ls_rest_api_calls_total", **STREAMS) or 0,
        "timed": found.value("ls_response_duration_seconds_count", path="/v1/query") or 0,
        "answers": found.value("ls_llm_calls_total", **MODEL) or 0,
        "sent": found.value("ls_llm_token_sent_total", **MODEL) or 0,
        "received": found.value("ls_llm_token_received_total", **MODEL) or 0,
    }


def expected(before: dict[str, float], *, queries: int, streams: int = 0) -> dict[str, float]:
    more = {
        "queries": queries,
        "streams": streams,
        "timed": queries,
        "answers": queries + streams,
        "sent": USAGE[0] * (queries + streams),
        "received": USAGE[1] * (queries + streams),
    }
    return {name: before[name] + more[name] for name in before}


@requirement("metrics:workers:sum")
async def test_every_worker_shows_the_sum_over_all(fleet: Fleet) -> None:
    before = counted(await fleet.scrape())
    await fleet.ask(200)
    await fleet.ask(40, "/v1/streaming_query")
    workers = fleet.service.workers()
    assert len(workers) == WORKERS
    for worker in workers:
        with only(worker, fleet.service):
            found = await fleet.scrape()
        assert counted(found) == expected(before, queries=200, streams=40)
        assert found.series("ls_provider_model_configuration") == {
            frozenset({"provider": "fake", "model": "fake/fake-llm"}.items()): 1
        }
        assert found.types["ls_rest_api_calls"] == "counter"
        assert found.types["ls_response_duration_seconds"] == "histogram"
        assert found.types["ls_provider_model_configuration"] == "gauge"


@requirement("metrics:workers:died", "metrics:workers:files", "workers:replaced")
async def test_what_a_killed_worker_counted_is_kept(fleet: Fleet) -> None:
    await fleet.ask(20)
    before = await fleet.scrape()
    assert await fleet.kill_one() not in fleet.service.workers()
    assert len(fleet.service.workers()) == WORKERS
    after = await fleet.scrape()
    assert counted(after) == counted(before)
    assert (after.value("process_cpu_seconds_total") or 0) >= (before.value("process_cpu_seconds_total") or 0)
    await fleet.ask(40)
    assert counted(await fleet.scrape()) == expected(counted(before), queries=40)
    assert len(list(shared_directory(fleet.service).glob("prometheus/counter_*.db"))) == WORKERS


@requirement("metrics:workers:died", "workers:replaced")
async def test_a_worker_that_is_killed_under_load_loses_no_answer_that_arrived(fleet: Fleet) -> None:
    before = counted(await fleet.scrape())
    answered = lost = 0
    dead = anyio.Event()

    async def ask_on() -> None:
        nonlocal answered, lost
        last = False
        while not last:
            last = dead.is_set()  # one more question after the death
            try:
                async with fleet.service.http.post("/v1/query", json={"query": "?"}) as response:
                    await response.read()
                    assert response.status == 200
                    answered += 1
            except aiohttp.ClientError:
                lost += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(16):
            tasks.start_soon(ask_on)
        await fleet.kill_one()
        dead.set()
    after = counted(await fleet.scrape())
    for name in ("queries", "timed", "answers"):
        # Those whose worker died may have been counted or not, depending on how far they had come.
        assert answered <= after[name] - before[name] <= answered + lost
    assert answered >= 16
    assert lost <= 16


@requirement("metrics:workers:processes")
async def test_the_workers_are_shown_as_one_process(fleet: Fleet) -> None:
    found = await fleet.scrape()
    workers = fleet.service.workers()
    memory = [resident_bytes(pid) for pid in workers]
    assert (found.value("process_resident_memory_bytes") or 0) > sum(memory) - min(memory)
    assert (found.value("process_open_fds") or 0) > (WORKERS - 1) * min(open_files(pid) for pid in workers)
    assert found.value("process_max_fds") == min(open_files_limit(pid) for pid in workers)
    assert found.value("process_start_time_seconds") == pytest.approx(min(started_at(pid) for pid in workers), abs=1)
    assert len(found.series("python_info")) == 1
    assert found.series("python_gc_collections_total") == {}, "one process's counters, which do not add up"


@requirement("workers:cannot-start-again")
async def test_a_worker_that_cannot_be_replaced_does_not_end_the_others(fleet: Fleet) -> None:
    config, away = fleet.service.config_file, fleet.service.config_file.with_suffix(".away")
    started = fleet.service.log.count(READY)
    config.rename(away)
    try:
        os.kill(fleet.service.workers()[0], signal.SIGKILL)
        await fleet.service.said("ended with exit code 3")
        await fleet.ask(8)
    finally:
        away.rename(config)
    await fleet.service.said(READY, times=started + 1)
    assert len(fleet.service.workers()) == WORKERS
    assert "Traceback" not in fleet.service.log


@requirement("workers:stop", "workers:run-directory")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_all_workers_and_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    async with service_process(configuration(NOWHERE, tmp_path), tmp_path, workers=2) as service:
        directory = shared_directory(service)
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert (directory / "prometheus").is_dir()
        os.kill(service.pid, number)
        assert await service.ended() == 0
    assert not directory.exists()
    assert port_is_free(service.url)


@requirement("workers:orphans", "workers:run-directory")
async def test_workers_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    yaml = configuration(NOWHERE, tmp_path)
    async with service_process(yaml, tmp_path, workers=2) as service:
        directory = shared_directory(service)
        assert directory.parent == tmp_path
        os.kill(service.pid, signal.SIGKILL)
        assert await service.ended() == -signal.SIGKILL  # which waits for the workers, too
        assert service.log.count("Application shutdown complete") == 2, "the workers ended in order"
    assert port_is_free(service.url)
    assert directory.exists()
    async with service_process(yaml, tmp_path, workers=2) as service:
        assert shared_directory(service) != directory
        assert not directory.exists()


@requirement("workers:stop:stuck")
@pytest.mark.slow
async def test_a_worker_that_is_stuck_is_killed_in_the_end(tmp_path: Path) -> None:
    async with service_process(configuration(NOWHERE, tmp_path), tmp_path, workers=2) as service:
        os.kill(service.workers()[0], signal.SIGSTOP)
        assert await service.stop() == 0
        assert "and is killed" in service.log


@requirement("workers:start-fails")
async def test_a_start_that_fails_in_the_workers_ends_with_3(tmp_path: Path) -> None:
    yaml = configuration(NOWHERE, tmp_path).replace(f"{tmp_path}/conversations.db", "/nowhere/at/all/x.db")
    async with service_process(yaml, tmp_path, workers=2, ready=False) as service:
        assert await service.ended() == 3
        assert "/nowhere/at/all" in service.log
        assert "Traceback" not in service.log
    assert left_behind(tmp_path) == []


@requirement("metrics:workers:own-directory")
async def test_a_directory_of_the_operator_is_used_and_kept(tmp_path: Path) -> None:
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "made" / "metrics")}
    async with openai_server(Script(("Hi",), usage=USAGE)) as model:
        for workers, total in ((2, 1), (1, 2)):
            async with service_process(
                configuration(model.url, tmp_path), tmp_path, workers=workers, environment=environment
            ) as service:
                async with service.http.post("/v1/query", json={"query": "?"}) as response:
                    assert response.status == 200
                found = await scrape(service.http)
                assert found.value("ls_rest_api_calls_total", **QUERIES) == total
                await service.stop()
    assert list((tmp_path / "made" / "metrics").glob("counter_*.db"))


@requirement("metrics:workers:own-directory")
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_directory_that_cannot_be_used_is_told(tmp_path: Path, workers: int) -> None:
    (tmp_path / "file").touch()
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "file" / "metrics")}
    yaml = configuration(NOWHERE, tmp_path)
    async with service_process(yaml, tmp_path, workers=workers, environment=environment, ready=False) as service:
        assert await service.ended() == 1
        assert f"PROMETHEUS_MULTIPROC_DIR: '{tmp_path}/file/metrics' cannot be used: Not a directory" in service.log
        assert "fix:" in service.log
        assert "Traceback" not in service.log


def left_behind(folder: Path) -> list[Path]:
    return list(folder.glob("lightspeed-stack-run-*"))


def shared_directory(service: ServiceProcess) -> Path:
    """What the first worker was told; ``/proc`` shows the environment with which a process began."""
    environ = Path(f"/proc/{service.workers()[0]}/environ").read_bytes().split(b"\0")
    (value,) = (it.partition(b"=")[2] for it in environ if it.startswith(b"LIGHTSPEED_STACK_RUN_DIR="))
    return Path(value.decode())


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - shorter


def started_at(pid: int) -> float:
    """Seconds since 1970, from the ticks since the machine was started."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[19])
    (boot,) = (line.split()[1] for line in Path("/proc/stat").read_text("ascii").splitlines() if "btime" in line)
    return int(boot) + ticks / os.sysconf("SC_CLK_TCK")


def open_files_limit(pid: int) -> int:
    lines = Path(f"/proc/{pid}/limits").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith("Max open files")).split()[3])


def port_is_free(url: str) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", int(url.rpartition(":")[2])))
        probe.listen()
    return True

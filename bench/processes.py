"""Servers under measurement: started, watched through /proc, stopped. Linux only."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 60.0
STOP_SECONDS = 15.0
LIVENESS = b"GET /liveness HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Command:
    """How a server is started; ``{port}`` in an argument or a variable is replaced by a free port."""

    name: str
    arguments: Sequence[str]
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers; ``start_cpu`` in CPU seconds of its process tree until the first /liveness."""

    name: str
    pid: int
    port: int
    start_cpu: float

    def cpu(self) -> float:
        """CPU seconds, user and system, of the process tree, with children that were waited for."""
        return sum(cpu_of(pid) for pid in family(self.pid))

    def rss(self) -> float:
        """Resident megabytes (10^6 bytes) of the process tree."""
        return sum(rss_of(pid) for pid in family(self.pid)) / 1e6


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name; see proc(5), whose field n is index n - 3 here."""
    return Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace").rpartition(")")[2].split()


def cpu_of(pid: int) -> float:
    """Nanosecond accounting where the kernel has it, else clock ticks; 0 for a process that is gone."""
    try:
        fields = stat(pid)
        ticks = sum(int(field) for field in fields[11:15]) / TICKS
        threads = Path(f"/proc/{pid}/task").iterdir()
        exact = sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    # Threads that have ended and children that were waited for are in the ticks only.
    return exact if abs(exact - ticks) <= 2 / TICKS else max(exact, ticks)


def rss_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0


def family(pid: int) -> list[int]:
    """``pid`` and its living descendants."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents.setdefault(int(stat(int(entry.name))[1]), []).append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += parents.get(one, [])
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_alive(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(LIVENESS)
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


@contextmanager
def running(command: Command, log: Path) -> Iterator[Running]:
    """Start a server and wait until it lives; stop it on leaving. Raises RuntimeError with its log when it does not."""
    port = free_port()
    variables = {name: value.format(port=port) for name, value in command.variables.items()}
    with log.open("ab") as out:
        process = subprocess.Popen(
            [argument.format(port=port) for argument in command.arguments],
            env=os.environ | variables,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_alive(port):
            if process.poll() is not None or time.monotonic() > deadline:
                message = f"{command.name} did not start:\n{log.read_text('utf-8', errors='replace')[-2000:]}"
                raise RuntimeError(message)
            time.sleep(0.01)
        yield Running(command.name, process.pid, port, sum(cpu_of(pid) for pid in family(process.pid)))
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

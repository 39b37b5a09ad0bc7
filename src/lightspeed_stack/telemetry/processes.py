"""Metrics of several processes as one: what each has counted lies in a directory, and any of them adds it up.

Above: ``metrics``, when ``PROMETHEUS_MULTIPROC_DIR`` names a directory: the supervisor of several workers sets it, or
an operator does. Below: the multiprocess mode of ``prometheus_client``, which keeps counters in memory-mapped files;
they outlive the process that wrote them, however it ended.

Files are named after a worker's number and not, as is usual, after its process id. The successor of a worker that died
takes its number and counts on in its files, so there are never more files than there were workers at one time.
"""

import fcntl
import multiprocessing
import os
from collections.abc import Iterable, Iterator
from functools import cache, partial
from itertools import count
from pathlib import Path

from prometheus_client import ProcessCollector, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from lightspeed_stack.errors import ConfigurationError

LEAST = frozenset({"process_start_time_seconds", "process_max_fds"})
"""Of these the smallest value stands for all processes; the others are added up."""

CPU = "process_cpu_seconds"


def prepare(directory: Path) -> None:
    """Make the directory, if need be, and see that it can be used. Raises ConfigurationError with the fix."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        os.close(os.open(directory / "worker-0.lock", os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise ConfigurationError(
            f"PROMETHEUS_MULTIPROC_DIR: {str(directory)!r} cannot be used: {error.strerror or error}\n"
            "    fix: name a directory that the service may write to, or unset the variable"
        ) from error


@cache
def join(directory: Path) -> None:
    """From here on, count into ``directory``; before any metric is made. Raises ConfigurationError."""
    prepare(directory)
    number = claim(directory)
    # That is how prometheus_client is told of another name than the process id; it has no types for it.
    values.ValueClass = values.MultiProcessValue(process_identifier=lambda: number)  # type: ignore[no-untyped-call]


def claim(directory: Path) -> int:
    """The lowest number that no living process has; it is this process's own until that ends.

    The kernel gives a lock back when its holder dies, so a number is never held by two, and never by a dead process.
    """
    for number in count():
        lock = os.open(_lock(directory, number), os.O_RDWR | os.O_CREAT, 0o600)
        if _taken(lock):
            os.close(lock)
            continue
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode("ascii"))
        return number  # the file stays open, and with it locked
    raise AssertionError("numbers have no end")


def living(directory: Path) -> Iterator[int]:
    """The ids of the processes that hold a number."""
    for number in count():
        try:
            lock = os.open(_lock(directory, number), os.O_RDONLY)
        except FileNotFoundError:
            return
        try:
            # While this looks, a process that starts may find the number taken, and takes the next: that does no harm.
            pid = os.read(lock, 20)
            if _taken(lock) and pid.isdigit():
                yield int(pid)
        finally:
            os.close(lock)


class Counted:
    """What all processes counted, those that have ended too."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        # A file without content is one that is just being made.
        files = sorted(str(path) for path in self._directory.glob("*.db") if path.stat().st_size)
        metrics: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return sorted(metrics, key=lambda metric: metric.name)


class Processes:
    """``process_*`` of all living workers, as if they were one process."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        merged: dict[str, Metric] = {}
        for pid in living(self._directory):
            for metric in ProcessCollector(pid=partial(str, pid), registry=None).collect():
                known = merged.setdefault(metric.name, metric)
                if known is not metric:
                    both = (known.samples[0].value, metric.samples[0].value)
                    _set(known, min(both) if metric.name in LEAST else sum(both))
        if CPU in merged:
            _set(merged[CPU], merged[CPU].samples[0].value + _spent_by_the_dead())
        return merged.values()


def _set(metric: Metric, value: float) -> None:
    metric.samples[:] = [metric.samples[0]._replace(value=value)]


def _spent_by_the_dead() -> float:
    """CPU seconds of the workers that ended: without them the sum would fall, which a counter must not."""
    supervisor = multiprocessing.parent_process()
    if supervisor is None:
        return 0.0
    try:
        fields = Path(f"/proc/{supervisor.pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    # proc(5): cutime and cstime, the 16th and 17th field, of which the first two stand before the bracket.
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _lock(directory: Path, number: int) -> Path:
    return directory / f"worker-{number}.lock"


def _taken(lock: int) -> bool:
    """Whether another holds the lock; if nobody does, it is held from now on, until the file is closed."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False

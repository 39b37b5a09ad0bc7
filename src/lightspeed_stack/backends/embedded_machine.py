"""How much memory, disk and computing this process may use; container limits count. Linux, with portable fallbacks."""

import os
import shutil
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")


def available_memory(meminfo: Path = MEMINFO, cgroup: Path = CGROUP) -> int | None:
    """Bytes that could be used without swapping, at most the container's limit; None where nothing says so.

    Sources: proc_meminfo(5), ``MemAvailable``; Linux cgroup v2, ``memory.max``.
    """
    known: list[int] = []
    for line in _read(meminfo).splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            known.append(int(value.split()[0]) * 1024)
    limit = _read(cgroup / "memory.max").strip()
    if limit.isdigit():
        known.append(int(limit))
    return min(known, default=None)


def usable_cores(cgroup: Path = CGROUP) -> int:
    """Cores this process may run on, at most the container's CPU quota, at least 1.

    Source: Linux cgroup v2, ``cpu.max``: quota and period in microseconds, or ``max``.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _read(cgroup / "cpu.max").strip().partition(" ")
    if quota.isdigit() and period.isdigit() and int(period) > 0:
        cores = min(cores, int(quota) // int(period))
    return max(1, cores)


def free_space(folder: Path) -> int:
    """Bytes free on the disk that ``folder`` is, or would be, on."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""

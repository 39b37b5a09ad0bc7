"""Several workers behind one port: they are watched, replaced when they die, and end together.

Above: ``serve``, which has opened the port. Below: uvicorn's supervisor, whose workers are processes of their own that
import ``application``.
"""

import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import multiprocess

from lightspeed_stack.api.app import create_app_from_environment
from lightspeed_stack.errors import AssistantError
from lightspeed_stack.services.run_directory import hold, run_directory, shared

log = logging.getLogger(__name__)

HEALTH_CHECK = 30
"""Seconds in which a worker has to answer its supervisor; also what it may take to begin, on a machine that is busy."""

PING = 1
"""Seconds that the supervisor waits for one answer, before it looks at the other workers and at signals."""

CLOSING = 10
"""Seconds that a worker has, when its requests have ended, to store what was said and to close."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds before a worker that could not start is tried again; doubled each time."""


def supervise(config: uvicorn.Config, listeners: list[socket.socket]) -> int:
    """Serve with ``config.workers`` processes until stopped; the exit code, 3 where the first of them could not start.

    Raises ConfigurationError where they have no place for what they share.
    """
    from lightspeed_stack.telemetry.metrics import SHARED
    from lightspeed_stack.telemetry.processes import prepare

    with run_directory() as directory:
        prepare(Path(os.environ.setdefault(SHARED, str(directory / "prometheus"))))
        config.timeout_worker_healthcheck = HEALTH_CHECK
        supervisor = Supervisor(config, listeners)
        supervisor.run()
        return STARTUP_FAILURE if supervisor.failed else 0


def application() -> object:
    """The ASGI application of one worker, made in its own process. Exits where that cannot be."""
    supervisor = multiprocessing.parent_process()
    if supervisor is not None:
        threading.Thread(target=_end_after, args=(supervisor,), daemon=True).start()
    directory = shared()
    if directory is not None:
        hold(directory)  # until this process ends
    try:
        return create_app_from_environment()
    except AssistantError as error:
        print(f"{error.response}:\n{error.cause}", file=sys.stderr)
        sys.exit(STARTUP_FAILURE)


def _end_after(supervisor: BaseProcess) -> None:
    """Stop this worker when its supervisor has died: nobody would stop it later, and it would keep the port for ever.

    To join the parent is to wait for the end of a pipe, which the kernel closes however the parent dies. Unlike a
    signal at the parent's death (Linux's PR_SET_PDEATHSIG) it cannot come too early to be seen, and means the process
    and not the thread that started us.
    """
    supervisor.join()
    log.error("the supervisor of the workers has died, and this worker ends")
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(HEALTH_CHECK)  # where that does not help
    os.kill(os.getpid(), signal.SIGKILL)


class Supervisor(multiprocess.Multiprocess):
    """Uvicorn's, with other answers to workers that cannot start, and to workers that do not stop.

    A start fails if a worker fails before all of them have served. Later a worker that cannot start is no reason to end
    those that serve: its place is tried again.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self.failed = False
        self._serving = False
        self._ready: set[multiprocess.Process] = set()
        self._heard: dict[multiprocess.Process, float] = {}
        self._pause = 0.0
        self._next_try = 0.0

    def init_processes(self) -> None:
        super().init_processes()
        self._leave_pipes_to_workers()

    def keep_subprocess_alive(self) -> None:
        for place, worker in enumerate(self.processes):
            if self.should_exit.is_set():
                return
            if self._hears(worker):
                continue
            worker.kill()
            worker.join()
            if worker.exitcode == STARTUP_FAILURE and not self._serving:
                log.error("worker %s could not start, and the others are stopped", worker.pid)
                self.failed = True
                self.should_exit.set()
                return
            self._replace(place, worker)
        if self._ready.issuperset(self.processes):
            self._serving = True
            self._pause = self._next_try = 0.0
        self._leave_pipes_to_workers()

    def join_all(self) -> None:
        """Wait for all workers, and kill those that do not end."""
        patience = (self.config.timeout_graceful_shutdown or 0) + CLOSING
        last = time.monotonic() + patience
        for worker in self.processes:
            worker.process.join(max(0.0, last - time.monotonic()))
            if worker.process.is_alive():
                log.error("worker %s did not end within %d seconds, and is killed", worker.pid, patience)
                worker.process.kill()
                worker.process.join()

    def _hears(self, worker: multiprocess.Process) -> bool:
        """Whether a worker lives and has answered lately; one that serves is noted as ready."""
        ready = worker.is_ready(timeout=PING)
        if ready:
            self._ready.add(worker)
        now = time.monotonic()
        if ready or worker.is_alive(timeout=PING):
            self._heard[worker] = now
        return worker.process.is_alive() and now - self._heard.setdefault(worker, now) < HEALTH_CHECK

    def _replace(self, place: int, dead: multiprocess.Process) -> None:
        """Start another worker in the place of a dead one: at once if that had served, else after a pause."""
        if dead not in self._ready:
            now = time.monotonic()
            if now < self._next_try:
                return
            self._pause = min(max(2 * self._pause, FIRST_PAUSE), LONGEST_PAUSE)
            self._next_try = now + self._pause
        log.error("worker %s has ended with exit code %s, and is replaced", dead.pid, dead.exitcode)
        self._ready.discard(dead)
        self._heard.pop(dead, None)
        worker = multiprocess.Process(self.config, self.sockets)
        worker.start()
        self.processes[place] = worker

    def _leave_pipes_to_workers(self) -> None:
        """Close our copies of their ends, so that a question to a worker that dies ends at once, and not in time."""
        for worker in self.processes:
            worker.child_conn.close()

"""Worker processes of one machine: they end with the sweep's driver, and are replaced when they die."""

import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from apparel.errors import UserError
from apparel.sweeps import failure_log
from apparel.sweeps.worker import Job
from apparel.utils import processes

SECONDS_TO_END = 30
"""Until a worker whose standard input was closed is killed."""

MAX_CRASHES = 3
"""Workers that may die one after the other, without a trial that ends in between, before the sweep stops."""


class WorkerPool:
    """At most one worker process for each job; the end of the context ends them with their trainings.

    Ours, since `study.optimize(n_jobs=...)` and `concurrent.futures` give a worker no new process after a kill -9: the
    first has threads, and the second breaks the whole pool.

    Args:
        jobs: one for each worker.
        folder: of the study on this machine; the workers' log is written there.
    """

    def __init__(self, jobs: list[Job], folder: Path) -> None:
        self._jobs, self._folder = jobs, folder
        self._workers: dict[int, subprocess.Popen] = {}
        self._crashes, self._finished_trials = 0, 0

    def count_alive(self) -> int:
        """Number of workers that run."""
        return sum(worker.poll() is None for worker in self._workers.values())

    def start_workers(self, needed: float, finished_trials: int) -> None:
        """Starts workers until `needed` run, or one for each job.

        Args:
            needed: how many have something to do.
            finished_trials: number of trials that have ended; it tells a worker that crashes at once from one that
                trained something before.

        Raises:
            UserError: `MAX_CRASHES` workers died, and no trial ended in between.
        """
        for number, worker in list(self._workers.items()):
            if worker.poll() is not None:
                del self._workers[number]
                made_progress = worker.returncode == 0 or finished_trials > self._finished_trials
                self._crashes = 0 if made_progress else self._crashes + 1
                self._finished_trials = finished_trials
        if self._crashes >= MAX_CRASHES:
            raise UserError(f"the workers die; {self._log.as_posix()} ends with\n{failure_log.last_lines(self._log)}")
        for job in self._jobs:
            if job.number not in self._workers and len(self._workers) < needed:
                self._workers[job.number] = self._start(job)

    @property
    def _log(self) -> Path:
        return self._folder / "workers.log"

    def _start(self, job: Job) -> subprocess.Popen:
        command = [sys.executable, "-m", "apparel.sweeps.worker"]
        with self._log.open("ab") as log:
            # A process group of its own, so that Ctrl-C reaches the driver only, which then closes the pipe.
            worker = processes.start(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        worker.stdin.write(job.to_json_line())
        worker.stdin.flush()
        return worker

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for worker in self._workers.values():
            worker.stdin.close()
        for worker in self._workers.values():
            try:
                worker.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

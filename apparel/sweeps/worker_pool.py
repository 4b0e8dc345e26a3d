"""The workers of one machine: processes that end with this one, and are replaced when they die."""

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
CRASHES_IN_A_ROW = 3


class Crew:
    """As many workers as there are jobs; the context ends them, with their trainings, when it ends.

    Args:
        jobs: one a worker.
        folder: of the study on this machine, where the workers' logs go.
    """

    def __init__(self, jobs: list[Job], folder: Path) -> None:
        self._jobs, self._folder = jobs, folder
        self._workers: dict[int, subprocess.Popen] = {}
        self._crashes, self._ended = 0, 0

    def alive(self) -> int:
        """How many work now."""
        return sum(worker.poll() is None for worker in self._workers.values())

    def fill(self, places: float, ended: int) -> None:
        """Starts workers until there are `places`, or as many as there may be; `ended` counts the trials that ended.

        Raises:
            UserError: workers die one after the other, and no trial ends in between.
        """
        for number, worker in list(self._workers.items()):
            if worker.poll() is not None:
                del self._workers[number]
                self._crashes = 0 if worker.returncode == 0 or ended > self._ended else self._crashes + 1
                self._ended = ended
        if self._crashes >= CRASHES_IN_A_ROW:
            raise UserError(f"the workers die; {self._log.as_posix()} ends with\n{failure_log.last_lines(self._log)}")
        for job in self._jobs:
            if job.number not in self._workers and len(self._workers) < places:
                self._workers[job.number] = self._start(job)

    @property
    def _log(self) -> Path:
        return self._folder / "workers.log"

    def _start(self, job: Job) -> subprocess.Popen:
        command = [sys.executable, "-m", "apparel.sweeps.worker"]
        with self._log.open("ab") as log:
            # A group of its own: Ctrl-C is for the head, which then lets go of the pipe.
            worker = processes.start(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        worker.stdin.write(job.line())
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

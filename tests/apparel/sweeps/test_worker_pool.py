"""Workers are replaced when they die, unless they crash one after the other; they end with their pool."""

import subprocess
import sys

import pytest

from apparel.errors import UserError
from apparel.sweeps import worker_pool
from apparel.sweeps.worker import Job
from apparel.sweeps.worker_pool import WorkerPool

JOBS = [Job("sqlite:///optuna.db", "tiny", number, 4, None, "0" * 40) for number in range(2)]


@pytest.fixture
def make_pool(tmp_path, monkeypatch):
    """Pools whose workers run other code than `apparel.sweeps.worker`."""

    def make(code: str) -> WorkerPool:
        command = [sys.executable, "-c", f"import sys; sys.stdin.readline(); {code}"]
        monkeypatch.setattr(worker_pool.processes, "start", lambda _, **options: subprocess.Popen(command, **options))
        return WorkerPool(JOBS, tmp_path)

    return make


def wait_for_end(pool: WorkerPool) -> None:
    for worker in pool._workers.values():
        worker.wait()


def test_no_more_workers_than_jobs_or_needed_and_they_end_with_the_pool(make_pool):
    with make_pool("sys.stdin.read()") as pool:
        pool.start_workers(1, 0)
        assert pool.count_alive() == 1
        pool.start_workers(float("inf"), 0)
        assert pool.count_alive() == len(JOBS)
    assert pool.count_alive() == 0


def test_workers_that_crash_are_replaced_until_too_many_do_in_a_row(make_pool):
    with make_pool("sys.exit('no module')") as pool:
        for _ in range(worker_pool.MAX_CRASHES):
            pool.start_workers(1, 0)
            wait_for_end(pool)
        with pytest.raises(UserError, match=r"workers\.log ends with\nno module"):
            pool.start_workers(1, 0)


def test_a_trial_that_ended_between_crashes_resets_their_count(make_pool):
    with make_pool("sys.exit(1)") as pool:
        for finished_trials in range(worker_pool.MAX_CRASHES + 2):
            pool.start_workers(1, finished_trials)
            assert len(pool._workers) == 1
            wait_for_end(pool)

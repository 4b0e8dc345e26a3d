"""Stale trials are noticed, and a worker that was taken for dead leaves its trial alone."""

import pytest

from apparel.sweeps import heartbeat
from apparel.sweeps.heartbeat import Heartbeat, StaleTrialDetector
from apparel.sweeps.trial_queue import TrialQueue
from apparel.utils import processes
from tests.support import studies
from tests.support.studies import WORKER_ELSEWHERE


@pytest.fixture
def study(tmp_path):
    return studies.empty(tmp_path)


def test_a_trial_of_another_machine_is_stale_when_its_heartbeats_stop(study, tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(heartbeat.time, "monotonic", lambda: now[0])
    trial = TrialQueue(study, tmp_path, 1, None).claim(WORKER_ELSEWHERE)
    detector = StaleTrialDetector()

    def look(seconds: float) -> int:
        now[0] += seconds
        return len(detector.stale(study.trials))

    assert [look(10) for _ in range(12)] == [0] * 12
    study._storage.set_trial_user_attr(trial._trial_id, "worker", WORKER_ELSEWHERE | {"beat": 1})
    assert look(10) == 0
    assert look(100_000) == 0, "the database was away, for the workers as well"
    assert 1 in [look(10) for _ in range(13)]


def test_a_worker_that_was_taken_for_dead_notices_that_it_lost_its_trial(study, tmp_path):
    queue = TrialQueue(study, tmp_path, 1, None)
    trial = queue.claim(processes.describe())
    own = Heartbeat(study, trial, processes.describe())
    assert own.owns_trial()
    queue.release(study.trials[0])
    assert not own.owns_trial()
    queue.claim(WORKER_ELSEWHERE)
    assert not own.owns_trial()

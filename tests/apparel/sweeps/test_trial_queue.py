"""Each trial is trained by one worker, and resumed by another when that one dies: on a real study in a file."""

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from apparel.sweeps import storage, trial_queue
from apparel.sweeps.heartbeat import StaleTrialDetector
from apparel.sweeps.trial_queue import TrialQueue
from apparel.utils import processes
from tests.support import studies
from tests.support.studies import WORKER_ELSEWHERE


@pytest.fixture
def study(tmp_path):
    return studies.empty(tmp_path)


@pytest.fixture
def dead_worker():
    """A process of this machine that has ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    worker = processes.describe(process.pid)
    process.communicate(b"\n")
    return worker


def test_many_workers_at_once_begin_all_trials_once_and_no_surplus_ones(study, tmp_path):
    def work(number: int) -> list[int]:
        queue = TrialQueue(storage.load_study(f"sqlite:///{tmp_path}/optuna.db", "tiny"), tmp_path, 7, None)
        claimed = []
        while (trial := queue.claim(processes.describe())) is not None:
            claimed.append(trial.number)
        return claimed

    with ThreadPoolExecutor(4) as pool:
        claimed = [number for numbers in pool.map(work, range(4)) for number in numbers]
    assert sorted(claimed) == list(range(7))
    assert len(study.trials) == 7


def test_a_surplus_trial_is_never_begun(study, tmp_path):
    for _ in range(3):
        study.add_trial(create_trial(state=TrialState.WAITING))
    queue = TrialQueue(study, tmp_path, 2, None)
    assert [queue.claim(processes.describe()).number for _ in range(2)] == [0, 1]
    assert queue.claim(processes.describe()) is None
    assert not queue.is_done(study.trials)
    for number in range(2):
        study.tell(number, 1.0)
    assert queue.is_done(study.trials)
    assert TrialQueue(study, tmp_path, 3, None).claim(processes.describe()).number == 2


def test_a_trial_of_a_dead_worker_is_resumed_as_the_same_trial(study, tmp_path, dead_worker):
    queue = TrialQueue(study, tmp_path, 2, None)
    claimed = queue.claim(dead_worker)
    trial = optuna.trial.Trial(study, claimed._trial_id)
    rate = trial.suggest_float("rate", 0, 1)
    trial.set_user_attr("values", {"rate": rate})
    trial.report(0.5, 1)
    stale = StaleTrialDetector().stale(study.trials)
    assert [trial.number for trial in stale] == [0]
    queue.release(stale[0])
    resumed = queue.claim(processes.describe())
    assert (resumed.number, resumed.params, resumed.intermediate_values) == (0, {"rate": rate}, {1: 0.5})
    assert StaleTrialDetector().stale(study.trials) == []
    queue.release(stale[0])  # a second driver noticed the dead worker, too
    assert study.trials[0].state == TrialState.RUNNING


def test_the_budget_of_minutes_counts_work_and_stops_new_trials_but_not_interrupted_ones(study, tmp_path):
    start = datetime(2020, 1, 1)
    for first, last in ((0, 60), (30, 90), (1000, 1060)):
        trial = create_trial(state=TrialState.COMPLETE, value=1.0)
        trial.datetime_start, trial.datetime_complete = (
            start + timedelta(seconds=first),
            start + timedelta(seconds=last),
        )
        study.add_trial(trial)
    assert trial_queue.seconds_spent(study.trials) == 150
    assert [trial_queue.minutes_left(minutes, study.trials) for minutes in (2, 3)] == [0, 0.5]
    study.add_trial(create_trial(state=TrialState.WAITING))
    study.add_trial(create_trial(state=TrialState.WAITING, user_attrs={"values": {}}))
    assert [trial.number for trial in TrialQueue(study, tmp_path, None, 150).waiting(study.trials)] == [4]
    assert [trial.number for trial in TrialQueue(study, tmp_path, None, 151).waiting(study.trials)] == [4, 3]
    assert TrialQueue(study, tmp_path, None, 150).workers_needed(study.trials) == 1
    assert TrialQueue(study, tmp_path, None, 151).workers_needed(study.trials) == float("inf")


@pytest.mark.slow
def test_workers_get_their_trials_through_optunas_grpc_proxy(study, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = (
        "import sys, optuna; storage = optuna.storages.RDBStorage(sys.argv[1]); "
        "optuna.storages.run_grpc_proxy_server(storage, host='127.0.0.1', port=int(sys.argv[2]))"
    )
    server = subprocess.Popen([sys.executable, "-c", code, f"sqlite:///{tmp_path}/optuna.db", str(port)])
    try:
        proxied = storage.load_study(f"grpc://127.0.0.1:{port}", "tiny", wait=True)
        queue = TrialQueue(proxied, tmp_path, 2, None)
        first = queue.claim(WORKER_ELSEWHERE)
        queue.release(proxied.get_trials(deepcopy=False)[0])
        assert queue.claim(processes.describe()).number == first.number == 0
        assert queue.claim(processes.describe()).number == 1
        assert queue.claim(processes.describe()) is None
        proxied.tell(1, 0.5)
        assert study.trials[1].value == 0.5
    finally:
        server.kill()
        server.wait()

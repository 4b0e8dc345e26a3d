"""Who has which trial, on a real study in a file."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from apparel.sweeps import failure_log, storage, trial_claims
from apparel.sweeps.trial_claims import Beat, Claims, Watch
from apparel.utils import processes

ELSEWHERE = {"host": "elsewhere", "pid": 1, "started": 1.0}


@pytest.fixture
def study(tmp_path):
    opened = storage.open_storage(f"sqlite:///{tmp_path}/optuna.db")
    return optuna.create_study(study_name="tiny", storage=opened, direction="maximize")


@pytest.fixture
def dead():
    """A process of this machine that is gone."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    known = processes.describe(process.pid)
    process.communicate(b"\n")
    return known


def test_many_workers_at_once_begin_each_trial_once_and_none_too_many(study, tmp_path):
    def work(number: int) -> list[int]:
        own = Claims(storage.load(f"sqlite:///{tmp_path}/optuna.db", "tiny"), tmp_path, 7, None)
        taken = []
        while (trial := own.next(processes.describe())) is not None:
            taken.append(trial.number)
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [number for numbers in pool.map(work, range(4)) for number in numbers]
    assert sorted(taken) == list(range(7))
    assert len(study.trials) == 7


def test_a_surplus_trial_is_never_begun(study, tmp_path):
    for _ in range(3):
        study.add_trial(create_trial(state=TrialState.WAITING))
    shared = Claims(study, tmp_path, 2, None)
    assert [shared.next(processes.describe()).number for _ in range(2)] == [0, 1]
    assert shared.next(processes.describe()) is None
    assert not shared.is_done(study.trials)
    for number in range(2):
        study.tell(number, 1.0)
    assert shared.is_done(study.trials)
    assert Claims(study, tmp_path, 3, None).next(processes.describe()).number == 2


def test_a_trial_of_a_dead_worker_goes_on_as_the_same_trial(study, tmp_path, dead):
    shared = Claims(study, tmp_path, 2, None)
    begun = shared.next(dead)
    trial = optuna.trial.Trial(study, begun._trial_id)
    rate = trial.suggest_float("rate", 0, 1)
    trial.set_user_attr("values", {"rate": rate})
    trial.report(0.5, 1)
    gone = Watch().gone(study.trials)
    assert [each.number for each in gone] == [0]
    shared.release(gone[0])
    again = shared.next(processes.describe())
    assert (again.number, again.params, again.intermediate_values) == (0, {"rate": rate}, {1: 0.5})
    assert Watch().gone(study.trials) == []
    shared.release(gone[0])  # a second head saw the dead worker, too
    assert study.trials[0].state == TrialState.RUNNING


def test_a_worker_elsewhere_is_gone_when_its_beats_stay_away(study, tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(trial_claims.time, "monotonic", lambda: now[0])
    trial = Claims(study, tmp_path, 1, None).next(ELSEWHERE)
    watch = Watch()

    def look(seconds: float) -> int:
        now[0] += seconds
        return len(watch.gone(study.trials))

    assert [look(10) for _ in range(12)] == [0] * 12
    study._storage.set_trial_user_attr(trial._trial_id, "worker", ELSEWHERE | {"beat": 1})
    assert look(10) == 0
    assert look(100_000) == 0, "the database was away: that is no sign"
    assert 1 in [look(10) for _ in range(13)]


def test_a_worker_that_was_taken_for_dead_notices(study, tmp_path):
    shared = Claims(study, tmp_path, 1, None)
    trial = shared.next(processes.describe())
    beat = Beat(study, trial, processes.describe())
    assert beat.is_ours()
    shared.release(study.trials[0])
    assert not beat.is_ours()
    shared.next(ELSEWHERE)
    assert not beat.is_ours()


def test_minutes_count_work_and_end_what_is_new_but_not_what_was_begun(study, tmp_path):
    start = datetime(2020, 1, 1)
    for first, last in ((0, 60), (30, 90), (1000, 1060)):
        trial = create_trial(state=TrialState.COMPLETE, value=1.0)
        trial.datetime_start, trial.datetime_complete = (
            start + timedelta(seconds=first),
            start + timedelta(seconds=last),
        )
        study.add_trial(trial)
    assert trial_claims.seconds_spent(study.trials) == 150
    assert [trial_claims.minutes_left(minutes, study.trials) for minutes in (2, 3)] == [0, 0.5]
    study.add_trial(create_trial(state=TrialState.WAITING))
    study.add_trial(create_trial(state=TrialState.WAITING, user_attrs={"values": {}}))
    assert [each.number for each in Claims(study, tmp_path, None, 150).waiting(study.trials)] == [4]
    assert [each.number for each in Claims(study, tmp_path, None, 151).waiting(study.trials)] == [4, 3]
    assert Claims(study, tmp_path, None, 150).open_places(study.trials) == 1
    assert Claims(study, tmp_path, None, 151).open_places(study.trials) == float("inf")


def test_the_same_failure_three_times_in_a_row(study):
    def end(state: TrialState, failure: str = "") -> str | None:
        attributes = {"failure": failure} if failure else {}
        value = 1.0 if state == TrialState.COMPLETE else None
        study.add_trial(create_trial(state=state, value=value, user_attrs=attributes))
        return failure_log.repeated(study.trials, {0})

    assert end(TrialState.FAIL, "error: no number at step 1") is None
    assert end(TrialState.FAIL, "error: no number at step 2") is None
    assert end(TrialState.COMPLETE) is None
    assert end(TrialState.FAIL, "error: no number at step 3") is None
    assert end(TrialState.FAIL, "error: no memory") is None
    assert end(TrialState.FAIL, "error: no number at step 4") is None
    assert end(TrialState.FAIL, "error: no number at step 50") is None
    assert end(TrialState.FAIL, "error: no number at step 6") == "error: no number at step 6"


def test_the_storage_waits_for_its_server(tmp_path, monkeypatch):
    from sqlalchemy.exc import OperationalError, PendingRollbackError

    monkeypatch.setattr(storage.time, "sleep", lambda seconds: None)
    starting = OperationalError("select 1", {}, Exception("the database system is starting up"))
    left = [starting, PendingRollbackError("can't reconnect"), starting]

    class Server:
        def get_all_studies(self) -> list:
            if left:
                raise optuna.exceptions.StorageInternalError("away") from left.pop()
            return ["one"]

        def get_trial(self, trial_id: int) -> None:
            raise KeyError(trial_id)

    assert storage.Patient(Server()).get_all_studies() == ["one"]
    with pytest.raises(KeyError):
        storage.Patient(Server()).get_trial(1)


def test_an_address_is_shown_without_its_password_and_a_wrong_one_is_refused():
    from apparel.errors import UserError

    with pytest.raises(UserError, match=r"postgresql://127\.0\.0\.1:1/x") as refused:
        storage.open_storage("postgresql://me:secret@127.0.0.1:1/x")
    assert "secret" not in str(refused.value)
    with pytest.raises(UserError, match="no study can be kept"):
        storage.open_storage("nosuch://x")


@pytest.mark.slow
def test_workers_behind_optunas_grpc_proxy(study, tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = (
        "import sys, optuna; storage = optuna.storages.RDBStorage(sys.argv[1]); "
        "optuna.storages.run_grpc_proxy_server(storage, host='127.0.0.1', port=int(sys.argv[2]))"
    )
    server = subprocess.Popen([sys.executable, "-c", code, f"sqlite:///{tmp_path}/optuna.db", str(port)])
    try:
        behind = storage.load(f"grpc://127.0.0.1:{port}", "tiny", wait=True)
        shared = Claims(behind, tmp_path, 2, None)
        first = shared.next(ELSEWHERE)
        shared.release(behind.get_trials(deepcopy=False)[0])
        assert shared.next(processes.describe()).number == first.number == 0
        assert shared.next(processes.describe()).number == 1
        assert shared.next(processes.describe()) is None
        behind.tell(1, 0.5)
        assert study.trials[1].value == 0.5
    finally:
        server.kill()
        server.wait()

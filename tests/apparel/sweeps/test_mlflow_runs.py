"""MLflow runs of a sweep as they are written to the outbox; test_dashboard.py shows them in MLflow."""

from pathlib import Path

import pytest
from optuna.trial import TrialState

from apparel import params, paths
from apparel.sweeps import mlflow_runs, storage
from apparel.tracking import runs, sender_process
from apparel.tracking.outbox import all_outboxes, find_outbox
from apparel.utils import processes
from tests.support import silent_sender, studies
from tests.support.repository import ROOT

HISTORY = "step,epoch,val/mAP50\n10,1.0,0.25\n20,2.0,0.5\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, "SenderProcess", silent_sender.Nobody)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def current_params():
    return params.load(ROOT / "params.yaml")


@pytest.fixture
def study():
    return studies.make()


def values(name, kind):
    return {key: value for line in find_outbox(name).lines() if line.kind == kind for key, value in line.values.items()}


def statuses(name):
    return [line.values["status"] for line in find_outbox(name).lines() if line.kind == "status"]


def test_the_parent_has_the_best_trials_metrics_and_the_report(study, current_params):
    with mlflow_runs.StudyRun(study, current_params):
        pass
    parent = study.user_attrs["parent_run"]
    measured = values(parent, "metrics")
    assert measured == {"val/mAP50": 0.7, "trials/complete": 6, "trials/pruned": 1, "trials/failed": 1}
    tags = values(parent, "tags")
    assert (tags["best.trial"], tags["best.experiment"], tags["best.train.resolution"]) == ("3", "drawn-003", "512")
    files = [Path(line.values["place"]).name for line in find_outbox(parent).lines() if line.kind == "file"]
    assert files == ["report.html", "trials.csv"]
    assert statuses(parent) == ["RUNNING", "FINISHED"]
    assert find_outbox(parent).header.name == "sweep drawn"


def test_of_two_objectives_the_parent_has_the_front_and_the_best_in_the_first(current_params):
    study = studies.make(("val/mAP50", "latency"))
    with mlflow_runs.StudyRun(study, current_params):
        pass
    measured, tags = (values(study.user_attrs["parent_run"], kind) for kind in ("metrics", "tags"))
    assert (measured["val/mAP50"], measured["latency"]) == (0.7, 80.0)
    assert (tags["best.trial"], tags["pareto.front"]) == ("3", "drawn-003, drawn-005")


def test_a_resumed_sweep_resumes_its_run(study, current_params):
    for _ in range(2):
        with mlflow_runs.StudyRun(study, current_params):
            pass
    assert statuses(study.user_attrs["parent_run"]) == ["RUNNING", "FINISHED"] * 2
    study.set_user_attr("parent_run", "a" * 32)  # another machine's
    with mlflow_runs.StudyRun(study, current_params):
        pass
    assert {outbox.header.run for outbox in all_outboxes()} == {None, "a" * 32}


def test_of_drivers_that_start_at_once_the_studys_creator_makes_the_run(study, current_params, monkeypatch):
    study.set_user_attr(storage.CREATOR, {"host": "other", "pid": 1, "started": 0})
    monkeypatch.setattr(storage.time, "sleep", lambda seconds: study.set_user_attr("parent_run", "a" * 32))
    with mlflow_runs.StudyRun(study, current_params):
        pass
    assert study.user_attrs["parent_run"] == "a" * 32
    assert {outbox.header.run for outbox in all_outboxes()} == {"a" * 32}


def test_on_a_machine_whose_runs_are_sent_from_another_one_none_is_sent(study, current_params, monkeypatch):
    monkeypatch.setenv(sender_process.LATER_VARIABLE, "1")
    monkeypatch.setattr("apparel.tracking.sender.Sender", lambda outbox: pytest.fail("it is sent"))
    with mlflow_runs.StudyRun(study, current_params):
        pass
    assert find_outbox(study.user_attrs["parent_run"]).sent() == (None, 0)


@pytest.mark.parametrize(
    ("error", "status", "tag"), [(KeyboardInterrupt(), "KILLED", "stopped"), (ValueError("x"), "FAILED", "failure")]
)
def test_an_interrupted_or_failed_sweep_has_that_status(study, current_params, error, status, tag):
    with pytest.raises(type(error)), mlflow_runs.StudyRun(study, current_params):
        raise error
    parent = study.user_attrs["parent_run"]
    assert statuses(parent)[-1] == status
    assert tag in values(parent, "tags")


def test_a_report_that_fails_leaves_no_run_open(study, current_params):
    paths.LOCAL.mkdir(parents=True, exist_ok=True)
    (paths.LOCAL / "sweeps").write_text("a file where the report's folder should be")
    with pytest.raises(OSError), mlflow_runs.StudyRun(study, current_params):
        pass
    assert statuses(study.user_attrs["parent_run"]) == ["RUNNING", "FINISHED"]


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (TrialState.COMPLETE, "FINISHED"),
        (TrialState.PRUNED, "KILLED"),
        (TrialState.FAIL, "FAILED"),
        (TrialState.RUNNING, "KILLED"),
    ],
)
def test_open_runs_end_with_the_status_of_their_trials(current_params, state, status):
    study, run = studies.make(), runs.start_run(current_params, "killed -9")
    studies.add(study, 300, 8, 0.001, 0.5, state, run=run.id)
    mlflow_runs.close_open_runs(study, current_params)
    assert statuses(run.id)[-1] == status
    mlflow_runs.close_open_runs(study, current_params)
    assert statuses(run.id)[-2:] == ["RUNNING", status]  # not ended twice


def test_the_run_of_a_running_training_stays_open(current_params):
    study, run = studies.make(), runs.start_run(current_params, "at work")
    studies.add(study, 300, 8, 0.001, 0.5, TrialState.RUNNING, run=run.id, worker=processes.describe())
    mlflow_runs.close_open_runs(study, current_params)
    assert statuses(run.id) == ["RUNNING"]


def test_a_trial_from_the_cache_has_a_run_with_its_curve(study, current_params):
    study.set_user_attr("parent_run", "b" * 32)
    Path("history.csv").write_text(HISTORY, encoding="utf-8")
    with mlflow_runs.create_trial_run(study, study.trials[2], current_params, Path("history.csv")) as run:
        pass
    header = find_outbox(run.id).header
    assert (header.parent, header.name) == ("b" * 32, "drawn-002")
    metrics = [(line.step, line.values) for line in find_outbox(run.id).lines() if line.kind == "metrics"]
    assert metrics == [(10, {"epoch": 1.0, "val/mAP50": 0.25}), (20, {"epoch": 2.0, "val/mAP50": 0.5})]
    tags = values(run.id, "tags")
    assert (tags["optuna.study"], tags["optuna.trial"], tags["dvc.experiment"]) == ("drawn", "2", "drawn-002")
    assert "cache" in tags["trained"]
    assert values(run.id, "params")["train.batch_size"] == str(current_params.train.batch_size)

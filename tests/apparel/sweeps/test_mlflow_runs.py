"""A sweep's runs as they are written; that they arrive is tested with MLflow in test_shown.py."""

from pathlib import Path

import pytest
from optuna.trial import TrialState

from apparel import params, paths
from apparel.sweeps import mlflow_runs
from apparel.tracking import runs
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
def chosen():
    return params.load(ROOT / "params.yaml")


@pytest.fixture
def study():
    return studies.make()


def values(name, kind):
    return {key: value for line in find_outbox(name).lines() if line.kind == kind for key, value in line.values.items()}


def statuses(name):
    return [line.values["status"] for line in find_outbox(name).lines() if line.kind == "status"]


def test_the_parent_has_the_best_trials_metrics_and_the_report(study, chosen):
    with mlflow_runs.Parent(study, chosen):
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


def test_of_two_objectives_the_parent_has_the_front_and_the_best_in_the_first(chosen):
    study = studies.make(("val/mAP50", "latency"))
    with mlflow_runs.Parent(study, chosen):
        pass
    measured, tags = (values(study.user_attrs["parent_run"], kind) for kind in ("metrics", "tags"))
    assert (measured["val/mAP50"], measured["latency"]) == (0.7, 80.0)
    assert (tags["best.trial"], tags["pareto.front"]) == ("3", "drawn-003, drawn-005")


def test_a_sweep_that_goes_on_goes_on_in_its_run(study, chosen):
    for _ in range(2):
        with mlflow_runs.Parent(study, chosen):
            pass
    assert statuses(study.user_attrs["parent_run"]) == ["RUNNING", "FINISHED"] * 2
    study.set_user_attr("parent_run", "a" * 32)  # another machine's
    with mlflow_runs.Parent(study, chosen):
        pass
    assert {outbox.header.run for outbox in all_outboxes()} == {None, "a" * 32}


@pytest.mark.parametrize(
    ("error", "status", "tag"), [(KeyboardInterrupt(), "KILLED", "stopped"), (ValueError("x"), "FAILED", "failure")]
)
def test_a_sweep_that_does_not_end_well_says_so(study, chosen, error, status, tag):
    with pytest.raises(type(error)), mlflow_runs.Parent(study, chosen):
        raise error
    parent = study.user_attrs["parent_run"]
    assert statuses(parent)[-1] == status
    assert tag in values(parent, "tags")


def test_a_report_that_fails_leaves_no_run_open(study, chosen):
    paths.LOCAL.mkdir(parents=True, exist_ok=True)
    (paths.LOCAL / "sweeps").write_text("a file where the report's folder should be")
    with pytest.raises(OSError), mlflow_runs.Parent(study, chosen):
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
def test_runs_that_were_left_open_end_as_their_trials_did(chosen, state, status):
    study, run = studies.make(), runs.start_run(chosen, "killed -9")
    studies.add(study, 300, 8, 0.001, 0.5, state, run=run.id)
    mlflow_runs.settle(study, chosen)
    assert statuses(run.id)[-1] == status
    mlflow_runs.settle(study, chosen)
    assert statuses(run.id)[-2:] == ["RUNNING", status]  # not ended twice


def test_a_training_that_is_under_way_is_left_alone(chosen):
    study, run = studies.make(), runs.start_run(chosen, "at work")
    studies.add(study, 300, 8, 0.001, 0.5, TrialState.RUNNING, run=run.id, worker=processes.describe())
    mlflow_runs.settle(study, chosen)
    assert statuses(run.id) == ["RUNNING"]


def test_a_trial_from_the_cache_has_a_run_with_its_curve(study, chosen):
    study.set_user_attr("parent_run", "b" * 32)
    Path("history.csv").write_text(HISTORY, encoding="utf-8")
    with mlflow_runs.record(study, study.trials[2], chosen, Path("history.csv")) as run:
        pass
    header = find_outbox(run.id).header
    assert (header.parent, header.name) == ("b" * 32, "drawn-002")
    metrics = [(line.step, line.values) for line in find_outbox(run.id).lines() if line.kind == "metrics"]
    assert metrics == [(10, {"epoch": 1.0, "val/mAP50": 0.25}), (20, {"epoch": 2.0, "val/mAP50": 0.5})]
    tags = values(run.id, "tags")
    assert (tags["optuna.study"], tags["optuna.trial"], tags["dvc.experiment"]) == ("drawn", "2", "drawn-002")
    assert "cache" in tags["trained"]
    assert values(run.id, "params")["train.batch_size"] == str(chosen.train.batch_size)

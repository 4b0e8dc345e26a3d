"""A sweep in MLflow's list of runs, as a browser shows it."""

import argparse
import os
from pathlib import Path

import pytest

from apparel import params
from apparel.cli import sync
from apparel.sweeps import mlflow_runs
from apparel.tracking import local_runs
from apparel.tracking.server import LOCAL_SERVER, connect
from tests.support import chromium, studies
from tests.support.repository import ROOT
from tests.support.servers import served


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="ends processes with POSIX signals")
def test_mlflow_shows_the_trials_as_child_runs_of_their_sweep(tmp_path):
    study, current_params = studies.make(), params.load(ROOT / "params.yaml")
    with mlflow_runs.StudyRun(study, current_params):
        for trial in study.trials[:4]:
            with mlflow_runs.create_trial_run(study, trial, current_params) as run:
                run.log_metrics({"val/mAP50": trial.value}, 10)
        mlflow_runs.create_trial_run(study, study.trials[6], current_params).kill(pruned="at step 20")
    sync.main(argparse.Namespace(dry_run=False))  # a busy machine may not have sent all within a run's patience
    check_runs(study)
    (experiment,) = [folder.name for folder in Path("mlartifacts").iterdir()]
    with served("ui", "health") as address:
        # By a metric; in order of time MLflow folds the trials into the row of their sweep.
        order = "workflowType=machine_learning&orderByKey=metrics.%60val%2FmAP50%60&orderByAsc=false"
        names = ["sweep drawn", "drawn-000", "drawn-003", "drawn-006"]
        chromium.wait_for(names, f"{address}/#/experiments/{experiment}/runs?{order}", tmp_path / "browser")
        parent = local_runs.mlflow_id(study.user_attrs["parent_run"])
        page = f"{address}/#/experiments/{experiment}/runs/{parent}?workflowType=machine_learning"
        texts = ["Child runs", "drawn-001", "best.experiment", "val/mAP50", "trials/pruned", "Finished"]
        document = chromium.wait_for(texts, page, tmp_path / "browser")
        assert all(text in document for text in texts)


def check_runs(study):
    """The child runs have their trials' status and numbers."""
    client = connect(LOCAL_SERVER)
    parent = local_runs.mlflow_id(study.user_attrs["parent_run"])
    experiment = client.get_run(parent).info.experiment_id
    children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'", order_by=["start_time"])
    assert [run.info.status for run in children] == ["FINISHED"] * 4 + ["KILLED"]
    assert [run.data.tags["optuna.trial"] for run in children] == ["0", "1", "2", "3", "6"]
    assert children[4].data.tags["pruned"] == "at step 20"
    assert [file.path for file in client.list_artifacts(parent)] == ["report.html", "trials.csv"]

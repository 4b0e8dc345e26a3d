"""A trial that is judged by cross-validation: its folds, its pruning, and how it goes on after a kill."""

import json
import subprocess
import sys
import threading
from types import SimpleNamespace

import optuna
import pytest

from apparel import params, paths
from apparel.sweeps import config, crossval_trial, mlflow_runs, samplers, trial_runner
from apparel.sweeps.crossval_trial import CrossvalTrialRunner
from apparel.sweeps.search_space import SearchSpace
from apparel.sweeps.trial_runner import TrialContext
from apparel.utils import nested
from tests.support.repository import ROOT

RATES = {0.1: [0.5, 0.7, 0.6, 0.8], 0.2: [0.6, 0.8, 0.7, 0.9], 0.3: [0.4, 0.6, 0.5, 0.7]}
"""mAP50 of each of four folds by learning rate."""


class FakeWorkspace:
    """In place of the clone: a training that ends at once, and saved experiments."""

    def __init__(self, folder):
        self.folder, self.trained, self.saved, self.failing = folder, [], [], None

    def train(self, values, log):
        fold = int(values["split.fold"][0])
        self.trained.append((values["train.learning_rate"], values["split.fold"]))
        if fold == self.failing:
            log.write(b"error: no room on the disk\n")
            log.flush()
            return subprocess.Popen([sys.executable, "-c", "raise SystemExit(1)"])
        score = RATES[values["train.learning_rate"]][fold - 1]
        path = self.folder / paths.VAL_METRICS
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"val": {"mAP50": score, "AP50": {}}}), encoding="utf-8")
        return subprocess.Popen([sys.executable, "-c", ""])

    def save(self, name, message):
        self.saved.append(name)
        return f"revision of {name}"


class Run:
    """In place of a run in MLflow."""

    def __init__(self):
        self.id, self.values, self.ended = "run-of-trial", {}, None

    def log_metrics(self, values):
        self.values |= values


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A study of four folds, its workspace, and a function that runs a trial of a learning rate."""
    monkeypatch.setattr(trial_runner, "SECONDS_BETWEEN_POLLS", 0.01)
    for name in (paths.TRIAL_FOLDER_VARIABLE, paths.WORKER_VARIABLE, paths.STUDY_VARIABLE, paths.TRIAL_VARIABLE,
                 paths.PARENT_RUN_VARIABLE, "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV", "MLFLOW_RUN_ID"):  # fmt: skip
        monkeypatch.setenv(name, "")
    run = Run()
    monkeypatch.setattr(mlflow_runs, "create_trial_run", lambda study, trial, parameters: run)
    monkeypatch.setattr(mlflow_runs, "end_trial_run", lambda run, state, failure: setattr(run, "ended", state))
    monkeypatch.setattr(crossval_trial.runs, "attach_run", lambda name, parameters: run)
    monkeypatch.setattr(crossval_trial.local_runs, "mlflow_id", lambda name: None)
    space = {"train.learning_rate": {"choice": list(RATES)}}
    settings = {"study": "s", "objective": "crossval", "folds": 4, "budget": {"trials": 3}, "space": space}
    settings = config.parse_config(settings | {"pruner": {"p": 0.2}}, "here")
    study = optuna.create_study(direction="maximize", pruner=samplers.make_pruner(settings, 1, 1))
    study.set_user_attr("snapshot", {"commit": "c"})
    workspace = FakeWorkspace(tmp_path / "clone")
    base = nested.flatten(params.load(ROOT / "params.yaml").model_dump(mode="json"))
    context = TrialContext(study, settings, SearchSpace(base, {}), tmp_path, workspace)
    heartbeat = SimpleNamespace(lost=threading.Event())

    def run_trial(rate, trial=None):
        trial = trial or study.ask()
        trial.set_user_attr("experiment", f"s-{trial.number:03}")
        trial.set_user_attr("values", {"train.learning_rate": rate})
        outcome = CrossvalTrialRunner(context, trial, {"train.learning_rate": rate}, heartbeat).run()
        return trial, outcome

    return SimpleNamespace(study=study, workspace=workspace, run=run, run_trial=run_trial)


def test_each_fold_is_a_training_and_a_step_and_their_mean_is_the_value(project):
    trial, outcome = project.run_trial(0.1)
    assert outcome.state == optuna.trial.TrialState.COMPLETE and outcome.values == [pytest.approx(0.65)]
    assert project.workspace.trained == [(0.1, f"{fold}/4") for fold in (1, 2, 3, 4)]
    assert project.study.trials[0].intermediate_values == {1: 0.5, 2: 0.7, 3: 0.6, 4: 0.8}
    assert project.workspace.saved == [f"s-000-f{fold}" for fold in (1, 2, 3, 4)]
    assert project.run.values == {
        "val/mAP50/fold-1": 0.5, "val/mAP50/fold-2": 0.7, "val/mAP50/fold-3": 0.6, "val/mAP50/fold-4": 0.8,
        "val/mAP50": pytest.approx(0.65),
    }  # fmt: skip
    assert project.run.ended == outcome.state
    assert outcome.attributes["revision"] == "revision of s-000-f4" and trial.user_attrs["run"] == "run-of-trial"


def test_a_trial_that_is_worse_on_three_folds_is_pruned_and_a_better_one_is_not(project):
    first, outcome = project.run_trial(0.1)
    project.study.tell(first.number, outcome.values)
    second, outcome = project.run_trial(0.2)
    project.study.tell(second.number, outcome.values)
    assert outcome.values == [pytest.approx(0.75)]
    project.run.values.clear()
    _, outcome = project.run_trial(0.3)
    assert outcome.state == optuna.trial.TrialState.PRUNED and outcome.values is None
    assert project.study.trials[2].intermediate_values == {1: 0.4, 2: 0.6, 3: 0.5}
    assert "val/mAP50" not in project.run.values and project.run.ended == outcome.state


def test_a_trial_goes_on_with_the_folds_that_were_not_reported(project):
    trial = project.study.ask()
    trial.report(0.5, 1)
    trial.report(0.7, 2)
    _, outcome = project.run_trial(0.1, trial)
    assert [fold for _, fold in project.workspace.trained] == ["3/4", "4/4"]
    assert outcome.values == [pytest.approx(0.65)]


def test_a_fold_that_fails_is_the_trials_failure(project):
    project.workspace.failing = 2
    _, outcome = project.run_trial(0.1)
    assert outcome.state == optuna.trial.TrialState.FAIL
    assert outcome.attributes["failure"] == "error: no room on the disk" and "no room" in outcome.attributes["log"]
    assert project.run.ended == outcome.state and len(project.workspace.trained) == 2


def test_a_trainings_run_is_opened_below_the_trials(project, monkeypatch):
    seen = []
    train = project.workspace.train

    def note(values, log):
        seen.append({name: trial_runner.os.environ.get(name) for name in (paths.PARENT_RUN_VARIABLE, "MLFLOW_RUN_ID")})
        return train(values, log)

    monkeypatch.setattr(project.workspace, "train", note)
    project.run_trial(0.1)
    assert seen == [{paths.PARENT_RUN_VARIABLE: "run-of-trial", "MLFLOW_RUN_ID": None}] * 4

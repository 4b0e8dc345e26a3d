"""A sweep that is judged by cross-validation, with a fake training: folds, pruning, MLflow, and a second start."""

import optuna
import pytest

from apparel.tracking.server import LOCAL_SERVER, connect
from tests.support import project_copy, sweep_project

pytestmark = pytest.mark.slow

FOLDS = 4
SETTINGS = {
    "objective": "crossval",
    "folds": FOLDS,
    "pruner": {"kind": "wilcoxon", "p": 0.2},
    "sampler": {"kind": "grid"},
    "fixed": {"train.epochs": 1, "train.validate_every": 1},
    "space": {"train.learning_rate": {"choice": [0.01, 0.2]}},
}
"""The first trial has params.yaml's learning rate, which is the best; that of 0.2 is worse on every fold."""


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A project after the sweep, and its output."""
    folder = sweep_project.copy(tmp_path_factory.mktemp("swept") / "project", **SETTINGS)
    pipeline = (folder / "dvc.yaml").read_text(encoding="utf-8").replace("params: [train]", "params: [train, split]")
    (folder / "dvc.yaml").write_text(pipeline, encoding="utf-8")
    script = folder / "stages" / "train.py"
    # A fold has its own training and its own mAP50, which is the same for the same values.
    text = script.read_text(encoding="utf-8").replace("repr(params.load().train)", "repr(params.load())")
    text = text.replace("rows = [validation(train, epoch)", "rows = [validation(current, epoch)")
    text = text.replace("def validation(train, epoch):", "def validation(current, epoch):\n    train = current.train")
    text = text.replace("1 - abs(train", "0.01 * int(current.split.fold[0]) + 1 - abs(train")
    script.write_text(text, encoding="utf-8")
    project_copy.set_params(folder / "params.yaml", train={"learning_rate": 0.01})
    project_copy.git(folder, "commit", "--all", "--quiet", "--message", "folds")
    status, printed = sweep_project.run_sweep(folder)
    assert status == 0, printed
    project_copy.sync(folder)
    return folder, printed


def test_a_trial_that_is_worse_on_every_fold_stops_after_three(swept):
    folder, printed = swept
    assert "mean of 4 folds" in printed and "1 complete, 1 pruned" in printed
    study = optuna.load_study(study_name="tiny", storage=f"sqlite:///{folder}/optuna.db")
    first, second = study.trials
    assert first.value == pytest.approx(sum(first.intermediate_values.values()) / FOLDS)
    assert sorted(first.intermediate_values) == [1, 2, 3, 4] and sorted(second.intermediate_values) == [1, 2, 3]
    assert len(sweep_project.trainings(folder)) == 7


def test_each_fold_is_an_experiment_and_a_run_below_the_trials(swept, monkeypatch):
    folder, _ = swept
    listed = project_copy.run(folder, "dvc", "exp", "list", "--name-only").stdout
    assert {f"tiny-000-f{fold}" for fold in range(1, FOLDS + 1)} <= set(listed.split())
    monkeypatch.chdir(folder)
    client = connect(LOCAL_SERVER)
    found = client.search_runs([each.experiment_id for each in client.search_experiments()], order_by=["start_time"])
    parent_of = {run.info.run_id: run.data.tags.get("mlflow.parentRunId") for run in found}
    (sweep,) = [run for run in found if not parent_of[run.info.run_id]]
    trials = [run for run in found if parent_of[run.info.run_id] == sweep.info.run_id]
    assert [run.info.run_name for run in trials] == ["tiny-000", "tiny-001"]
    assert trials[0].data.metrics["val/mAP50"] == pytest.approx(sweep.data.metrics["val/mAP50"])
    folds = [run for run in found if parent_of[run.info.run_id] == trials[0].info.run_id]
    assert len(folds) == FOLDS and {run.info.status for run in folds} == {"FINISHED"}


def test_a_second_start_trains_nothing(swept):
    folder, _ = swept
    before = len(sweep_project.trainings(folder))
    status, printed = sweep_project.run_sweep(folder)
    assert status == 0, printed
    assert len(sweep_project.trainings(folder)) == before

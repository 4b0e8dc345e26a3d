"""A sweep's study is created once, with its first trials, in a folder of its own."""

import pytest
from optuna.trial import TrialState

from apparel.sweeps import driver, plan, storage, workspace
from tests.support import planned_sweep, project_copy
from tests.support.planned_sweep import CONFIG, RATES


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return planned_sweep.make(tmp_path)


def new_plan(**changes) -> plan.Plan:
    planned_sweep.write_config(**changes)
    return plan.make_plan(CONFIG, storage.LOCAL, 1, {"study": None, "trials": None, "minutes": None})


def test_a_study_is_created_once_and_starts_with_the_values_of_params_yaml(folder):
    made = new_plan()
    study, again = driver.open_study(made), driver.open_study(made)
    assert again.user_attrs == study.user_attrs
    assert study.metric_names == ["val/mAP50"]
    assert study.user_attrs["settings"] == plan.to_plain(made.config)
    assert study.user_attrs["snapshot"] == vars(made.snapshot)
    (first,) = again.trials
    assert first.state == TrialState.WAITING
    assert study.user_attrs["start"] == {"train.learning_rate": made.params.train.learning_rate}
    assert study.ask().suggest_categorical("train.learning_rate", RATES) == 0.004
    kept = project_copy.git(folder, "rev-parse", "refs/apparel/sweeps/tiny").strip()
    assert kept == made.snapshot.state


@pytest.mark.parametrize(("budget", "queued"), [({}, 3), ({"trials": 2}, 2)])
def test_a_grid_queues_all_its_points_unless_the_budget_has_fewer(folder, budget, queued):
    study = driver.open_study(new_plan(sampler={"kind": "grid"}, budget=budget))
    assert [trial.state for trial in study.trials] == [TrialState.WAITING] * queued


def test_the_folder_of_an_earlier_study_of_the_same_name_is_emptied(folder):
    made = new_plan()
    driver.open_study(made)
    log = workspace.study_folder("tiny") / "log.txt"
    log.touch()
    driver.open_study(made)
    assert log.exists()
    (folder / "optuna.db").unlink()
    driver.open_study(new_plan())
    assert not log.exists()

"""The table of trials, the best of them, and the copy of a study that is plotted."""

import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState

from apparel.sweeps import study_table
from tests.support import studies


@pytest.fixture(scope="module")
def study():
    return studies.make()


def test_the_table_has_each_trial_with_its_experiment_and_run(study):
    table = study_table.trials_table(study)
    assert table["state"].tolist() == ["complete"] * 3 + ["best"] + ["complete"] * 2 + ["pruned", "failed", "running"]
    assert table.loc[3, "val/mAP50"] == 0.70
    assert table.loc[6, "val/mAP50"] == 0.10  # at its last validation
    assert table.loc[3, "train.batch_size"] == 4
    assert table.loc[8, "experiment"] == "drawn-008"
    assert table.loc[[6, 7], "experiment"].isna().all()  # pruned, failed: there is nothing to apply
    assert table.loc[8, "run"] == f"{8:032x}"
    assert table["minutes"].tolist() == [1.5] * 9
    assert table["failure"].dropna().tolist() == [studies.FAILURE]


def test_the_best_trials_of_two_objectives_are_the_pareto_front():
    study = studies.make(("val/mAP50", "latency"))
    assert [trial.number for trial in study_table.best_trials(study)] == [3, 5]  # 0.70 in 80 ms, 0.65 in 30 ms
    studies.add(study, 512, 4, 0.003, 0.75)
    assert [trial.number for trial in study_table.best_trials(study)] == [9, 5]  # 0.75 in 80 ms comes first


def test_the_last_value_of_val_is_not_shown_as_a_latency():
    table = study_table.trials_table(studies.make(("latency", "val/mAP50")))
    assert table.loc[6, ["latency", "val/mAP50"]].tolist() == [None, 0.10]


def test_nothing_is_best_before_a_trial_is_complete():
    empty = studies.optuna.create_study()
    empty.set_user_attr("settings", {"space": studies.SPACE, "fixed": {}})
    studies.add(empty, 300, 16, 0.004, 0.5, TrialState.PRUNED)
    assert study_table.best_trials(empty) == []
    assert study_table.count_states(empty) == "1 pruned"


def test_a_queued_trial_that_never_ran_is_not_shown():
    study = studies.make()
    study.enqueue_trial({"train.resolution": 300})
    assert len(study_table.trials_table(study)) == 9
    assert "waiting" not in study_table.count_states(study)


def test_conditional_ranges_of_a_key_are_one_parameter_in_plots(study):
    single = study_table.single_objective_study(study, 0)
    assert [trial.number for trial in single.trials] == [trial.number for trial in study.trials]
    assert single.trials[3].params == {"train.resolution": 512, "train.batch_size": 4, "train.learning_rate": 0.002}
    assert {trial.distributions["train.batch_size"] for trial in single.trials} == {
        CategoricalDistribution([4, 8, 16, 24, 32])
    }

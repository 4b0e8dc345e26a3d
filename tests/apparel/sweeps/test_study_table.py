import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState

from apparel.sweeps import study_table
from tests.support import studies


@pytest.fixture(scope="module")
def study():
    return studies.make()


def test_the_table_has_each_trial_with_what_it_left_elsewhere(study):
    table = study_table.table(study)
    assert table["state"].tolist() == ["complete"] * 3 + ["best"] + ["complete"] * 2 + ["pruned", "failed", "running"]
    assert table.loc[3, "val/mAP50"] == 0.70
    assert table.loc[6, "val/mAP50"] == 0.10  # at its last validation
    assert table.loc[3, "train.batch_size"] == 4
    assert table.loc[8, "experiment"] == "drawn-008"
    assert table.loc[8, "run"] == f"{8:032x}"
    assert table["minutes"].tolist() == [1.5] * 9
    assert table["failure"].dropna().tolist() == [studies.FAILURE]


def test_best_of_two_objectives_is_what_no_other_trial_beats_in_both():
    study = studies.make(("val/mAP50", "latency"))
    assert [trial.number for trial in study_table.best(study)] == [3, 5]  # 0.70 in 80 ms, 0.65 in 30 ms
    studies.add(study, 512, 4, 0.003, 0.75)
    assert [trial.number for trial in study_table.best(study)] == [9, 5]  # 0.75 in 80 ms comes first


def test_what_val_gave_last_is_not_taken_for_a_latency():
    table = study_table.table(studies.make(("latency", "val/mAP50")))
    assert table.loc[6, ["latency", "val/mAP50"]].tolist() == [None, 0.10]


def test_nothing_is_best_before_a_trial_is_complete():
    empty = studies.optuna.create_study()
    empty.set_user_attr("settings", {"space": studies.SPACE, "fixed": {}})
    studies.add(empty, 300, 16, 0.004, 0.5, TrialState.PRUNED)
    assert study_table.best(empty) == []
    assert study_table.counts(empty) == "1 pruned"


def test_a_surplus_trial_that_only_waits_is_not_shown():
    study = studies.make()
    study.enqueue_trial({"train.resolution": 300})
    assert len(study_table.table(study)) == 9
    assert "waiting" not in study_table.counts(study)


def test_parameters_drawn_under_a_condition_are_one_in_pictures(study):
    named = study_table.of_objective(study, 0)
    assert [trial.number for trial in named.trials] == [trial.number for trial in study.trials]
    assert named.trials[3].params == {"train.resolution": 512, "train.batch_size": 4, "train.learning_rate": 0.002}
    assert {trial.distributions["train.batch_size"] for trial in named.trials} == {
        CategoricalDistribution([4, 8, 16, 24, 32])
    }

"""Samplers and pruners of Optuna from the configuration of a sweep."""

import optuna
import pytest

from apparel.sweeps import config, samplers
from apparel.sweeps.config import SweepConfig

MAP50 = {"metric": "val/mAP50", "direction": "maximize"}
LATENCY = {"metric": "latency", "direction": "minimize"}


def sweep_config(**changes) -> SweepConfig:
    space = {"train.learning_rate": {"float": [1e-4, 1e-2]}}
    return config.parse_config({"study": "s", "budget": {"trials": 4}, "space": space} | changes, "here")


def draw(settings: SweepConfig, trial: int) -> float:
    study = optuna.create_study(sampler=samplers.make_sampler(settings, trial))
    return study.ask().suggest_float("rate", 0, 1)


@pytest.mark.parametrize("kind", ["tpe", "random"])
def test_a_trial_draws_the_same_values_again_and_another_trial_other_ones(kind):
    settings = sweep_config(sampler={"kind": kind, "seed": 3})
    assert draw(settings, 0) == draw(settings, 0)
    assert len({draw(settings, trial) for trial in range(5)}) == 5
    assert draw(settings, 0) != draw(sweep_config(sampler={"kind": kind, "seed": 4}), 0)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, optuna.pruners.MedianPruner),
        ({"pruner": {"kind": "hyperband"}}, optuna.pruners.HyperbandPruner),
        ({"pruner": {"kind": "none"}}, optuna.pruners.NopPruner),
        ({"objectives": [MAP50, LATENCY]}, optuna.pruners.NopPruner),
        ({"objectives": [LATENCY]}, optuna.pruners.NopPruner),
    ],
    ids=["median", "hyperband", "none", "two objectives", "latency"],
)
def test_only_one_objective_that_is_measured_while_training_can_prune(changes, kind):
    assert type(samplers.make_pruner(sweep_config(**changes), validate_every=2, epochs=8)) is kind


def test_the_median_pruner_waits_for_trials_and_validations():
    settings = sweep_config(pruner={"kind": "median", "after_trials": 1, "after_validations": 1})
    study = optuna.create_study(direction="maximize", pruner=samplers.make_pruner(settings, validate_every=2, epochs=8))
    pruned = []
    for value in (0.9, 0.1):
        trial = study.ask()
        for epoch in (2, 4):
            trial.report(value, epoch)
            pruned.append(trial.should_prune())
        study.tell(trial, value)
    assert pruned == [False, False, False, True]

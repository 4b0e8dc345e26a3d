"""Table of a study's trials by the keys of params.yaml, with each trial's DVC experiment and MLflow run.

Ours in place of Optuna's `study.trials_dataframe`, which has a column for each conditional range instead of one for
each key, and all user attributes as columns, logs included.
"""

from collections import Counter
from typing import Any

import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from apparel.sweeps.config import LATENCY
from apparel.tracking import local_runs

STATE_NAMES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
"""Optuna's states as the user reads them."""


def searched_keys(study: Study) -> list[str]:
    """Keys of params.yaml that the study searches, in the order of `configs/sweep.yaml`."""
    return list(study.user_attrs["settings"]["space"])


def objective_names(study: Study) -> list[str]:
    """Names of the objectives."""
    return study.metric_names or [f"objective {number}" for number in range(len(study.directions))]


def reported_metric(study: Study) -> str:
    """The metric of val that trials report while they train: the first objective, unless that is the latency."""
    first = objective_names(study)[0]
    return "val/mAP50" if first == LATENCY else first


def metric_label(metric: str) -> str:
    """An objective's name with its unit."""
    return f"{metric}, ms a photo" if metric == LATENCY else metric


def trial_values(trial: FrozenTrial) -> dict[str, Any]:
    """The trial's values of the searched keys, by key of params.yaml."""
    return trial.user_attrs.get("values", {})


def best_trials(study: Study) -> list[FrozenTrial]:
    """The best trial, or for two objectives the Pareto front, sorted by the first objective, best first.

    Empty while no trial is complete.
    """
    if not study.get_trials(deepcopy=False, states=[TrialState.COMPLETE]):
        return []
    if len(study.directions) == 1:
        return [study.best_trial]
    highest_first = study.directions[0] == StudyDirection.MAXIMIZE
    return sorted(study.best_trials, key=lambda trial: trial.values[0], reverse=highest_first)


def started_trials(study: Study) -> list[FrozenTrial]:
    """The trials by number, without queued ones that never ran."""
    return [
        trial for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.WAITING or trial_values(trial)
    ]


def count_states(study: Study) -> str:
    """Such as `9 complete, 5 pruned, 1 running`."""
    states = Counter(trial.state for trial in started_trials(study))
    return (
        ", ".join(f"{states[state]} {word}" for state, word in STATE_NAMES.items() if states[state]) or "no trial yet"
    )


def mlflow_run_id(trial: FrozenTrial) -> str | None:
    """Id of the trial's run in MLflow; until the run has arrived there, its id in this clone."""
    run = trial.user_attrs.get("run")
    return run and (local_runs.mlflow_id(run) or run)


def last_reported_value(trial: FrozenTrial) -> float | None:
    """The metric of the trial's last validation; None before the first one."""
    return trial.intermediate_values[trial.last_step] if trial.intermediate_values else None


def trials_table(study: Study) -> pd.DataFrame:
    """A row for each trial, by number: state, objectives, searched keys, minutes, DVC experiment, MLflow run, failure.

    A trial that is not complete has the value of its last validation, if that is an objective, and no experiment once
    it was pruned or has failed, since only complete ones are saved. Unknown values are None.
    """
    rows = {trial.number: _row(study, trial) for trial in started_trials(study)}
    columns = [
        "state",
        *objective_names(study),
        *searched_keys(study),
        "minutes",
        "cached",
        "experiment",
        "run",
        "failure",
    ]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns, dtype=object).rename_axis("trial")


def _row(study: Study, trial: FrozenTrial) -> list[Any]:
    attributes, last = trial.user_attrs, {reported_metric(study): last_reported_value(trial)}
    objectives = trial.values or [last.get(metric) for metric in objective_names(study)]
    is_best = trial.number in {best.number for best in best_trials(study)}
    state = "best" if is_best else STATE_NAMES[trial.state]
    searched = [trial_values(trial).get(key) for key in searched_keys(study)]
    links = [
        attributes.get("from_cache"),
        attributes.get("experiment") if trial.state not in (TrialState.PRUNED, TrialState.FAIL) else None,
        mlflow_run_id(trial),
        attributes.get("failure"),
    ]
    return [state, *objectives, *searched, _minutes(trial), *links]


def _minutes(trial: FrozenTrial) -> float | None:
    seconds = trial.user_attrs.get("seconds", {}).get("total")
    if seconds is None and trial.duration is not None:
        seconds = trial.duration.total_seconds()
    return None if seconds is None else round(seconds / 60, 1)


def single_objective_study(study: Study, index: int) -> Study:
    """A copy of the study with one of its objectives, whose parameters are named by the keys of params.yaml.

    Optuna's plots of the copy show all trials: in the study itself a key with conditional ranges has several
    parameters. And only for a single objective do they show the direction, and the best value so far.
    """
    trials = study.get_trials(deepcopy=False)
    distributions = {key: _merged([_distribution(trial, key) for trial in trials]) for key in searched_keys(study)}
    copy = optuna.create_study(direction=study.directions[index])
    for trial in trials:
        drawn = {key: value for key, value in trial_values(trial).items() if distributions.get(key) is not None}
        state = trial.state if trial.state.is_finished() else TrialState.FAIL  # keeps the numbers of later trials
        copy.add_trial(
            optuna.trial.create_trial(
                state=state,
                value=trial.values[index] if trial.values else None,
                params=drawn,
                distributions={key: distributions[key] for key in drawn},
                intermediate_values=trial.intermediate_values,
            )
        )
    return copy


def _distribution(trial: FrozenTrial, key: str) -> BaseDistribution | None:
    return next((distribution for name, distribution in trial.distributions.items() if name.split("|")[0] == key), None)


def _merged(distributions: list[BaseDistribution | None]) -> BaseDistribution | None:
    """The smallest distribution that includes all of them."""
    given = [distribution for distribution in distributions if distribution is not None]
    if not given:
        return None
    if isinstance(given[0], CategoricalDistribution):
        choices = dict.fromkeys(choice for distribution in given for choice in distribution.choices)
        are_numbers = all(type(choice) in (int, float) for choice in choices)
        return CategoricalDistribution(sorted(choices) if are_numbers else list(choices))
    low, high = min(distribution.low for distribution in given), max(distribution.high for distribution in given)
    kind = IntDistribution if isinstance(given[0], IntDistribution) else FloatDistribution
    return kind(low, high, log=given[0].log)

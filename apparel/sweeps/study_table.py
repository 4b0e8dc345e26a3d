"""A study as people read it: by the keys of params.yaml, with what each trial left in DVC and MLflow."""

from collections import Counter
from typing import Any

import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from apparel.sweeps.config import LATENCY
from apparel.tracking import local_runs

WORDS = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


def keys(study: Study) -> list[str]:
    """The keys of params.yaml that the study searches, in the order of its file."""
    return list(study.user_attrs["settings"]["space"])


def metrics(study: Study) -> list[str]:
    """The names of the objectives."""
    return study.metric_names or [f"objective {place}" for place in range(len(study.directions))]


def reported(study: Study) -> str:
    """The metric of val that trials report while they train: the first objective, where that is one."""
    first = metrics(study)[0]
    return "val/mAP50" if first == LATENCY else first


def label(metric: str) -> str:
    """An objective's name with its unit."""
    return f"{metric}, ms a photo" if metric == LATENCY else metric


def values(trial: FrozenTrial) -> dict[str, Any]:
    """The values that the trial set, by key of params.yaml."""
    return trial.user_attrs.get("values", {})


def best(study: Study) -> list[FrozenTrial]:
    """The best trial, or of two objectives the Pareto front, the best in the first one first.

    No other trial is better in both than one of the front. None is best while none is complete.
    """
    if not study.get_trials(deepcopy=False, states=[TrialState.COMPLETE]):
        return []
    if len(study.directions) == 1:
        return [study.best_trial]
    highest_first = study.directions[0] == StudyDirection.MAXIMIZE
    return sorted(study.best_trials, key=lambda trial: trial.values[0], reverse=highest_first)


def begun(study: Study) -> list[FrozenTrial]:
    """The trials by number, without those that wait for their first worker."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.WAITING or values(trial)]


def counts(study: Study) -> str:
    """Such as `9 complete, 5 pruned, 1 running`."""
    states = Counter(trial.state for trial in begun(study))
    return ", ".join(f"{states[state]} {word}" for state, word in WORDS.items() if states[state]) or "no trial yet"


def run(trial: FrozenTrial) -> str | None:
    """The id of the trial's run in MLflow; until that has one, the id that this clone knows it by."""
    name = trial.user_attrs.get("run")
    return name and (local_runs.mlflow_id(name) or name)


def last_value(trial: FrozenTrial) -> float | None:
    """What val gave last while it trained; None before the first time."""
    return trial.intermediate_values[trial.last_step] if trial.intermediate_values else None


def table(study: Study) -> pd.DataFrame:
    """One row a trial, by number: state, objectives, searched keys, minutes, DVC experiment, MLflow run, reason.

    A trial that has not come to its end has what val gave last, where that is an objective; `None` is nothing known.
    """
    rows = {trial.number: _row(study, trial) for trial in begun(study)}
    columns = ["state", *metrics(study), *keys(study), "minutes", "cached", "experiment", "run", "failure"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns, dtype=object).rename_axis("trial")


def _row(study: Study, trial: FrozenTrial) -> list[Any]:
    attributes, last = trial.user_attrs, {reported(study): last_value(trial)}
    reached = trial.values or [last.get(metric) for metric in metrics(study)]
    state = "best" if trial.number in {each.number for each in best(study)} else WORDS[trial.state]
    searched = [values(trial).get(key) for key in keys(study)]
    links = [attributes.get("from_cache"), attributes.get("experiment"), run(trial), attributes.get("failure")]
    return [state, *reached, *searched, _minutes(trial), *links]


def _minutes(trial: FrozenTrial) -> float | None:
    seconds = trial.user_attrs.get("seconds", {}).get("total")
    if seconds is None and trial.duration is not None:
        seconds = trial.duration.total_seconds()
    return None if seconds is None else round(seconds / 60, 1)


def of_objective(study: Study, place: int) -> Study:
    """A copy that has one of the objectives only, whose parameters have their names of params.yaml.

    So one picture has all trials: in the study itself a parameter that is drawn otherwise under a condition has
    another name there. And Optuna draws of one objective which way is better, and the best so far.
    """
    trials = study.get_trials(deepcopy=False)
    spaces = {key: _merged([_distribution(trial, key) for trial in trials]) for key in keys(study)}
    made = optuna.create_study(direction=study.directions[place])
    for trial in trials:
        chosen = {key: value for key, value in values(trial).items() if spaces.get(key) is not None}
        ended = trial.state if trial.state.is_finished() else TrialState.FAIL  # a number each, but nothing to show
        made.add_trial(
            optuna.trial.create_trial(
                state=ended,
                value=trial.values[place] if trial.values else None,
                params=chosen,
                distributions={key: spaces[key] for key in chosen},
                intermediate_values=trial.intermediate_values,
            )
        )
    return made


def _distribution(trial: FrozenTrial, key: str) -> BaseDistribution | None:
    return next((found for name, found in trial.distributions.items() if name.split("|")[0] == key), None)


def _merged(found: list[BaseDistribution | None]) -> BaseDistribution | None:
    """One that has whatever any of them has."""
    known = [each for each in found if each is not None]
    if not known:
        return None
    if isinstance(known[0], CategoricalDistribution):
        choices = dict.fromkeys(choice for each in known for choice in each.choices)
        numbers = all(type(choice) in (int, float) for choice in choices)
        return CategoricalDistribution(sorted(choices) if numbers else list(choices))
    low, high = min(each.low for each in known), max(each.high for each in known)
    kind = IntDistribution if isinstance(known[0], IntDistribution) else FloatDistribution
    return kind(low, high, log=known[0].log)

"""Optuna studies as sweeps leave them, made without a training."""

import warnings
from datetime import datetime, timedelta
from pathlib import Path

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from apparel.sweeps import storage as storages

SPACE = {
    "train.resolution": [{"when": {}, "choice": [300, 512]}],
    "train.batch_size": [
        {"when": {"train.resolution": 512}, "choice": [4, 8]},
        {"when": {}, "choice": [8, 16, 24, 32]},
    ],
    "train.learning_rate": [{"when": {}, "float": [1e-4, 1e-2], "log": True}],
}
START = {"train.resolution": 300, "train.batch_size": 16, "train.learning_rate": 0.004}
WORKER_ELSEWHERE = {"host": "elsewhere", "pid": 1, "started": 1.0}
"""A worker process of another machine."""

FAILURE = "error: no memory for <b>this</b> batch"


def empty(folder: Path) -> optuna.Study:
    """The study `tiny`, without trials, in `optuna.db` of the folder."""
    opened = storages.open_storage(f"sqlite:///{folder}/optuna.db")
    return optuna.create_study(study_name="tiny", storage=opened, direction="maximize")


def one_trial_of_ten_minutes() -> optuna.Study:
    """A study in memory with a complete trial of value 0.5."""
    study = optuna.create_study(direction="maximize")
    trial = create_trial(state=TrialState.COMPLETE, value=0.5, user_attrs={"seconds": {"total": 600}})
    trial.datetime_start = datetime(2020, 1, 1)
    trial.datetime_complete = trial.datetime_start + timedelta(minutes=10)
    study.add_trial(trial)
    return study


def make(objectives=("val/mAP50",), storage=None, name="drawn", fixed=None) -> optuna.Study:
    """Six complete trials, of which number 3 is best, one pruned, one failed, one running."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    directions = ["maximize", "minimize"][: len(objectives)]
    study = optuna.create_study(study_name=name, directions=directions, storage=storage)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    study.set_metric_names(list(objectives))
    study.set_user_attr("settings", {"study": name, "fixed": fixed or {}, "space": SPACE})
    study.set_user_attr("start", START)
    add(study, 300, 16, 0.004, 0.50)
    add(study, 300, 32, 0.001, 0.55)
    add(study, 512, 8, 0.0005, 0.60)
    add(study, 512, 4, 0.002, 0.70)
    add(study, 300, 8, 0.009, 0.40)
    add(study, 300, 24, 0.003, 0.65)
    add(study, 512, 8, 0.007, 0.20, TrialState.PRUNED)
    add(study, 300, 8, 0.005, 0.30, TrialState.FAIL, failure=FAILURE, log="one\n<script>alert(1)</script>")
    add(study, 512, 4, 0.0002, 0.33, TrialState.RUNNING)
    return study


def add(study, resolution, batch_size, rate, value, state=TrialState.COMPLETE, **attributes) -> None:
    """Adds a trial with `value` at epoch 4, or if it is not complete half of that at epoch 2."""
    large = resolution == 512
    batch = "train.batch_size|train.resolution=512" if large else "train.batch_size"
    distributions = {
        "train.resolution": CategoricalDistribution([300, 512]),
        batch: CategoricalDistribution([4, 8] if large else [8, 16, 24, 32]),
        "train.learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
    }
    number = len(study.get_trials())
    defaults = {
        "values": {"train.resolution": resolution, "train.batch_size": batch_size, "train.learning_rate": rate},
        "experiment": f"{study.study_name}-{number:03}",
        "run": f"{number:032x}",
        "seconds": {"set-up": 6.0, "training": 84.0, "total": 90.0},
    }
    is_complete = state == TrialState.COMPLETE
    study.add_trial(
        create_trial(
            state=state,
            values=[value, 80.0 if large else 30.0][: len(study.directions)] if is_complete else None,
            params={"train.resolution": resolution, batch: batch_size, "train.learning_rate": rate},
            distributions=distributions,
            intermediate_values={2: value / 2} | ({4: value} if is_complete else {}),
            user_attrs=defaults | attributes,
        )
    )


def two_objectives() -> optuna.Study:
    """The trials of `make`, each with a latency as well."""
    return make(("val/mAP50", "latency"))

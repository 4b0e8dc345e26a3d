"""What a trial reports to Optuna while it trains."""

import os

import optuna
import pytest

from apparel.sweeps import config
from apparel.sweeps.search_space import SearchSpace
from apparel.sweeps.trial_runner import TrialContext, TrialRunner
from apparel.sweeps.workspace import trial_folder
from apparel.training import trial_messages

MAP50, LATENCY, LOSS = (
    {"metric": metric, "direction": direction}
    for metric, direction in (("val/mAP50", "maximize"), ("latency", "minimize"), ("val/loss", "minimize"))
)


SPACE = {"train.learning_rate": {"choice": [0.1]}}


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")  # named objectives
@pytest.mark.parametrize(
    ("objectives", "expected"),
    [
        ([MAP50], {2: 0.25, 4: 0.5}),
        ([MAP50, LATENCY], {2: 0.25, 4: 0.5}),
        ([LATENCY, MAP50], {2: 0.25, 4: 0.5}),
        ([LATENCY], {2: 0.25, 4: 0.5}),
        ([LOSS, LATENCY], {2: 3.0, 4: 2.0}),
    ],
    ids=lambda value: " and ".join(objective["metric"] for objective in value) if isinstance(value, list) else "",
)
def test_each_validation_is_reported_to_optuna_once(objectives, expected, tmp_path):
    settings = {"study": "s", "budget": {"trials": 1}, "objectives": objectives, "space": SPACE}
    study = optuna.create_study(directions=[objective["direction"] for objective in objectives])
    study.set_metric_names([objective["metric"] for objective in objectives])
    trial = study.ask()
    trial.set_user_attr("experiment", "s-000")
    space = SearchSpace({"train.validate_every": 2}, {})
    context = TrialContext(study, config.parse_config(settings, "here"), space, tmp_path, workspace=None)
    folder = trial_folder(tmp_path, 0)
    folder.mkdir(parents=True)
    report = trial_messages.TrialReporter(
        lambda step, values: None, folder, os.getpid(), "run", lambda step: step // 10
    )
    report(10, {"val/mAP50": 0.25, "val/loss": 3.0})
    report(20, {"val/mAP50": 0.5, "val/loss": 2.0})
    for _ in range(2):  # the second time as after a restart
        TrialRunner(context, optuna.Trial(study, trial._trial_id), {}, heartbeat=None)._handle_messages()
    assert study.trials[0].intermediate_values == expected

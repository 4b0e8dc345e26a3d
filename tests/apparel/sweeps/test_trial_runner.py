"""What a trial in a worker's hands tells Optuna while it trains."""

import os
from types import SimpleNamespace

import optuna
import pytest

from apparel.sweeps import config, trial_runner
from apparel.training import trial_messages

MAP50, LATENCY, LOSS = (
    {"metric": metric, "direction": direction}
    for metric, direction in (("val/mAP50", "maximize"), ("latency", "minimize"), ("val/loss", "minimize"))
)


SPACE = {"train.learning_rate": {"choice": [0.1]}}


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")  # named objectives
@pytest.mark.parametrize(
    ("objectives", "told"),
    [
        ([MAP50], {2: 0.25, 4: 0.5}),
        ([MAP50, LATENCY], {2: 0.25, 4: 0.5}),
        ([LATENCY, MAP50], {2: 0.25, 4: 0.5}),
        ([LATENCY], {2: 0.25, 4: 0.5}),
        ([LOSS, LATENCY], {2: 3.0, 4: 2.0}),
    ],
    ids=lambda each: " and ".join(one["metric"] for one in each) if isinstance(each, list) else "",
)
def test_each_validation_is_told_once(objectives, told, tmp_path):
    chosen = config.parse({"study": "s", "budget": {"trials": 1}, "objectives": objectives, "space": SPACE}, "here")
    study = optuna.create_study(directions=[each["direction"] for each in objectives])
    study.set_metric_names([each["metric"] for each in objectives])
    trial = study.ask()
    trial.set_user_attr("experiment", "s-000")
    space = SimpleNamespace(base={"train.validate_every": 2})
    worker = SimpleNamespace(study=study, settings=chosen, space=space, folder=tmp_path)
    trial_runner.folder(tmp_path, 0).mkdir(parents=True)
    train = trial_messages.Signals(
        lambda step, values: None, trial_runner.folder(tmp_path, 0), os.getpid(), "run", lambda step: step // 10
    )
    train(10, {"val/mAP50": 0.25, "val/loss": 3.0})
    train(20, {"val/mAP50": 0.5, "val/loss": 2.0})
    for _ in range(2):  # the second time as after a restart
        trial_runner.TrialTraining(worker, optuna.Trial(study, trial._trial_id), {}, None)._hear()
    assert study.trials[0].intermediate_values == told

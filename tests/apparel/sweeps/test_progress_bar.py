"""A budget in minutes, as the plan shows it before a sweep, and the progress bar while it runs."""

from datetime import datetime, timedelta
from types import SimpleNamespace

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from apparel.sweeps.config import Budget
from apparel.sweeps.plan import Plan
from apparel.sweeps.progress_bar import ProgressBar


@pytest.fixture
def study():
    """One trial of ten minutes."""
    study = optuna.create_study(direction="maximize")
    trial = create_trial(state=TrialState.COMPLETE, value=0.5, user_attrs={"seconds": {"total": 600}})
    trial.datetime_start = datetime(2020, 1, 1)
    trial.datetime_complete = trial.datetime_start + timedelta(minutes=10)
    study.add_trial(trial)
    return study


def config(minutes):
    sampler = SimpleNamespace(kind="random")
    return SimpleNamespace(study="tiny", budget=Budget(trials=4, minutes=minutes), sampler=sampler, can_prune=False)


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(None, "running none]"), (30, "running none, new trials for 20 min]"), (9, "running none, no new trials]")],
)
def test_the_bar_shows_for_how_long_new_trials_begin(study, minutes, said, capsys):
    with ProgressBar(SimpleNamespace(trials=4, config=config(minutes)), study) as progress_bar:
        progress_bar.show(study.trials)
    assert f"best 0.5, {said}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(None, ": 30 minutes"), (41, ": 30 minutes"), (30, "new ones begin for 20"), (9, "begin for 0")],
)
def test_the_plan_counts_what_a_budget_has_left(study, minutes, said):
    plan = Plan(config(minutes), None, None, "", workers=1, study=study)
    assert plan._time().endswith(said)

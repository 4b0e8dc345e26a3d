"""The progress bar shows a budget in minutes."""

from types import SimpleNamespace

import pytest

from apparel.sweeps.config import Budget
from apparel.sweeps.progress_bar import ProgressBar
from tests.support import studies


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(None, "running none]"), (30, "running none, new trials for 20 min]"), (9, "running none, no new trials]")],
)
def test_the_bar_shows_for_how_long_new_trials_begin(minutes, expected, capsys):
    study, config = studies.one_trial_of_ten_minutes(), SimpleNamespace(study="tiny", budget=Budget(minutes=minutes))
    with ProgressBar(SimpleNamespace(trials=4, config=config), study) as progress_bar:
        progress_bar.show(study.trials)
    assert f"best 0.5, {expected}" in capsys.readouterr().err

"""Minutes until a training reached a level, from the records of its run."""

import pytest

from apparel.errors import UserError
from apparel.tracking import local_runs
from apparel.tracking.local_runs import Validation
from benchmarks import minutes


def test_the_first_validation_that_reaches_a_level_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = [Validation(60, 10, float("nan")), Validation(90, 20, 0.5), Validation(150, 30, 0.55)]
    monkeypatch.setattr(local_runs, "validations", lambda: [("six", measured)])
    assert minutes.measure().splitlines()[-1] == "| six | 1.5 | not reached | 0.550 | 2.5 | 3 |"


def test_a_clone_without_trainings_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_runs, "validations", list)
    with pytest.raises(UserError, match="run `dvc repro train`"):
        minutes.measure()

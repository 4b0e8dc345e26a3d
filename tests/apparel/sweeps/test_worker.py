"""A worker's job survives its way to the worker, and a trial is ended once."""

import json

import pytest
from optuna.trial import TrialState

from apparel.sweeps.trial_runner import TrialOutcome
from apparel.sweeps.worker import Job, tell_outcome
from tests.support import studies


@pytest.mark.parametrize("trials", [4, None])
def test_a_job_is_one_line_of_json(trials):
    job = Job("sqlite:///optuna.db", "tiny", 1, trials, None, "0" * 40)
    line = job.to_json_line()
    assert line.index(b"\n") == len(line) - 1
    assert Job(**json.loads(line)) == job


def test_a_trial_that_is_ended_twice_keeps_its_first_end(tmp_path):
    study = studies.empty(tmp_path)
    study.ask()
    (trial,) = study.get_trials()
    tell_outcome(study, trial, TrialOutcome(TrialState.COMPLETE, [0.5], {"run": "a"}))
    tell_outcome(study, trial, TrialOutcome(TrialState.COMPLETE, [0.5], {}))
    (ended,) = study.get_trials()
    assert (ended.state, ended.value, ended.user_attrs) == (TrialState.COMPLETE, 0.5, {"run": "a"})

"""The reason of a failed training in its log, and failures that repeat."""

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from apparel.sweeps import failure_log


@pytest.mark.parametrize(
    ("log", "status", "reason", "signal"),
    [
        ("error: lower it\nERROR: failed to reproduce 'train': exited with 1", 255, "error: lower it", None),
        ("Traceback\nMemoryError: x\nERROR: failed: exited with 1", 255, "MemoryError: x", None),
        (
            "tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM\nmore",
            1,
            "tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM",
            None,
        ),
        ("ERROR: failed to reproduce 'train': failed to run: x, exited with -9", 255, None, "SIGKILL"),
        ("ERROR: failed to reproduce 'train': failed to run: x, exited with 137", 255, None, "SIGKILL"),
        ("", -15, "it ended without a message", "SIGTERM"),
        ("ERROR: bad lock", 255, "ERROR: bad lock", None),
    ],
)
def test_the_reason_is_the_error_or_the_signal(log, status, reason, signal):
    assert reason is None or failure_log.failure_reason(log) == reason
    assert failure_log.killing_signal(log, status) == signal


def test_the_last_lines_have_only_the_last_state_of_a_progress_bar(tmp_path):
    (tmp_path / "log").write_text("a\n" * 50 + "train 1%\rtrain 2%\nerror: \0x\n", encoding="utf-8", newline="")
    lines = failure_log.last_lines(tmp_path / "log").splitlines()
    assert len(lines) == failure_log.LINES
    assert lines[-2:] == ["train 2%", "error: x"]


def test_the_same_failure_three_times_in_a_row():
    study = optuna.create_study(direction="maximize")

    def end(state: TrialState, failure: str = "") -> str | None:
        attributes = {"failure": failure} if failure else {}
        value = 1.0 if state == TrialState.COMPLETE else None
        study.add_trial(create_trial(state=state, value=value, user_attrs=attributes))
        return failure_log.repeated_failure(study.trials, {0})

    assert end(TrialState.FAIL, "error: no number at step 1") is None
    assert end(TrialState.FAIL, "error: no number at step 2") is None
    assert end(TrialState.COMPLETE) is None
    assert end(TrialState.FAIL, "error: no number at step 3") is None
    assert end(TrialState.FAIL, "error: no memory") is None
    assert end(TrialState.FAIL, "error: no number at step 4") is None
    assert end(TrialState.FAIL, "error: no number at step 50") is None
    assert end(TrialState.FAIL, "error: no number at step 6") == "error: no number at step 6"

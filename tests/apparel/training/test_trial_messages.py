"""Messages between a training and the worker of its trial."""

import os
import subprocess
import sys

import pytest

from apparel import errors, paths
from apparel.training import trial_messages


@pytest.fixture
def connected(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.TRIAL_FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setenv(paths.WORKER_VARIABLE, str(os.getpid()))
    return trial_messages.connect(lambda step, values: None, "run", lambda step: -(-step // 10))


def test_outside_a_sweep_the_report_is_unchanged(monkeypatch):
    monkeypatch.delenv(paths.TRIAL_FOLDER_VARIABLE, raising=False)
    report = print
    assert trial_messages.connect(report, "run", abs) is report


def test_the_worker_reads_each_validation_with_its_number(connected, tmp_path):
    for step in range(1, 20):
        connected(step, {"train/loss": 1.0})
        if step in (10, 19):
            connected(step, {"val/mAP50": 0.5, "val/loss": float("nan"), "learning_rate": 1.0})
    start, first, last = trial_messages.read_messages(tmp_path)
    assert start == {"run": "run", "began": 0}
    assert (first["validation"], first["val/mAP50"], last["validation"], last["step"]) == (1, 0.5, 2, 19)
    assert "learning_rate" not in first


def test_a_line_cut_short_by_a_kill_leaves_the_others_readable(connected, tmp_path):
    with (tmp_path / "reports.jsonl").open("ab") as file:
        file.write(b'{"step": 1')
    assert trial_messages.read_messages(tmp_path) == []
    connected(11, {"train/loss": 1.0})
    assert trial_messages.read_messages(tmp_path) == [{"run": "run", "began": 10}]


def test_a_requested_stop_prunes_the_training_at_its_next_step(connected, tmp_path):
    connected(1, {})
    trial_messages.request_stop(tmp_path)
    with pytest.raises(errors.Pruned, match="pruned at step 2"):
        connected(2, {})


def test_a_training_ends_without_its_worker(connected, monkeypatch, tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    monkeypatch.setenv(paths.WORKER_VARIABLE, str(ended.pid))
    with pytest.raises(errors.UserError, match="worker of this trial is gone"):
        trial_messages.connect(lambda step, values: None, "run", lambda step: -(-step // 10))(1, {})

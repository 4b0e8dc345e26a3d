"""What a training and its worker tell each other, and what a worker reads from a log."""

import os
import subprocess
import sys

import pytest

from apparel import errors, paths
from apparel.sweeps import failure_log
from apparel.training import trial_messages
from apparel.utils import processes


@pytest.fixture
def connected(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.TRIAL_FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setenv(paths.WORKER_VARIABLE, str(os.getpid()))
    return trial_messages.connect(lambda step, values: None, "run", lambda step: -(-step // 10))


def test_outside_a_sweep_nothing_changes(monkeypatch):
    monkeypatch.delenv(paths.TRIAL_FOLDER_VARIABLE, raising=False)
    report = print
    assert trial_messages.connect(report, "run", abs) is report


def test_the_worker_reads_each_validation_with_its_number(connected, tmp_path):
    for step in range(1, 20):
        connected(step, {"train/loss": 1.0})
        if step in (10, 19):
            connected(step, {"val/mAP50": 0.5, "val/loss": float("nan"), "learning_rate": 1.0})
    began, first, last = trial_messages.read(tmp_path)
    assert began == {"run": "run", "began": 0}
    assert (first["validation"], first["val/mAP50"], last["validation"], last["step"]) == (1, 0.5, 2, 19)
    assert "learning_rate" not in first


def test_a_line_cut_short_by_a_kill_hurts_no_other(connected, tmp_path):
    with (tmp_path / "reports.jsonl").open("ab") as file:
        file.write(b'{"step": 1')
    assert trial_messages.read(tmp_path) == []
    connected(11, {"train/loss": 1.0})
    assert trial_messages.read(tmp_path) == [{"run": "run", "began": 10}]


def test_told_to_stop_it_is_pruned_at_the_next_step(connected, tmp_path):
    connected(1, {})
    trial_messages.stop(tmp_path)
    with pytest.raises(errors.Pruned, match="pruned at step 2"):
        connected(2, {})


def test_without_its_worker_a_training_ends(connected, monkeypatch, tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    monkeypatch.setenv(paths.WORKER_VARIABLE, str(ended.pid))
    with pytest.raises(errors.UserError, match="worker of this trial is gone"):
        trial_messages.connect(lambda step, values: None, "run", lambda step: -(-step // 10))(1, {})


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
        ("", -15, "it ended without a word", "SIGTERM"),
        ("ERROR: bad lock", 255, "ERROR: bad lock", None),
    ],
)
def test_why_a_training_ended(log, status, reason, signal):
    assert reason is None or failure_log.reason(log) == reason
    assert failure_log.signal_of(log, status) == signal


def test_the_last_lines_have_no_remains_of_a_progress_bar(tmp_path):
    (tmp_path / "log").write_text("a\n" * 50 + "train 1%\rtrain 2%\nerror: \0x\n", encoding="utf-8", newline="")
    lines = failure_log.last_lines(tmp_path / "log").splitlines()
    assert len(lines) == failure_log.LINES
    assert lines[-2:] == ["train 2%", "error: x"]


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_a_process_is_ended_with_what_it_started_also_when_it_is_dead_itself():
    code = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)']); "
    for rest in ("print(flush=True); time.sleep(99)", "print(flush=True)"):
        process = processes.start([sys.executable, "-c", code + rest], stdout=subprocess.PIPE)
        known = processes.describe(process.pid)
        process.stdout.readline()
        if "sleep" not in rest:
            process.wait()
        processes.end(known)
        assert process.wait() == (-9 if "sleep" in rest else 0), "its exit status is still to be had"
        assert not processes.is_alive(known)
        assert not processes._left(known)
        process.stdout.close()

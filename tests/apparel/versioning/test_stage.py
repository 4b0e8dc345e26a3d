"""Two processes that run one stage: the second is refused, and a killed one holds nothing. Signals end it in order."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from apparel.errors import UserError
from apparel.versioning.stage import stage
from tests.support.repository import ROOT

HOLD = """
from apparel.versioning.stage import stage
with stage("convert"):
    print("held", flush=True)
    input()
"""

NO_NOHUP = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
"""For a child of tests that nohup runs, and that ignore SIGHUP."""

WORK = """
import time
from apparel import errors
from apparel.versioning.stage import stage
@stage("train")
def main():
    try:
        print("works", flush=True)
        time.sleep(600)
    except BaseException as error:
        time.sleep(1)  # as MLflow is told
        print(type(error).__name__, error, flush=True)
        raise
errors.run(main)
"""


def test_another_process_is_refused_until_it_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = [sys.executable, "-c", HOLD]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="the stage convert is running already"), stage("convert"):
            pass
        with stage("split"):  # another one is free
            pass
    finally:
        holder.kill()
        holder.communicate()
    with stage("convert"):
        pass


def test_as_a_decorator_it_locks_each_call_and_unlocks_after_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    @stage("eval")
    def work(divisor: int) -> float:
        with pytest.raises(UserError, match="running already"):
            work(1)
        return 1 / divisor

    work(1)
    with pytest.raises(ZeroDivisionError):
        work(0)
    work(2)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "reason"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "terminal")])
def test_a_signal_ends_a_stage_in_order_and_a_second_one_does_not_disturb_that(
    tmp_path: Path, number: signal.Signals, reason: str
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{NO_NOHUP}{WORK}"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "works\n"
    process.send_signal(number)
    time.sleep(0.5)
    process.send_signal(number)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert printed.startswith("Stopped ") and reason in printed
    assert reason in errors and "Traceback" not in errors

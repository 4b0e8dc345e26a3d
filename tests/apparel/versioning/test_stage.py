"""Two processes that run one stage: the second is refused, and a killed one holds nothing."""

import subprocess
import sys
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

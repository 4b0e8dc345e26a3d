"""Ten thousand hostile inputs of each kind, in a process whose memory is measured. Takes half an hour."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.repository import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads memory as Linux counts it")]

MEMORY = 1_500_000
"""Kilobytes at most, ever: a photo of as many pixels as are allowed takes two thirds of it, with an alpha channel."""


@pytest.mark.parametrize("kind", ["annotations", "sources"])
def test_ten_thousand_hostile_inputs_of_each_kind(tmp_path: Path, kind: str) -> None:
    tests = f"tests/fuzzing/test_hostile_{kind}.py"
    command = [sys.executable, "-m", "pytest", "-q", "-n0", f"--basetemp={tmp_path / 'base'}", tests]
    with (tmp_path / "log").open("wb") as log:
        child = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"FUZZ_CASES": "10000"}, stdout=log, stderr=log)
        _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, (tmp_path / "log").read_text()
    print(f"peak memory {used.ru_maxrss / 1000:.0f} MB")
    assert used.ru_maxrss < MEMORY

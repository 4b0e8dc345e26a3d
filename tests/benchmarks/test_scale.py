import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from apparel.errors import UserError
from benchmarks import scale
from tests.support.repository import ROOT


def test_the_exponent_is_one_where_time_is_in_proportion():
    first, second = scale.Run("split", 100, 2.0, 3.0, 0), scale.Run("split", 1000, 20.0, 300.0, 0)
    assert scale.exponent(first, second) == pytest.approx(1)
    assert scale.exponent(first, second, processor=True) == pytest.approx(2)


@pytest.mark.slow
def test_convert_and_a_project_that_does_nothing_are_measured_at_two_sizes():
    lines = scale.measure([60, 30], ["convert", "dvc"]).splitlines()
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith(("| convert", "| dvc"))
    ]
    assert [row[:2] for row in rows] == [["convert", "30"], ["convert", "60"], ["dvc", "30"], ["dvc", "60"]]
    assert all(float(row[2]) > 0 and float(row[6]) > 10 for row in rows)
    assert [bool(row[3]) for row in rows] == [False, True, False, True]


@pytest.mark.slow
def test_a_stage_that_fails_is_told_with_its_message():
    with pytest.raises(UserError, match=r"split failed: .*data/results/convert not found"):
        scale.measure([3], ["split"])


def test_a_stage_is_measured_without_its_guard(tmp_path, monkeypatch):
    """It works for a second, and has a child of 100 MB; this process has more."""
    (tmp_path / "dvc.yaml").touch()
    child = "import time; held = b'1' * 10**8; time.sleep(1.5)"
    work = "import time\nwhile time.process_time() < 1: pass"
    program = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])\n{work}"
    monkeypatch.setitem(scale.STAGES, "work", ["-c", program])
    run = scale._run("work", 1, tmp_path, Path("model"))
    assert 1 <= run.processor < 1.5 and run.seconds > 2.5
    assert 1e8 < run.largest < 1.5e8 and run.largest < run.memory < 1.5e8


def test_a_stage_ends_with_a_benchmark_that_is_killed(tmp_path):
    (tmp_path / "dvc.yaml").touch()
    program = "from pathlib import Path; from benchmarks import scale; "
    program += "scale.STAGES['sleep'] = ['-c', 'import time; time.sleep(99)']; "
    program += f"scale._run('sleep', 1, Path({str(tmp_path)!r}), Path('model'))"
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT) as benchmark:
        until, sleeping = time.monotonic() + 60, []
        while not sleeping and time.monotonic() < until:
            time.sleep(0.1)
            family = psutil.Process(benchmark.pid).children(recursive=True)
            sleeping = [process for process in family if process.cmdline()[1:2] == ["-c"]]
        benchmark.kill()
    assert sleeping and not psutil.wait_procs(sleeping, timeout=20)[1]

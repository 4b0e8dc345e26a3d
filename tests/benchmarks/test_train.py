import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from apparel import params
from apparel.errors import UserError
from apparel.utils import processes
from benchmarks import train
from tests.support import project_copy, tiny_detector
from tests.support.repository import ROOT
from tests.support.servers import wait_for

SMALL = {"resolution": tiny_detector.SIDE, "depth_multiplier": 0.25, "batch_size": 2, "checkpoint": "none"}


def small_project(tmp_path: Path, **values: object) -> Path:
    folder = project_copy.copy(tmp_path)
    project_copy.set_params(folder / "params.yaml", train=SMALL | values)
    tiny_detector.records(folder)
    return folder


def test_what_the_api_has_not_is_said():
    shipped = params.load(ROOT / "params.yaml").train
    assert "API" not in train.work_of(shipped)
    changed = shipped.model_copy(update={"freeze": "early", "mosaic": 0.5, "moving_average": 0.998})
    assert train.work_of(changed).endswith("moving averages 0.998; the API has no freeze: early, mosaic: 0.5")


PARENT = """
import sys, time
from pathlib import Path
from benchmarks import train
with train.started("train", Path(sys.argv[1]), train.AS_IN_THE_STAGE):
    time.sleep(600)
"""

BUSY = """
import sys, time
for line in sys.stdin:
    until = time.process_time() + 0.3 * int(line)
    while time.process_time() < until:
        pass
    print("steps done", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="named pipes")
def test_a_training_ends_with_the_benchmark_that_is_killed_while_it_starts(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train.json")  # the training waits for what it reads first
    command = [sys.executable, "-c", PARENT, str(tmp_path / "pipeline.config")]
    with subprocess.Popen(command, cwd=ROOT) as parent:
        wait_for(lambda: len(psutil.Process(parent.pid).children(recursive=True)) >= 2)  # the training and its guard
        family = psutil.Process(parent.pid).children(recursive=True)
        parent.kill()
    assert not psutil.wait_procs(family, timeout=60)[1]


def test_processor_seconds_are_those_of_the_training() -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with processes.guarded([sys.executable, "-c", BUSY], **pipes) as guard:
        process = train.Process(guard)
        process.run(1)
        wall, busy = process.run(2)
    assert 0.5 < busy < 0.8
    assert wall >= 0.6


def test_a_training_that_has_ended_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the training ended early"), train.started("nothing", tmp_path) as process:
        process._guard.wait()
        process.run(1)


@pytest.mark.slow
def test_a_training_is_timed_beside_the_loop_of_the_api(tmp_path: Path) -> None:
    folder = small_project(tmp_path, mosaic=0.5, moving_average=0.9)
    done = project_copy.run(folder, "benchmarks", "train", "train_params", "--steps", "1", "--rounds", "1")
    assert done.returncode == 0, done.stdout
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines() if line.startswith("| training")]
    assert rows == [
        name + part
        for name in ("training, all layers learn", "training, params.yaml")
        for part in ("", ": processor seconds of 1 steps", ": start to first step")
    ]
    assert "the API has no mosaic: 0.5" in done.stdout


@pytest.mark.slow
def test_a_training_is_timed_beside_those_without_one_of_its_costs(tmp_path: Path) -> None:
    folder = small_project(tmp_path)
    done = project_copy.run(folder, "benchmarks", "train_costs", "--steps", "1", "--rounds", "1")
    assert done.returncode == 0, done.stdout
    beside = [
        line.split("|")[3].partition(": ")[2] for line in done.stdout.splitlines() if line.startswith("| training")
    ]
    assert len(beside) == len(train.COSTS)
    assert not (folder / ".apparel/training").exists()


def test_cores_that_were_busy_are_processor_seconds_by_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train.psutil, "cpu_count", lambda: 4)
    assert train._cores([2.0, 1.0, 4.0], [5.0, 3.0, 4.0]) == "2.50 of 4"

from pathlib import Path

import pytest

from apparel import params
from benchmarks import train
from tests.support import project_copy, tiny_detector
from tests.support.repository import ROOT

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

"""A pipeline that is killed, run twice at once, or run again by force ends with the same bytes.

Takes a quarter of an hour: `make test-all`, or `python -m pytest -m "" tests/end_to_end/test_survival.py`.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.test_pipeline import PHOTOS, SETTINGS
from tests.support import project_copy

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="kills a process group")]

STAGES = ["convert", "split", "tfrecord", "train", "eval"]
FORGOTTEN = "cmd: forgotten\n"
KILLS = 4
"""Of each stage; twenty in all."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small copy of the project after one undisturbed `dvc repro`."""
    folder = _small(tmp_path_factory.mktemp("survival"))
    done = project_copy.run(folder, "dvc", "repro")
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture
def lock(ran: Path) -> bytes:
    """What dvc.lock has to hold at the end of each test as at its beginning."""
    return (ran / "dvc.lock").read_bytes()


def _small(folder: Path) -> Path:
    project_copy.copy(folder)
    project_copy.set_params(folder / "params.yaml", **SETTINGS)
    project_copy.set_params(folder / "data" / "demo" / "params.yaml", draw=PHOTOS)
    return folder


def _start(folder: Path, *arguments: str) -> subprocess.Popen:
    """`dvc ARGUMENTS` in a process group of its own; what it prints goes to the file `log`."""
    environment = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    command = [sys.executable, "-m", "dvc", *arguments]
    options = {"cwd": folder, "env": environment, "stdin": subprocess.DEVNULL, "start_new_session": True}
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, **options)


def _wait(process: subprocess.Popen, reached: Callable[[], object]) -> bool:
    """Whether the process still runs when that is reached."""
    while process.poll() is None and not reached():
        time.sleep(0.02)
    return process.poll() is None


def _says(folder: Path, text: str) -> Callable[[], bool]:
    return lambda: text in (folder / "log").read_text(encoding="utf-8", errors="replace")


def _kill(process: subprocess.Popen) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def forget(folder: Path, stage: str) -> None:
    """Makes DVC run that stage: it has another command in the lock, and no earlier run to take its outputs from."""
    shutil.rmtree(folder / ".dvc" / "cache" / "runs")
    lock = folder / "dvc.lock"
    lock.write_text(lock.read_text().replace(f"cmd: python -m stages.{stage}\n", FORGOTTEN))


def _finish(folder: Path, lock: bytes, stage: str) -> str:
    """The next `dvc repro` makes that stage, unless DVC had recorded it already, and all is as it was."""
    project_copy.wait_for_guards(folder)
    recorded = FORGOTTEN not in (folder / "dvc.lock").read_text()
    done = project_copy.run(folder, "dvc", "repro")
    assert done.returncode == 0, done.stdout
    made = (f"> python -m stages.{stage}", f"Stage '{stage}' is cached")
    assert recorded or any(said in done.stdout for said in made), done.stdout
    assert (folder / "dvc.lock").read_bytes() == lock
    return done.stdout


@pytest.mark.parametrize("stage", STAGES)
def test_killed_at_any_moment_the_next_repro_ends_with_the_same_lock(ran: Path, lock: bytes, stage: str) -> None:
    moments = random.Random(stage)
    forget(ran, stage)
    process, began = _start(ran, "repro", "--single-item", stage), None
    assert _wait(process, _says(ran, f"> python -m stages.{stage}"))
    began = time.monotonic()
    assert process.wait() == 0
    seconds, killed = time.monotonic() - began, 0
    while killed < KILLS:
        forget(ran, stage)
        process = _start(ran, "repro", "--single-item", stage)
        assert _wait(process, _says(ran, f"> python -m stages.{stage}"))
        moment = time.monotonic() + moments.uniform(0, seconds)
        if not _wait(process, lambda moment=moment: time.monotonic() > moment):
            continue  # it was faster than before
        _kill(process)
        killed += 1
        _finish(ran, lock, stage)


def test_a_killed_training_goes_on_from_its_last_checkpoint(ran: Path, lock: bytes) -> None:
    forget(ran, "train")
    process = _start(ran, "repro")
    assert _wait(process, lambda: any(ran.glob(".apparel/training/*/latest/ckpt-*.index")))
    _kill(process)
    said = _finish(ran, lock, "train")
    assert "> python -m stages.train" in said
    assert "resuming from step" in said
    assert not list((ran / ".apparel" / "training").glob("*/"))


def test_a_training_beside_which_params_were_edited_is_taken_up_at_once_with_the_values_back(
    ran: Path, lock: bytes
) -> None:
    forget(ran, "train")
    before, params = (ran / "dvc.lock").read_bytes(), (ran / "params.yaml").read_bytes()
    process = _start(ran, "repro", "train")
    assert _wait(process, lambda: any(ran.glob(".apparel/training/*/latest/ckpt-*.index")))
    project_copy.set_params(ran / "params.yaml", train={"learning_rate": 0.4})
    assert process.wait() != 0
    assert _says(ran, "train.learning_rate from 0.004 to 0.4 (params.yaml)")()
    assert (ran / "dvc.lock").read_bytes() == before
    assert not list((ran / ".dvc" / "cache").glob("runs/*/*/*"))
    (ran / "params.yaml").write_bytes(params)
    steps = SETTINGS["train"]["steps"]
    assert f"resuming from step {steps} of {steps}" in _finish(ran, lock, "train")
    assert not list((ran / ".apparel" / "training").glob("*/"))


def test_a_killed_drawing_of_the_photos_is_done_again(ran: Path, lock: bytes, tmp_path: Path) -> None:
    folder = _small(tmp_path)
    process = _start(folder, "repro", "tfrecord")
    assert _wait(process, lambda: any(folder.glob("data/demo/photos/*")))
    _kill(process)
    assert project_copy.run(folder, "dvc", "repro", "tfrecord").returncode == 0
    assert lock.startswith((folder / "dvc.lock").read_bytes())


def test_a_second_repro_is_refused_and_nothing_is_mixed(ran: Path, lock: bytes) -> None:
    forget(ran, "tfrecord")
    first = _start(ran, "repro", "--force")
    assert _wait(first, _says(ran, "> python -m stages.tfrecord"))
    with project_copy.held(first):
        second = project_copy.run(ran, "dvc", "repro")
    assert first.wait() == 0
    assert second.returncode
    assert "Traceback" not in second.stdout
    assert "lock" in second.stdout or "is busy" in second.stdout
    assert (ran / "dvc.lock").read_bytes() == lock
    assert "Data and pipelines are up to date" in project_copy.run(ran, "dvc", "repro").stdout


def test_a_stage_run_by_hand_beside_a_repro_is_refused(ran: Path, lock: bytes) -> None:
    forget(ran, "train")
    repro = _start(ran, "repro")
    assert _wait(repro, lambda: any(ran.glob(".apparel/training/*/latest/ckpt-*.index")))
    with project_copy.held(repro):
        by_hand = project_copy.run(ran, "stages.train")
    assert by_hand.returncode == 1
    assert by_hand.stdout.splitlines()[-1].startswith("error: the stage train is running already in this folder")
    assert repro.wait() == 0
    assert (ran / "dvc.lock").read_bytes() == lock


def test_a_forced_rerun_gives_the_same_lock(ran: Path, lock: bytes) -> None:
    assert project_copy.run(ran, "dvc", "repro", "--force").returncode == 0
    assert (ran / "dvc.lock").read_bytes() == lock

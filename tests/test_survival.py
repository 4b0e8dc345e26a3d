"""A pipeline that is killed, or run again by force, ends with the same bytes. Takes minutes: `make test-all`."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests import project
from tests.test_pipeline import PHOTOS, SETTINGS

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="kills a process group")]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A small copy of the project after one `dvc repro`, and its lock."""
    folder = project.copy(tmp_path_factory.mktemp("undisturbed"))
    _shrink(folder)
    assert project.run(folder, "dvc", "repro").returncode == 0
    return folder, _outputs(folder)


def _shrink(folder: Path) -> None:
    project.set_params(folder / "params.yaml", **SETTINGS)
    project.set_params(folder / "data" / "demo" / "params.yaml", draw=PHOTOS)


def _outputs(folder: Path) -> dict:
    """The hash of every output of every stage."""
    stages = YAML(typ="safe").load(folder / "dvc.lock")["stages"]
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage["outs"]}


def _kill_once(folder: Path, pattern: str) -> None:
    """Starts `dvc repro` and kills it with all its children as soon as a file of that pattern is there."""
    environment = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    command = [sys.executable, "-m", "dvc", "repro"]
    with (folder / "killed.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        while process.poll() is None and not any(folder.glob(pattern)):
            time.sleep(0.05)
        assert process.poll() is None, "it ended before it could be killed"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_forced_rerun_gives_the_same_lock(undisturbed: tuple[Path, dict]) -> None:
    folder, _ = undisturbed
    lock = (folder / "dvc.lock").read_bytes()
    assert project.run(folder, "dvc", "repro", "--force").returncode == 0
    assert (folder / "dvc.lock").read_bytes() == lock


def test_a_killed_training_goes_on_and_ends_as_the_undisturbed_one(
    undisturbed: tuple[Path, dict], tmp_path: Path
) -> None:
    folder = project.copy(tmp_path / "killed")
    _shrink(folder)
    _kill_once(folder, ".apparel/training/*/latest/ckpt-*.index")
    done = project.run(folder, "dvc", "repro")
    assert done.returncode == 0, done.stdout
    assert "going on from step" in done.stdout
    assert _outputs(folder) == undisturbed[1]
    assert not list((folder / ".apparel" / "training").glob("*/"))


@pytest.mark.parametrize("pattern", ["data/demo/photos/*", "data/results/convert*", "data/results/tfrecord*/*"])
def test_a_killed_stage_is_done_again_whole(undisturbed: tuple[Path, dict], tmp_path: Path, pattern: str) -> None:
    folder = project.copy(tmp_path / "killed")
    _shrink(folder)
    _kill_once(folder, pattern)
    assert project.run(folder, "dvc", "repro", "tfrecord").returncode == 0
    made = _outputs(folder)
    assert made == {path: md5 for path, md5 in undisturbed[1].items() if path in made}
    assert "data/results/tfrecord" in made

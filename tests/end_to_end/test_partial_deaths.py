"""A signal to `dvc repro` alone, or to its stage alone: no orphan goes on, and the next `dvc repro` ends in one run."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from apparel.tracking.outbox import Outbox
from apparel.utils import files, processes
from tests.apparel.versioning.test_stage import NO_NOHUP
from tests.support import fast_project, project_copy

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")]

TRAIN = """
import os
import time
from pathlib import Path

from apparel import errors, params, paths
from apparel.tracking import runs
from apparel.utils import files
from apparel.versioning.stage import stage


@stage("train")
def main() -> None:
    config = params.load()
    with runs.open_run(config, f"seed{config.train.seed}") as run:
        files.write_text(Path("pid"), str(os.getpid()))
        while not Path("go").exists():
            time.sleep(0.05)
        files.write_text(paths.MODEL / "weights.txt", f"{config.train.seed}")
        files.write_text(paths.HISTORY, "epoch,train/loss,val/loss,val/mAP50\\n1,1.0,1.0,0.5\\n")
        files.write_json(paths.VAL_METRICS, {"val": {"mAP50": 0.5}})


if __name__ == "__main__":
    errors.run(main)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that ran as far as tfrecord, and whose training waits for a file `go`."""
    folder = fast_project.copy(tmp_path_factory.mktemp("deaths"))
    files.write_text(folder / "stages" / "train.py", TRAIN)
    done = project_copy.run(folder, "dvc", "repro", "tfrecord")
    assert done.returncode == 0, done.stdout
    return folder


@pytest.mark.parametrize(
    ("victim", "number", "failure"),
    [
        ("dvc", signal.SIGTERM, "DVC ended before its stage"),
        ("dvc", signal.SIGKILL, "DVC ended before its stage"),
        ("dvc", signal.SIGHUP, "DVC ended before its stage"),
        ("stage", signal.SIGTERM, "SIGTERM"),
        ("stage", signal.SIGKILL, None),
        ("both", signal.SIGHUP, "terminal"),
    ],
)
def test_the_stage_ends_and_the_next_repro_finishes_the_same_run(
    project: Path, victim: str, number: signal.Signals, failure: str | None
) -> None:
    seed = 10 * number + len(victim)
    project_copy.set_params(project / "params.yaml", train={"seed": seed})
    for name in ("go", "pid"):
        (project / name).unlink(missing_ok=True)
    earlier = set(_runs(project))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "DVC_"))}
    dvc = subprocess.Popen(
        [sys.executable, "-c", f"{NO_NOHUP}import dvc.cli, sys; sys.exit(dvc.cli.main(['repro', 'train']))"],
        cwd=project,
        env=processes.with_this_python(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not (project / "pid").exists():
        assert dvc.poll() is None
        time.sleep(0.05)
    stage = psutil.Process(int((project / "pid").read_text()))
    time.sleep(1)  # until the guard has started
    if victim == "both":
        os.killpg(dvc.pid, number)
    else:
        os.kill(dvc.pid if victim == "dvc" else stage.pid, number)
    assert dvc.wait(timeout=120) != 0
    psutil.wait_procs([stage], timeout=120)
    assert not stage.is_running()
    project_copy.wait_for_guards(project)
    (run,) = set(_runs(project)) - earlier
    if failure:  # one that is killed says nothing
        assert _values(run, "status")[-1] == "FAILED"
        assert failure in _values(run, "failure")[-1]
    (project / "go").touch()
    again = project_copy.run(project, "dvc", "repro", "train")
    assert again.returncode == 0, again.stdout
    assert set(_runs(project)) - earlier == {run}
    assert _values(run, "status")[-1] == "FINISHED"


def _runs(folder: Path) -> list[Path]:
    return list((folder / ".apparel" / "runs").glob("*/"))


def _values(run: Path, name: str) -> list[str]:
    return [line.values[name] for line in Outbox(run).lines() if name in line.values]

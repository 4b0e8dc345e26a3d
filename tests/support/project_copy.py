"""A copy of this project in a folder of its own, for tests that run it for real."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from ruamel.yaml import YAML

from tests.support.repository import ROOT

SHIPPED_DATA = (
    "data/demo/dvc.yaml",
    "data/demo/params.yaml",
    "data/pretrained/none/",
    "data/pretrained/efficientnet_lite",
    "data/unlabelled/none/",
)
"""What the project itself has under data/; all else there is results or somebody's data set."""


def copy(folder: Path, project: Path = ROOT) -> Path:
    """The project as it is now, uncommitted work included, committed to a git repository of its own.

    Results and imported data sets stay behind, so that a test finds the same whatever was run in the clone.
    """
    listed = git(project, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, listed):
        if is_source(name) and (project / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(project / name, folder / name)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    commit = ("-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "--quiet", "--message", "copy")
    git(folder, *commit)
    return folder


def is_source(name: str) -> bool:
    """Whether a file of the project is neither a result nor imported data; `name` is its path, by `/`."""
    return name.startswith(SHIPPED_DATA) if name.startswith("data/") else name != "dvc.lock"


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, encoding="utf-8", check=True)
    return done.stdout


def run(folder: Path, *arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    """`python -m ARGUMENTS` in the copy, with this interpreter as `python` and nothing of the caller's own stores.

    `given` are further environment variables.
    """
    return python(folder, "-m", *arguments, environment=environment("OPTUNA_") | given)


def environment(*outside: str) -> dict[str, str]:
    """The environment with this interpreter as `python`, without MLflow's, DVC's and further variables, by prefix."""
    removed = ("MLFLOW_", "DVC_", *outside)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(removed)}
    return kept | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), kept["PATH"]])}


def python(folder: Path, *arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """This interpreter in a folder: exit status, and what it prints."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=False,
    )


def sync(folder: Path) -> None:
    """Sends to MLflow what the stages of the copy had no time for on a busy machine; waits for senders at work."""
    for _ in range(60):
        done = run(folder, "apparel", "sync")
        if done.returncode == 0:
            return
        time.sleep(1)
    raise AssertionError(done.stdout)


def wait_for_guards(folder: Path) -> None:
    """Waits until the guards of DVC in the copy have ended, see `apparel/versioning/dvc_guard.py`."""
    guards = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if "apparel.versioning.dvc_guard" in process.cmdline() and process.cwd() == str(folder):
                guards.append(process)
    psutil.wait_procs(guards, timeout=60)


@contextmanager
def held(process: subprocess.Popen) -> Iterator[None]:
    """A process group, given by its first process, stands still meanwhile, with all that it has locked."""
    os.killpg(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGCONT)


def set_params(path: Path, **sections: dict) -> None:
    """Changes values of a params file: `set_params(path, train={"steps": 10})`."""
    yaml = YAML()
    values = yaml.load(path)
    for section, changes in sections.items():
        values[section].update(changes)
    yaml.dump(values, path)

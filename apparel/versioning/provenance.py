"""Where a result comes from: the code, the data as DVC knows it, the packages and the machine."""

import getpass
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from apparel import paths
from apparel.errors import UserError
from apparel.params import Params
from apparel.utils import yaml
from apparel.versioning import git

PACKAGES = (
    "tensorflow", "tf_keras", "tf-object-detection-api", "numpy", "pandas", "pillow", "dvc", "mlflow",
)  # fmt: skip
"""Those whose version can change a number."""

MADE = (":(exclude,glob)**/dvc.lock", f":(exclude){paths.RESULTS.as_posix()}")
"""What a pipeline writes while it runs: tracked, but no sign of edited code."""


def tags(params: Params) -> dict[str, str]:
    """All of it as flat names and values."""
    digests = {path: known["md5"] for path, known in data(params).items()}
    return source() | code() | digests | packages() | machine() | experiment()


def source() -> dict[str, str]:
    """Who ran which script, under the names that MLflow shows them by."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without a name
        user = "unknown"
    return {"mlflow.user": user, "mlflow.source.type": "LOCAL", "mlflow.source.name": Path(sys.argv[0]).name}


def code() -> dict[str, str]:
    """The git commit, and whether tracked files differ from it; nothing outside a git repository."""
    commit, changes = _git("rev-parse", "HEAD"), patch()
    if not commit:
        return {}
    dirty = "unknown" if changes is None else str(bool(changes)).lower()
    return {"mlflow.source.git.commit": commit.decode().strip(), "git.dirty": dirty}


def patch() -> bytes | None:
    """What differs from the git commit in tracked files, as `git apply` takes it; empty when nothing does, None when
    git cannot tell. The user's own settings of how differences are shown are overruled."""
    plain = ("--binary", "--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/")
    return _git("diff", *plain, "HEAD", "--", ".", *MADE)


def data(params: Params) -> dict[str, dict[str, Any]]:
    """What DVC has on the run's inputs, by path: `md5`, and `size` in bytes and `nfiles` where it says so.

    Taken from dvc.lock, which DVC writes after each stage, and from .dvc files, which win.
    """
    name = params.data.name
    checkpoint = paths.PRETRAINED / params.train.checkpoint
    inputs = [paths.photos(name), paths.annotations(name), paths.lists(name), checkpoint, paths.TFRECORD]
    stages = (_yaml(Path("dvc.lock")).get("stages") or {}).values()
    # What was made now counts, not what later stages, which have yet to run again, read the last time.
    known = {entry["path"]: entry for side in ("deps", "outs") for stage in stages for entry in stage.get(side, [])}
    found = {}
    for path in inputs:
        tracked = _yaml(path.with_name(path.name + ".dvc")).get("outs") or [known.get(path.as_posix(), {})]
        if "md5" in tracked[0]:
            found[path.as_posix()] = {key: tracked[0][key] for key in ("md5", "size", "nfiles") if key in tracked[0]}
    return found


def packages() -> dict[str, str]:
    """Versions of Python and of the packages that matter."""
    versions = {"version.python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[f"version.{package}"] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def machine() -> dict[str, str]:
    """Processor, number of cores, operating system."""
    return {"machine.cpu": _cpu(), "machine.cores": str(os.cpu_count()), "machine.os": platform.platform()}


def experiment() -> dict[str, str]:
    """The DVC experiment that this process runs in, when it does, and the trial of a sweep that it is."""
    return _environment({"dvc.experiment": "DVC_EXP_NAME", "dvc.baseline": "DVC_EXP_BASELINE_REV"}) | trial()


def trial() -> dict[str, str]:
    """The study and the number of the trial that this process trains for, when it does."""
    return _environment({"optuna.study": paths.STUDY_VARIABLE, "optuna.trial": paths.TRIAL_VARIABLE})


def _environment(names: dict[str, str]) -> dict[str, str]:
    return {tag: os.environ[variable] for tag, variable in names.items() if os.environ.get(variable)}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _git(*arguments: str) -> bytes | None:
    try:
        done = git.run(*arguments, timeout=60)
    except (UserError, OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None  # not 0: no repository, or no commit yet


def _yaml(path: Path) -> dict[str, Any]:
    """What one of DVC's own files says; nothing where it is missing or damaged."""
    try:
        return yaml.load(path) or {}
    except (UserError, OSError):
        return {}

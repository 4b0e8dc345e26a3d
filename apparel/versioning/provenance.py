"""Provenance of a run: the code, the data as DVC recorded it, the packages and the machine, as tags."""

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
"""Packages whose version can change a result."""

WRITTEN_BY_STAGES = (":(exclude,glob)**/dvc.lock", f":(exclude){paths.RESULTS.as_posix()}")
"""Patterns of git for what a running pipeline writes: a change there is no edit of the code."""

ACCESS = ":(exclude).dvc/config"
"""Pattern of git for what changes no result and may hold the password of a DVC remote; the patch goes to MLflow."""

COMMIT = "run `git init`, `git add .` and `git commit`"
"""Remedy where no commit has the project; `git init` leaves an existing repository as it is."""

DIFFERENCE = (
    "diff", "--binary", "--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/", "HEAD",
    "--", ".", *WRITTEN_BY_STAGES, ACCESS,
)  # fmt: skip
"""Arguments of git for the changes of the code; the options overrule the user's own settings."""


def tags(params: Params) -> dict[str, str]:
    """The whole provenance as names and values."""
    digests = {path: entry["md5"] for path, entry in data(params).items()}
    return source() | code() | digests | packages() | machine() | experiment()


def source() -> dict[str, str]:
    """The user and the script, under the names by which MLflow shows them."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without a name
        user = "unknown"
    return {"mlflow.user": user, "mlflow.source.type": "LOCAL", "mlflow.source.name": Path(sys.argv[0]).name}


def code() -> dict[str, str]:
    """The git commit, and whether tracked files differ from it; where git tells only a part, `git.gap` is `gap`."""
    why = gap()
    unknown = {"git.gap": why} if why else {}
    commit, changes = _git("rev-parse", "HEAD"), patch()
    if not commit or not _has_project():
        return unknown
    dirty = "unknown" if changes is None else str(bool(changes)).lower()
    return {"mlflow.source.git.commit": commit.decode().strip(), "git.dirty": dirty} | unknown


def gap() -> str | None:
    """Why git tells not the commit of this code, or not its changes since, with the remedy; None where it does."""
    if why := git.refusal():
        return why
    if not _git("rev-parse", "--verify", "HEAD"):
        return f"this git repository has no commit yet; {COMMIT}"
    if not _has_project():
        return f"the git repository around this folder does not track the project; {COMMIT} here"
    if patch() is None:
        said = " ".join(git.run(*DIFFERENCE).stderr.decode(errors="replace").split())
        return f"git cannot compare the files with the commit: {said}; {git.MEND}"
    return None


def report_gap() -> None:
    """Prints `gap`, so that one hears of it when a training starts, not when its result is traced."""
    if why := gap():
        print(f"warning: MLflow's run will not tell which code ran: {why}", file=sys.stderr, flush=True)


def patch() -> bytes | None:
    """The difference of tracked files from the git commit, as `git apply` takes it: empty when there is none, None when
    git cannot tell."""
    return _git(*DIFFERENCE) if _has_project() else None


def data(params: Params) -> dict[str, dict[str, Any]]:
    """DVC's records of the run's inputs by path: `md5`, and `size` in bytes and `nfiles` where recorded.

    Taken from dvc.lock, which DVC writes after each stage, and from .dvc files, which win.
    """
    name = params.data.name
    checkpoint = paths.PRETRAINED / params.train.checkpoint
    inputs = [paths.photos(name), paths.annotations(name), paths.lists(name), checkpoint, paths.TFRECORD]
    if params.data.unlabelled != "none":
        inputs.append(paths.UNLABELLED / params.data.unlabelled)
    stages = (_yaml(Path("dvc.lock")).get("stages") or {}).values()
    # Outputs win over dependencies: later stages, which have yet to run again, read older content the last time.
    in_lock = {entry["path"]: entry for side in ("deps", "outs") for stage in stages for entry in stage.get(side, [])}
    records = {}
    for path in inputs:
        tracked = _yaml(path.with_name(path.name + ".dvc")).get("outs") or [in_lock.get(path.as_posix(), {})]
        if "md5" in tracked[0]:
            records[path.as_posix()] = {key: tracked[0][key] for key in ("md5", "size", "nfiles") if key in tracked[0]}
    return records


def packages() -> dict[str, str]:
    """Versions of Python and of `PACKAGES`."""
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
    """The DVC experiment and the trial of a sweep in which this process runs, if it does."""
    return _environment({"dvc.experiment": "DVC_EXP_NAME", "dvc.baseline": "DVC_EXP_BASELINE_REV"}) | trial()


def trial() -> dict[str, str]:
    """The study and the number of the trial for which this process trains, if it does."""
    return _environment({"optuna.study": paths.STUDY_VARIABLE, "optuna.trial": paths.TRIAL_VARIABLE})


def _environment(names: dict[str, str]) -> dict[str, str]:
    return {tag: os.environ[variable] for tag, variable in names.items() if os.environ.get(variable)}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _has_project() -> bool:
    """Whether the commit has this project: another repository, in a folder around it, tells nothing of its code."""
    return _git("cat-file", "-e", "HEAD:./dvc.yaml") is not None


def _git(*arguments: str) -> bytes | None:
    try:
        done = git.run(*arguments, timeout=git.SECONDS_TO_ANSWER)
    except (UserError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None  # not 0: no repository, or no commit yet


def _yaml(path: Path) -> dict[str, Any]:
    """What one of DVC's own files says; nothing where it is missing or damaged."""
    try:
        return yaml.load(path) or {}
    except (UserError, OSError):
        return {}

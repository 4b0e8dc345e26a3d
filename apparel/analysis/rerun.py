"""Reproducibility check: stages run again in a copy of the project, and their outputs compared by hash."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from apparel import paths
from apparel.errors import UserError
from apparel.tracking import local_runs
from apparel.utils import files, locking, processes, yaml
from apparel.versioning import dvc_hash, dvc_lock, dvc_yaml, git
from apparel.versioning.dvc_lock import Lock

COPY = paths.LOCAL / "verify"
"""The copy, inside the project: git and DVC ignore the folder, and hard links to the data are possible."""

DURATIONS = paths.LOCAL / "verify.json"
"""Seconds that each stage, or `all` of them, took the last time."""

ALL = "all"
"""Key of `DURATIONS` for a run of all stages."""

OUTSIDE = ("MLFLOW_", "DVC_", "OPTUNA_", "APPAREL_")
"""Prefixes of environment variables that would make the rerun read or write outside its copy."""

FILES_LISTED = 20
"""Differing files of one folder that are listed."""


@dataclass(frozen=True)
class Difference:
    """An output that differs between the two runs.

    Attributes:
        stage: the stage that wrote it.
        path: the output.
        files: the differing files, where the output is a folder.
        inputs_differ: whether the stage read other inputs in the copy, so that the cause lies in an earlier stage.
    """

    stage: str
    path: str
    files: list[str]
    inputs_differ: bool


def select_stages(lock: Lock, stage: str | None) -> list[str]:
    """The stages to run again: the given one, or all that the pipeline has now.

    DVC keeps the entries of stages that the pipeline has no more, such as exports to formats that were taken out of
    params.yaml; `dvc repro` runs them no more.

    Raises:
        UserError: nothing ran yet, or no such stage did, or it is gone.
    """
    from apparel.errors import nearest

    if not lock.stages:
        raise UserError("there is no dvc.lock, so nothing to compare with; run `dvc repro` first")
    current = _pipeline_stages()
    stages = [name for name in lock.stages if name in current]
    if stage in lock.stages and stage not in stages:
        raise UserError(f"--stage: '{stage}' ran once, but dvc.yaml, with the values in params.yaml, has it no more")
    if stage is not None and stage not in stages:
        raise UserError(f"--stage: no stage '{stage}' has run{nearest(stage, stages)}")
    return [stage] if stage else stages


def _pipeline_stages() -> set[str]:
    """Names of the stages of both pipelines, with the present values of params.yaml."""
    parameters = yaml.load(paths.PARAMS) if paths.PARAMS.is_file() else {}
    pipelines = [path for lock in dvc_lock.FILES if (path := Path(lock).with_name("dvc.yaml")).is_file()]
    return {name for path in pipelines for name in dvc_yaml.read_stages(yaml.load(path) or {}, parameters)}


def check_up_to_date(names: list[str]) -> None:
    """Checks that the workspace holds what dvc.lock says of these stages.

    Raises:
        UserError: a dependency or an output changed since; names the stages.
    """
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "--json"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(f"`dvc status` failed: {done.stderr.strip() or done.stdout.strip()}")
    changed = json.loads(done.stdout or "{}")
    stale = sorted(name for name in changed if name.rpartition(":")[2] in names or name.endswith(".dvc"))
    if stale:
        raise UserError(f"{', '.join(stale)} changed since the last run; `dvc repro` first, and `dvc status` says what")


def expected_duration(lock: Lock, key: str) -> str:
    """A sentence on how long a run of `key`, a stage or `ALL`, is expected to take."""
    seconds = past_durations().get(key)
    if seconds is not None:
        return f"That took {duration_text(seconds)} the last time."
    if key not in (ALL, "train"):
        return "Expect about 60 s."
    model_hash = lock.hashes().get(paths.MODEL.as_posix())
    training = local_runs.training_seconds(model_hash) if model_hash else None
    if training is None:
        return "How long the training took is not recorded here; expect that, and some minutes more."
    return f"Expect about {duration_text(training)} for the training, and some minutes more."


def duration_text(seconds: float) -> str:
    """Seconds up to two minutes, else minutes."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def rerun(lock: Lock, stages: list[str], single_stage: str | None) -> list[Difference]:
    """Runs stages in a copy of the project, records how long that took, and compares their outputs.

    Args:
        lock: the outputs to compare with.
        stages: from `select_stages`.
        single_stage: the stage to run alone, None for all.

    Raises:
        UserError: a stage failed, or another verification is running.
        KeyboardInterrupt: by Ctrl-C, SIGTERM or SIGHUP, after the copy was removed.
    """
    processes.interrupt_on_termination()
    start = time.monotonic()
    with project_copy(lock, stages) as copy:
        reproduce(copy, single_stage)
        record_duration(single_stage or ALL, time.monotonic() - start)
        return differing_outputs(lock, copy, stages)


def difference_text(difference: Difference) -> str:
    """An output that differs, with its differing files, for the terminal."""
    cause = ", as did what it was made from" if difference.inputs_differ else ""
    lines = [f"DIFFERS  {difference.stage:<9} {difference.path}{cause}"]
    lines += [f"{'':<19} {name}" for name in difference.files[:FILES_LISTED]]
    if len(difference.files) > FILES_LISTED:
        lines.append(f"{'':<19} and {len(difference.files) - FILES_LISTED} more")
    return "\n".join(lines)


@contextlib.contextmanager
def project_copy(lock: Lock, stages: list[str]) -> Iterator[Path]:
    """A copy of the project with what these stages read, removed at the end, whether that is an error or not.

    Raises:
        UserError: another verification is running.
    """
    with locking.only_one(
        paths.LOCAL / "verify.lock", "another verification is running in this clone; wait for it to end"
    ):
        files.remove_tree(COPY)  # left by a process that was killed
        try:
            _copy_code()
            _link_data(lock, stages)
            yield COPY
        finally:
            files.remove_tree(COPY)


def reproduce(folder: Path, stage: str | None) -> None:
    """Runs `dvc repro --force` in a copy of the project: all stages, or one alone.

    Raises:
        UserError: a stage failed; it has printed why.
        KeyboardInterrupt: after all processes that DVC started were ended.
    """
    command = [sys.executable, "-m", "dvc", "repro", "--force", *(["--single-item", stage] if stage else [])]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OUTSIDE)}
    # A new group: Ctrl-C reaches this process only, which then ends the others.
    process = processes.start(
        command, cwd=folder, env=processes.with_this_python(environment), stdin=subprocess.DEVNULL
    )
    family = processes.describe(process.pid)
    try:
        if process.wait():
            raise UserError("the rerun failed, see above; nothing was compared")
    finally:
        processes.end(family)  # ending DVC alone would leave the stage running


def differing_outputs(lock: Lock, copy: Path, stages: list[str]) -> list[Difference]:
    """The outputs of these stages whose hash in the copy is not that of `lock`; folders are compared file by file."""
    copy_lock = dvc_lock.read_folder(copy)
    differences = []
    for stage in stages:
        before, after = lock.outs(stage), copy_lock.outs(stage)
        inputs_differ = copy_lock.deps(stage) != lock.deps(stage)
        for path in sorted(before.keys() | after.keys()):
            if before.get(path) != after.get(path):
                files_differ = _differing_files(Path(path), copy / path)
                differences.append(Difference(stage, path, files_differ, inputs_differ))
    return differences


def record_duration(key: str, seconds: float) -> None:
    """Records how long a run of `key`, a stage or `ALL`, took."""
    files.write_json(DURATIONS, past_durations() | {key: round(seconds)})


def past_durations() -> dict[str, int]:
    """Seconds of the last run of each stage, and of `ALL`; empty where nothing is recorded or it is damaged."""
    try:
        return {name: int(value) for name, value in json.loads(DURATIONS.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _copy_code() -> None:
    """Clones the repository at the same commit, with the tracked files of the workspace."""
    COPY.parent.mkdir(exist_ok=True)
    clone = ("clone", "--quiet", "--shared", "--no-checkout", "--template=", ".", str(COPY))
    if git.commit("HEAD") is None or git.run(*clone, stdout=None, stderr=None).returncode:
        raise UserError("git could not clone this repository; it needs a commit, see above")
    git.output("reset", "--quiet", folder=COPY)
    for name in git.tracked_files():
        if Path(name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, COPY / name)
    # Its own cache, or DVC would take outputs from it instead of running; no links, which make files read-only.
    files.write_text(COPY / ".dvc" / "config.local", "[cache]\n    dir = cache\n    type = copy\n")
    for lock in filter(os.path.isfile, dvc_lock.FILES):  # perhaps not committed yet
        shutil.copy2(lock, COPY / lock)


def _link_data(lock: Lock, stages: list[str]) -> None:
    """Links to what these stages read and do not write, untracked code included."""
    outputs = {path for stage in stages for path in lock.outs(stage)}
    for path in dict.fromkeys(path for stage in stages for path in lock.deps(stage)):
        target = COPY / path
        is_output = any(Path(path).is_relative_to(output) for output in outputs)
        if not is_output and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            if Path(path).is_dir():
                shutil.copytree(path, target, copy_function=_link)
            else:
                _link(path, str(target))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # on another file system, or one without hard links
        shutil.copy2(source, target)


def _differing_files(before: Path, after: Path) -> list[str]:
    """The files of two folders that differ or are missing in one; none if either is no folder."""
    if not before.is_dir() or not after.is_dir():
        return []
    old, new = dvc_hash.file_md5s(before), dvc_hash.file_md5s(after)
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))

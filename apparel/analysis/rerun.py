"""The pipeline run once more by force in a copy of the project, and what came out held against what was there."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from apparel import paths
from apparel.errors import UserError
from apparel.utils import files, locking, processes
from apparel.versioning import dvc_hash, dvc_lock, git
from apparel.versioning.dvc_lock import Lock

COPY = paths.LOCAL / "verify"
"""In the project, where git and DVC look past it and links to the data are possible."""

DURATIONS = paths.LOCAL / "verify.json"
"""Seconds that each stage alone, or `all`, took the last time."""

OUTSIDE = ("MLFLOW_", "DVC_", "OPTUNA_", "APPAREL_")
"""Environment variables that would lead the rerun out of its copy."""


@dataclass(frozen=True)
class Difference:
    """An output that did not come out the same; `inputs_differ` when what its stage read did not either."""

    stage: str
    path: str
    files: list[str]
    inputs_differ: bool


def stages(lock: Lock, stage: str | None) -> list[str]:
    """The stages that are run again: one, or all.

    Raises:
        UserError: nothing ran yet, or there is no such stage.
    """
    from apparel.errors import nearest

    if not lock.stages:
        raise UserError("there is no dvc.lock, so nothing to compare with; run `dvc repro` first")
    if stage is not None and stage not in lock.stages:
        raise UserError(f"--stage: no stage '{stage}' has run{nearest(stage, list(lock.stages))}")
    return [stage] if stage else list(lock.stages)


def check_up_to_date(names: list[str]) -> None:
    """Makes sure that the workspace holds what the lock says of these stages.

    Raises:
        UserError: something changed since; names the stages.
    """
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "--json"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UserError(f"`dvc status` failed: {done.stderr.strip() or done.stdout.strip()}")
    changed = json.loads(done.stdout or "{}")
    mine = sorted(name for name in changed if name.rpartition(":")[2] in names or name.endswith(".dvc"))
    if mine:
        raise UserError(f"{', '.join(mine)} changed since the last run; `dvc repro` first, and `dvc status` says what")


@contextlib.contextmanager
def copied(lock: Lock, names: list[str]) -> Iterator[Path]:
    """A copy of the project with what these stages read; removed at the end, however that comes.

    Raises:
        UserError: another verification is running.
    """
    with locking.only_one(
        paths.LOCAL / "verify.lock", "another verification is running in this clone; wait for it to end"
    ):
        files.remove_tree(COPY)  # left by one that was killed
        try:
            _copy_code()
            _bring_data(lock, names)
            yield COPY
        finally:
            files.remove_tree(COPY)


def run(folder: Path, stage: str | None) -> None:
    """`dvc repro --force` in the copy: all of it, or one stage alone.

    Raises:
        UserError: a stage failed; it has said why.
        KeyboardInterrupt: after all processes that it started are ended.
    """
    command = [sys.executable, "-m", "dvc", "repro", "--force", *(["--single-item", stage] if stage else [])]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OUTSIDE)}
    # A group of its own: Ctrl-C reaches this process alone, which then ends the others.
    process = processes.start(
        command, cwd=folder, env=processes.with_this_python(environment), stdin=subprocess.DEVNULL
    )
    family = processes.describe(process.pid)
    try:
        if process.wait():
            raise UserError("the rerun failed, see above; nothing was compared")
    finally:
        processes.end(family)  # of DVC alone, the stage would go on


def compare(lock: Lock, folder: Path, names: list[str]) -> list[Difference]:
    """What came out of these stages in the copy, held against the lock and, inside folders, against the workspace."""
    there = dvc_lock.of_folder(folder)
    found = []
    for stage in names:
        made, was = there.outs(stage), lock.outs(stage)
        inputs_differ = there.deps(stage) != lock.deps(stage)
        for path in sorted(was.keys() | made.keys()):
            if was.get(path) != made.get(path):
                found.append(Difference(stage, path, _differing(Path(path), folder / path), inputs_differ))
    return found


def remember(name: str, seconds: float) -> None:
    """Keeps how long it took, for the next time."""
    files.write_json(DURATIONS, remembered() | {name: round(seconds)})


def remembered() -> dict[str, int]:
    """Seconds by what was run: a stage, or `all`."""
    try:
        return {name: int(value) for name, value in json.loads(DURATIONS.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _copy_code() -> None:
    """A clone at the same commit, with the tracked files as they are now."""
    COPY.parent.mkdir(exist_ok=True)
    clone = ("clone", "--quiet", "--shared", "--no-checkout", "--template=", ".", str(COPY))
    if git.commit("HEAD") is None or git.run(*clone, stdout=None, stderr=None).returncode:
        raise UserError("git could not clone this repository; it needs a commit, see above")
    git.output("reset", "--quiet", folder=COPY)
    for name in git.files():
        if Path(name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, COPY / name)
    # Its own cache, or DVC would bring back from it what it is to make; no links, which would turn files read-only.
    files.write_text(COPY / ".dvc" / "config.local", "[cache]\n    dir = cache\n    type = copy\n")
    for lock in filter(os.path.isfile, dvc_lock.FILES):  # not committed yet, perhaps
        shutil.copy2(lock, COPY / lock)


def _bring_data(lock: Lock, names: list[str]) -> None:
    """Links to what these stages read and do not make, code that git does not know yet included."""
    made = {path for name in names for path in lock.outs(name)}
    for path in dict.fromkeys(path for name in names for path in lock.deps(name)):
        target = COPY / path
        inside = any(Path(path).is_relative_to(out) for out in made)
        if not inside and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            if Path(path).is_dir():
                shutil.copytree(path, target, copy_function=_link)
            else:
                _link(path, str(target))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)


def _differing(was: Path, made: Path) -> list[str]:
    """The files of a folder that are not the same in both; none for what is no folder."""
    if not was.is_dir() or not made.is_dir():
        return []
    old, new = dvc_hash.within(was), dvc_hash.within(made)
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))

"""Checks before a run: other runs at work, git's state, data, weights and classes, and room on the disk."""

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

import psutil

from apparel import params, paths
from apparel.annotations.convert import convert_data_set
from apparel.errors import UserError, some_of
from apparel.models import prerequisites
from apparel.utils import locking
from apparel.versioning import git

RWLOCK = Path(".dvc/tmp/rwlock")
"""DVC's list of who reads and writes which path, with the process id of each."""

CARRIED = ("apparel", "stages", "configs", "data", "dvc.yaml", "params.yaml")
"""What a run reads, and what a copy of the project has of it only if git tracks it."""

GENERATED = (":(exclude)data/results", ":(exclude,glob)**/dvc.lock", ":(exclude)configs/experiments")

MODEL_BYTES = 100 << 20
"""What a training writes besides TFRecords: two checkpoints under way, the model, and copies of it for DVC and MLflow,
of an SSD MobileNet v1 at a depth multiplier of 0.75 (7 million weights, with two moments of Adam each)."""


def check_environment(experiment: bool, isolated: bool) -> None:
    """Checks what does not depend on the parameters.

    Args:
        experiment: whether the run becomes a DVC experiment, which needs a commit.
        isolated: whether it runs in a copy of the project, where only files are that git tracks.

    Raises:
        UserError: another run is at work here, git has no commit, an unfinished merge, or untracked files that an
            isolated run would lack.
    """
    if not isolated and (found := runs_at_work()):
        raise UserError(
            f"another run is at work in this clone: {found[0]}; wait for it to end, or add --isolated, which runs "
            "beside it in a copy of the project"
        )
    unmerged = git.output("diff", "--name-only", "--diff-filter=U").splitlines()
    if unmerged:
        raise UserError(f"a merge in git is unfinished: {some_of(unmerged, 3)}; resolve and commit it first")
    if (experiment or isolated) and git.commit("HEAD") is None:
        raise UserError("a DVC experiment needs a git commit: git add --all && git commit -m 'First commit'")
    if isolated:
        listed = git.output("ls-files", "--others", "--exclude-standard", "--", *CARRIED, *GENERATED)
        if listed:
            names = some_of(listed.splitlines(), 5)
            raise UserError(f"git does not track {names}, so an isolated run would not have it; `git add` it first")


def check_data(config: params.Params, stages: list[str], isolated: bool) -> None:
    """Checks what the parameters name: data set, lists, weights, pipeline file, classes; and the room on the disk.

    Raises:
        UserError: names what is wrong.
    """
    prerequisites.check_parameters(config)
    name = config.data.name
    if "convert" in stages and paths.photos(name).is_dir() and paths.annotations(name).is_dir():
        options = config.convert.model_dump(exclude={"strict"})
        convert_data_set(paths.photos(name), paths.annotations(name), config.data.classes, **options)
    needed, free = bytes_needed(config, stages, isolated), shutil.disk_usage(".").free
    if needed > free:
        raise UserError(
            f"the disk has {free / 1e6:,.0f} MB free, and this run needs about {needed / 1e6:,.0f} MB; see "
            "`no space left on the disk` in docs/troubleshooting.md"
        )


def bytes_needed(config: params.Params, stages: list[str], isolated: bool) -> int:
    """About how many bytes these stages write: TFRecords and DVC's copy of them, the training, an isolated copy."""
    folders = [paths.photos(config.data.name), paths.UNLABELLED / config.data.unlabelled]
    photos = sum(path.stat().st_size for folder in folders if folder.is_dir() for path in folder.iterdir())
    copies = 2 * ("tfrecord" in stages) + 2 * isolated
    return copies * photos + ("train" in stages) * MODEL_BYTES


def runs_at_work() -> list[str]:
    """Other processes that run DVC, a stage or an import in this clone, such as `dvc repro (process 4711)`."""
    entries = []
    with suppress(OSError, ValueError):
        rwlock = json.loads(RWLOCK.read_bytes())
        readers = [entry for entries in rwlock.get("read", {}).values() for entry in entries]
        entries = [*rwlock.get("write", {}).values(), *readers]
    commands = {entry["pid"]: entry["cmd"] for entry in entries if _runs_dvc(entry["pid"])}
    found = [f"{_short(command)} (process {pid})" for pid, command in commands.items()]
    for lock in sorted(paths.STAGE_LOCKS.glob("*.lock")):
        if lock.stem in ("import", *_stage_names()) and locking.is_held(lock):
            found.append("an import" if lock.stem == "import" else f"the stage {lock.stem}")
    if not found and _dvc_is_locked():
        found.append("a command of DVC")
    return found


def _dvc_is_locked() -> bool:
    from dvc.lock import LockError, make_lock

    folder = RWLOCK.parent
    if not folder.is_dir():
        return False
    try:
        with make_lock(str(folder / "lock"), tmp_dir=str(folder)):
            return False
    except LockError:
        return True


def _stage_names() -> list[str]:
    return [path.stem for path in Path("stages").glob("*.py")]


def _runs_dvc(pid: int) -> bool:
    """Whether a process of that id runs DVC: an id may have been given to another program since."""
    with suppress(psutil.Error):
        return pid != os.getpid() and any("dvc" in Path(word).name for word in psutil.Process(pid).cmdline())
    return False


def _short(command: str) -> str:
    """`dvc repro` for `/home/ada/shop/.venv/bin/dvc repro` or `…/dvc/__main__.py repro`, without parameters."""
    words = command.split()
    start = next((index for index, word in enumerate(words) if "dvc" in word.replace(os.sep, "/").split("/")[-2:]), 0)
    arguments = words[start + 1 :]
    if "-S" in arguments:  # a recipe has a score of values
        arguments = [*arguments[: arguments.index("-S")], "…"]
    return " ".join(["dvc", *arguments])

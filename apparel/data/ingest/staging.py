"""Staging of imports: what is imported arrives under data/ complete or not at all, whatever interrupts it.

The staging folder `data/.import-NAME` is on the same disk as the target, so that files are moved, not copied. An import
first prepares everything in it. The file `ready.json`, written last, says what moves where. The next import finishes an
interrupted one that has this file, and undoes one that does not.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from apparel import paths
from apparel.errors import UserError
from apparel.utils import files, locking, processes

PREFIX = ".import-"
READY = "ready.json"
RECORD = "source.json"

RESERVED_NAMES = {"demo", "pretrained", "results", "none"}
"""Names under data/ that the project uses, and the word for no starting weights in params.yaml."""


@contextmanager
def import_lock() -> Iterator[None]:
    """Holds a lock, so that two imports cannot run at the same time.

    Raises:
        UserError: another import is running, or this is not the root of a DVC repository.
    """
    if not Path(".dvc").is_dir():
        raise UserError("there is no folder .dvc here; run this in the project's root folder")
    with locking.only_one(paths.LOCAL / "import.lock", "another import is running; wait for it to end"):
        yield


def check_import_name(name: str) -> None:
    """Raises a `UserError` if `name` cannot be the name of a data set or of weights."""
    from apparel.params import parse_name

    if name in RESERVED_NAMES or name.endswith(".dvc"):
        raise UserError(f"--name: '{name}' is used by the project itself; choose another")
    parse_name(name, "--name")


def check_target_is_free(target: Path, replace: bool) -> None:
    """Raises a `UserError` if `target` is not a folder, or holds or tracks files that an import may not `replace`."""
    tracked = target.with_name(f"{target.name}.dvc")
    if (target.exists() or target.is_symlink()) and not target.is_dir():
        raise UserError(f"{target.as_posix()} exists and is not a folder; remove it, or choose another --name")
    if not replace and (tracked.exists() or (target.is_dir() and any(target.iterdir()))):
        raise UserError(
            f"{target.as_posix()} exists already (if its files are missing, `dvc checkout` or `dvc pull` gets them); "
            "choose another --name, or add --replace"
        )


@contextmanager
def staging_folder(parent: Path, name: str) -> Iterator[Path]:
    """Yields an empty staging folder; it is removed at the end, unless `finish_import` began and failed."""
    folder = parent / f"{PREFIX}{name}"
    folder.mkdir(parents=True)
    files.write_text(folder / ".gitignore", "*\n")
    try:
        yield folder
    finally:
        if folder.exists() and not (folder / READY).exists():
            files.remove_tree(folder)


def finish_import(folder: Path, moves: Mapping[str, Path], record: Path, origin: dict, request: list) -> None:
    """Moves what is staged to its targets, replaces what was there, and tracks it with DVC.

    Args:
        folder: from `staging_folder`.
        moves: the target of each part of the folder, by the part's name; relative to the project's root.
        record: the file that says where the data came from.
        origin: content of that file.
        request: what the user asked for; `recover_imports` returns it.

    Raises:
        UserError: DVC could not track the targets. The next import, whatever it imports, tries again.
    """
    tracked = {name: path.as_posix() for name, path in moves.items()}
    files.write_json(folder / RECORD, origin)
    files.write_json(folder / READY, {"tracked": tracked, "record": record.as_posix(), "request": request})
    _carry_out(folder)


def recover_imports() -> dict[str, list]:
    """Finishes or undoes interrupted imports; returns the requests of the finished ones by their record file."""
    requests = {}
    for folder in sorted([*paths.DATA.glob(f"{PREFIX}*/"), *paths.PRETRAINED.glob(f"{PREFIX}*/")]):
        name = folder.name.removeprefix(PREFIX)
        if (folder / READY).exists():
            print(f"finishing the interrupted import of {name}")
            plan = _carry_out(folder)
            requests[plan["record"]] = plan.get("request", [])
        else:
            print(f"undoing the interrupted import of {name}")
            files.remove_tree(folder)
    return requests


def draw_demo_if_missing() -> None:
    """Draws the demo photos if they have never been drawn.

    `dvc pull`, `dvc checkout` and `dvc exp apply` need the outputs of all pipelines of the repository, also of those
    that are not in use, and fail without them.
    """
    pipeline = paths.DATA / "demo" / "dvc.yaml"
    if pipeline.is_file() and not pipeline.with_suffix(".lock").exists():
        print("drawing the demo photos, since DVC needs the files of all pipelines")
        command = [sys.executable, "-m", "dvc", "repro", pipeline.as_posix()]
        nothing = subprocess.DEVNULL
        environment = processes.with_this_python(os.environ)
        if subprocess.run(command, env=environment, stdin=nothing, stdout=nothing, check=False).returncode:
            print(f"warning: drawing failed; `dvc repro {pipeline.as_posix()}` tries again")


def _carry_out(folder: Path) -> dict:
    """Does the steps of the plan in `READY` that are not done yet, and returns the plan; it can be called again."""
    plan = json.loads((folder / READY).read_text(encoding="utf-8"))
    for name, target in (plan["tracked"] | {RECORD: plan["record"]}).items():
        new, target = folder / name, Path(target)
        if new.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                target.rename(folder / f"old-{name}")
            new.rename(target)
    _track(list(plan["tracked"].values()))
    files.remove_tree(folder)
    return plan


def _track(targets: list[str]) -> None:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            repo.scm_context.quiet = True  # the command itself prints what to `git add`
            repo.add(targets)
    except DvcException as error:
        raise UserError(
            f"DVC could not track {', '.join(targets)}: {error}; solve that, then run the same import again"
        ) from None

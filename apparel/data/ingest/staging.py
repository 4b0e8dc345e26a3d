"""Staging of imports: what is imported arrives under data/ complete or not at all, whatever interrupts it.

The staging folder `data/.import-NAME` is on the same disk as the target, so that files are moved, not copied. An import
first prepares everything in it. The file `ready.json`, written last, says what moves where. The next import finishes an
interrupted one that has this file, and undoes one that does not, or that cannot be finished.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from apparel import paths
from apparel.errors import UserError
from apparel.utils import files, locking, processes

PREFIX = ".import-"
READY = "ready.json"
UNDO = "undo.json"  # READY, renamed: the import is being undone
DONE = "done.json"  # READY, renamed: what was replaced is being deleted, and cannot be restored any more
RECORD = "source.json"

RESERVED_NAMES = {"demo", "pretrained", "results", "none"}
"""Names under data/ that the project uses, and the word for no starting weights in params.yaml."""


class DvcBusyError(UserError):
    """Another process of DVC holds its locks: the import can be finished later."""


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
    """Raises a `UserError` if `target` is not a folder, lies behind a link, or has what an import may not `replace`."""
    tracked = target.with_name(f"{target.name}.dvc")
    links = [path.as_posix() for path in (target, *target.parents) if path.is_symlink() and path.is_dir()]
    if links:
        raise UserError(
            f"{links[0]} is a link to another folder, and DVC tracks nothing behind a link; remove the link and import "
            "again (to keep the files on another disk: `dvc cache dir --local FOLDER` and "
            "`dvc config --local cache.type symlink`)"
        )
    if (target.exists() or target.is_symlink()) and not target.is_dir():
        raise UserError(f"{target.as_posix()} exists and is not a folder; remove it, or choose another --name")
    if not replace and (tracked.exists() or (target.is_dir() and any(target.iterdir()))):
        raise UserError(
            f"{target.as_posix()} exists already (if its files are missing, `dvc checkout` or `dvc pull` gets them); "
            "choose another --name, or add --replace"
        )


@contextmanager
def staging_folder(parent: Path, name: str) -> Iterator[Path]:
    """Yields an empty staging folder; it is removed at the end, unless `finish_import` was interrupted."""
    folder = parent / f"{PREFIX}{name}"
    folder.mkdir(parents=True)
    files.write_text(folder / ".gitignore", "*\n")
    try:
        yield folder
    finally:
        if folder.exists() and not (folder / READY).exists() and not (folder / UNDO).exists():
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
        UserError: DVC could not track the targets; the import was undone.
        OSError: a part could not be moved; the import was undone.
        DvcBusyError: DVC is in use. The next import, whatever it imports, tries again.
    """
    tracked = {name: path.as_posix() for name, path in moves.items()}
    plan = {"tracked": tracked, "record": record.as_posix(), "request": request}
    plan["replaced"] = [name for name, target in _targets(plan).items() if target.exists()]
    plan["dvc_files"] = {
        path.as_posix(): path.read_text(encoding="utf-8") if path.exists() else None
        for target in moves.values()
        for path in (target.with_name(f"{target.name}.dvc"), target.with_name(".gitignore"))
    }
    files.write_json(folder / RECORD, origin)
    files.write_json(folder / READY, plan)
    try:
        _carry_out(folder)
    except DvcBusyError:
        raise
    except (OSError, UserError):
        undo_import(folder)
        raise


def recover_imports(abandon: bool = False) -> dict[str, list]:
    """Finishes or undoes interrupted imports; returns the requests of the finished ones by their record file.

    Args:
        abandon: undo those that could be finished, too.

    Raises:
        DvcBusyError: DVC is in use, so that an import cannot be finished now.
        UserError: an import can be neither finished nor undone.
    """
    requests = {}
    for folder in sorted([*paths.DATA.glob(f"{PREFIX}*/"), *paths.PRETRAINED.glob(f"{PREFIX}*/")]):
        name = folder.name.removeprefix(PREFIX)
        if (folder / DONE).exists():
            plan = json.loads((folder / DONE).read_text(encoding="utf-8"))
            requests[plan["record"]] = plan.get("request", [])
            files.remove_tree(folder)
            continue
        if (folder / READY).exists() and not abandon:
            print(f"finishing the interrupted import of {name} (`apparel import --abandon` undoes it instead)")
            try:
                plan = _carry_out(folder)
            except DvcBusyError:
                raise
            except (OSError, UserError) as error:
                print(f"it cannot be finished: {error}")
            else:
                requests[plan["record"]] = plan.get("request", [])
                continue
        print(f"undoing the interrupted import of {name}")
        undo_import(folder)
    return requests


def undo_import(folder: Path) -> None:
    """Removes a staging folder and what was moved out of it, and restores what was replaced; it can be called again.

    Raises:
        UserError: a file cannot be moved.
    """
    try:
        if (folder / READY).exists():
            (folder / READY).replace(folder / UNDO)
        if (folder / UNDO).exists():
            _move_back(folder, json.loads((folder / UNDO).read_text(encoding="utf-8")))
        files.remove_tree(folder)
    except OSError as error:
        raise UserError(
            f"the import in {folder.as_posix()} can be neither finished nor undone ({error}); move out of that folder "
            "what you want to keep, and delete it"
        ) from None


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


def _targets(plan: dict) -> dict[str, Path]:
    """Where each part of a staging folder goes, by the part's name."""
    return {name: Path(target) for name, target in (plan["tracked"] | {RECORD: plan["record"]}).items()}


def _carry_out(folder: Path) -> dict:
    """Does the steps of the plan in `READY` that are not done yet, and returns the plan; it can be called again."""
    plan = json.loads((folder / READY).read_text(encoding="utf-8"))
    for name, target in _targets(plan).items():
        new = folder / name
        if new.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                target.rename(folder / f"old-{name}")
            new.rename(target)
    _track(list(plan["tracked"].values()))
    (folder / READY).replace(folder / DONE)
    files.remove_tree(folder)
    return plan


def _move_back(folder: Path, plan: dict) -> None:
    """Moves what was imported back into its staging folder, and what was replaced back to its place."""
    for name, target in _targets(plan).items():
        new, old = folder / name, folder / f"old-{name}"
        is_replaced = name in plan.get("replaced", ())
        if not new.exists() and target.exists() and (old.exists() or not is_replaced):
            target.rename(new)
        if old.exists():
            old.rename(target)
    for path, text in plan.get("dvc_files", {}).items():
        if text is None:
            Path(path).unlink(missing_ok=True)
        else:
            files.write_text(Path(path), text)
    for target in _targets(plan).values():
        with suppress(OSError):  # it is not empty, or not there
            target.parent.rmdir()


def _track(targets: list[str]) -> None:
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            repo.scm_context.quiet = True  # the command itself prints what to `git add`
            repo.add(targets)
    except LockError:
        raise DvcBusyError(
            "DVC is at work in this project; when it is done, run the same import again, which finishes it, or "
            "`apparel import --abandon`, which undoes it"
        ) from None
    except DvcException as error:
        raise UserError(
            f"DVC could not track {', '.join(targets)}: {error}; solve that, then run the same import again"
        ) from None

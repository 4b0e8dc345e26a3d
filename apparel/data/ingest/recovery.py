"""End of an import: staged files are moved to their targets and tracked by DVC, also after an interruption.

The next import finishes an interrupted one that has a plan, and undoes one that has none, or that cannot be finished.
None keeps another from being imported.
"""

import errno
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path

from apparel import paths
from apparel.data.ingest.staging import PREFIX, READY, UNDO
from apparel.errors import UserError, one_line
from apparel.utils import files

DONE = "done.json"  # READY, renamed: what was replaced is being deleted, and cannot be restored any more
RECORD = "source.json"


class DvcBusyError(UserError):
    """Another process of DVC holds its locks: the import can be finished later."""


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


def recover_imports(target: Path | None = None) -> dict[str, list]:
    """Finishes or undoes interrupted imports; returns the requests of the finished ones by their record file.

    One that can now be neither finished nor undone does not keep others from being imported: it is named in a warning.

    Args:
        target: what is imported next.

    Raises:
        DvcBusyError: DVC is in use, so that an interrupted import of `target` cannot be finished now.
        UserError: an interrupted import of `target` can be neither finished nor undone.
    """
    requests = {}
    for folder in _staging_folders():
        try:
            plan = _recover(folder)
        except (OSError, UserError) as error:
            if target and folder == target.with_name(f"{PREFIX}{target.name}"):
                raise
            print(f"warning: {error}")
        else:
            requests |= {plan["record"]: plan.get("request", [])} if plan else {}
    return requests


def abandon_imports(name: str | None = None) -> list[str]:
    """Undoes interrupted imports, also those that could be finished; what cannot be undone is set aside.

    Args:
        name: of the data set or the weights; None takes all.

    Returns:
        The names of the interrupted imports.

    Raises:
        UserError: a staging folder can be neither emptied nor renamed.
    """
    names = []
    for folder in _staging_folders():
        interrupted = folder.name.removeprefix(PREFIX)
        if name not in (None, interrupted):
            continue
        names.append(interrupted)
        if (folder / DONE).exists():
            files.remove_tree(folder)
            continue
        print(f"undoing the interrupted import of {interrupted}")
        try:
            undo_import(folder)
        except UserError as error:
            _set_aside(folder, error)
    return names


def undo_import(folder: Path) -> None:
    """Removes a staging folder and what was moved out of it, and restores what was replaced; it can be called again.

    Raises:
        UserError: a file cannot be moved, or the plan is damaged, so that it is unknown where files belong.
    """
    try:
        if (folder / READY).exists():
            (folder / READY).replace(folder / UNDO)
        if (folder / UNDO).exists():
            _move_back(folder, _read_plan(folder / UNDO))
        elif replaced := sorted(folder.glob("old-*")):
            raise UserError(f"its plan is gone, and it holds {replaced[0].name}")
        files.remove_tree(folder)
    except (OSError, UserError) as error:
        name = folder.name.removeprefix(PREFIX)
        raise UserError(
            f"the interrupted import of {name} can be neither finished nor undone ({error}); `apparel import --abandon "
            f"{name}` sets its files aside"
        ) from None


def _staging_folders() -> list[Path]:
    parents = (paths.DATA, paths.PRETRAINED, paths.UNLABELLED)
    return sorted(folder for parent in parents for folder in parent.glob(f"{PREFIX}*/"))


def _recover(folder: Path) -> dict | None:
    """Finishes an interrupted import and returns its plan, or undoes it and returns None."""
    if (folder / DONE).exists():
        plan = _read_plan(folder / DONE)
        files.remove_tree(folder)
        return plan
    name = folder.name.removeprefix(PREFIX)
    if (folder / READY).exists():
        print(f"finishing the interrupted import of {name} (`apparel import --abandon {name}` undoes it instead)")
        try:
            return _carry_out(folder)
        except DvcBusyError:
            raise
        except (OSError, UserError) as error:
            print(f"it cannot be finished: {error}")
    print(f"undoing the interrupted import of {name}")
    undo_import(folder)
    return None


def _read_plan(path: Path) -> dict:
    """Reads a plan; a disk that was full, or power that failed, may have damaged it."""
    try:
        plan = json.loads(path.read_text(encoding="utf-8"))
        _targets(plan)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(f"{path.as_posix()} is damaged") from None
    return plan


def _set_aside(folder: Path, error: UserError) -> None:
    """Renames a staging folder that cannot be undone, so that no import meets it again; its files are kept."""
    number = next(n for n in count(1) if not folder.with_name(f".abandoned-{n}").exists())
    try:
        aside = folder.rename(folder.with_name(f".abandoned-{number}"))
    except OSError as reason:
        raise UserError(f"{folder.as_posix()} cannot be renamed ({reason}); move it out of the project") from None
    print(f"it cannot be undone: {str(error).partition(';')[0]}")
    print(f"its files are in {aside.as_posix()} now; move out what you want to keep, and delete that folder")


def _targets(plan: dict) -> dict[str, Path]:
    """Where each part of a staging folder goes, by the part's name."""
    return {name: Path(target) for name, target in (plan["tracked"] | {RECORD: plan["record"]}).items()}


def _carry_out(folder: Path) -> dict:
    """Does the steps of the plan in `READY` that are not done yet, and returns the plan; it can be called again."""
    plan = _read_plan(folder / READY)
    for name, target in _targets(plan).items():
        new = folder / name
        if new.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                target.rename(folder / f"old-{name}")
            new.rename(target)
    _track(list(plan["tracked"].values()))
    (folder / READY).replace(folder / DONE)
    with suppress(OSError):  # the next import removes it
        files.remove_tree(folder)
    return plan


def _move_back(folder: Path, plan: dict) -> None:
    """Moves what was imported back into its staging folder, and what was replaced back to its place."""
    for name, target in _targets(plan).items():
        new, old = folder / name, folder / f"old-{name}"
        is_replaced = name in plan.get("replaced", ())
        if not new.exists() and target.exists() and (old.exists() or not is_replaced):
            _move(target, new)
        if old.exists():
            target.parent.mkdir(parents=True, exist_ok=True)  # the user may have deleted the whole folder
            _move(old, target)
    for path, text in plan.get("dvc_files", {}).items():
        if text is None:
            Path(path).unlink(missing_ok=True)
        else:
            files.write_text(Path(path), text)
    for target in _targets(plan).values():
        with suppress(OSError):  # it is not empty, or not there
            target.parent.rmdir()


def _move(path: Path, target: Path) -> None:
    """Renames a file or folder; copies it where a user has linked one of the two to another disk since."""
    try:
        path.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.move(path, target)


def _track(targets: list[str]) -> None:
    """Has DVC track the targets.

    Raises:
        DvcBusyError: another process of DVC holds its locks.
        UserError: DVC failed. It raises nearly anything, such as SQLite's errors where the disk is full.
    """
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
    except Exception as error:  # noqa: BLE001 - whatever it is, the import has to be undone
        raise UserError(
            f"DVC could not track {', '.join(targets)}: {one_line(error)}; solve that, then run the same import again"
        ) from None

"""Folders that arrive under data/ whole or not at all, tracked by DVC, whatever interrupts them.

What arrives is made ready in `data/.import-NAME`, beside where it goes. Once that is complete, `ready.json` says what
moves where: from then on an interrupted import is finished by the next one, before that it is undone.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from apparel import paths
from apparel.errors import UserError
from apparel.utils import files, locking

PREFIX = ".import-"
READY = "ready.json"
RECORD = "source.json"


@contextmanager
def only_one() -> Iterator[None]:
    """Holds a lock that a second import at the same time finds taken.

    Raises:
        UserError: another import is running, or this is not the root of a DVC repository.
    """
    if not Path(".dvc").is_dir():
        raise UserError("there is no .dvc here; run from the project's root folder")
    with locking.only_one(paths.LOCAL / "import.lock", "another import is running; wait for it to end"):
        yield


@contextmanager
def staging(parent: Path, name: str) -> Iterator[Path]:
    """An empty folder to make things ready in; removed at the end, unless `arrive` was reached and failed."""
    folder = parent / f"{PREFIX}{name}"
    folder.mkdir(parents=True)
    files.write_text(folder / ".gitignore", "*\n")
    try:
        yield folder
    finally:
        if folder.exists() and not (folder / READY).exists():
            files.remove_tree(folder)


def arrive(folder: Path, moves: Mapping[str, Path], record: Path, origin: dict, request: list) -> None:
    """Moves what is ready to where it goes, in place of what is there, and tracks it with DVC.

    Args:
        folder: from `staging`.
        moves: where each part of the folder, by its name, goes; relative to the project's root.
        record: the file that says where it came from.
        origin: what that file says.
        request: what was asked for, as `recover` returns it.

    Raises:
        UserError: DVC could not track it. The next import, of whatever, tries again.
    """
    tracked = {name: path.as_posix() for name, path in moves.items()}
    files.write_json(folder / RECORD, origin)
    files.write_json(folder / READY, {"tracked": tracked, "record": record.as_posix(), "request": request})
    _finish(folder)


def recover() -> dict[str, list]:
    """Finishes or undoes imports that were interrupted; returns what those finished were asked, by record file."""
    finished = {}
    for folder in sorted([*paths.DATA.glob(f"{PREFIX}*/"), *paths.PRETRAINED.glob(f"{PREFIX}*/")]):
        name = folder.name.removeprefix(PREFIX)
        if (folder / READY).exists():
            print(f"finishing the import of {name}, which was interrupted")
            plan = _finish(folder)
            finished[plan["record"]] = plan.get("request", [])
        else:
            print(f"undoing an import of {name}, which was interrupted")
            files.remove_tree(folder)
    return finished


def _finish(folder: Path) -> dict:
    """Does what the plan says and is not done yet; each step can be repeated."""
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
            repo.scm_context.quiet = True  # the command says itself what to `git add`
            repo.add(targets)
    except DvcException as error:
        raise UserError(
            f"DVC could not track {', '.join(targets)}: {error}; once that is mended, run the same import again"
        ) from None

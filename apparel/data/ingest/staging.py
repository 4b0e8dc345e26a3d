"""Staging of imports: what is imported arrives under data/ complete or not at all, whatever interrupts it.

The staging folder `data/.import-NAME` is on the same disk as the target, so that files are moved, not copied. An import
first prepares everything in it. The file `ready.json`, written last, says what moves where; `recovery` moves it.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apparel import paths
from apparel.errors import UserError
from apparel.utils import files, locking, processes

PREFIX = ".import-"
READY = "ready.json"
UNDO = "undo.json"  # READY, renamed: the import is being undone

RESERVED_NAMES = {"demo", "pretrained", "unlabelled", "results", "none"}
"""Names under data/ that the project uses, and params.yaml's word for no starting weights and no unlabelled photos."""


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
    """Yields an empty staging folder; it is removed at the end, unless `recovery.finish_import` was interrupted."""
    folder = parent / f"{PREFIX}{name}"
    folder.mkdir(parents=True)
    files.write_text(folder / ".gitignore", "*\n")
    try:
        yield folder
    finally:
        if folder.exists() and not (folder / READY).exists() and not (folder / UNDO).exists():
            files.remove_tree(folder)


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
        with processes.guarded(command, env=environment, stdin=nothing, stdout=nothing) as drawing:
            failed = drawing.wait()
        if failed:
            print(f"warning: drawing failed; `dvc repro {pipeline.as_posix()}` tries again")

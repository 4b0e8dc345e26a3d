"""Files and folders that are written whole or not at all, and removed although they are read-only."""

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from apparel.errors import UserError


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text with its line endings as they are, in place of what was there; makes the folder.

    A reader, or a run after a crash, finds the old file or the new one, never a part. Text that has no UTF-8 form
    (file names that the system could not decode) is written with backslash escapes.

    Raises:
        UserError: there is a folder of this name.
    """
    write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file in place of what was there, as `write_text` does.

    Raises:
        UserError: there is a folder of this name.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON, keys in the order given."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """An empty folder to write into, which replaces `folder` once the block ends well.

    A reader, or a run after a crash, never takes half of a folder for the whole.
    """
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    remove_tree(unfinished)  # left by a process that was killed
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        remove_tree(folder)
        unfinished.rename(folder)
    finally:
        remove_tree(unfinished)


def remove_tree(folder: Path) -> None:
    """Removes a folder with all that is in it; does nothing where there is none.

    Files that are read-only go, too: git leaves such, and DVC's links into its cache are; Windows refuses them.
    """

    def retry(remove: Callable, path: str, error: tuple) -> None:
        if isinstance(error[1], FileNotFoundError):
            return
        if remove not in (os.unlink, os.rmdir):
            raise error[1]
        Path(path).chmod(stat.S_IWRITE | stat.S_IREAD)
        remove(path)

    shutil.rmtree(folder, onerror=retry)


def below(folder: Path) -> list[Path]:
    """Every file under `folder`, in order; none where it is not there."""
    return sorted(path for path in folder.rglob("*") if path.is_file())

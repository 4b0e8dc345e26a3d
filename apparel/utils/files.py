"""Files that are written whole or not at all."""

import json
from os import getpid
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
    if path.is_dir():
        raise UserError(f"{path} is a folder; name a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{getpid()}.partial")
    try:
        partial.write_bytes(text.encode("utf-8", errors="backslashreplace"))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON, keys in the order given."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def below(folder: Path) -> list[Path]:
    """Every file under `folder`, in order; none where it is not there."""
    return sorted(path for path in folder.rglob("*") if path.is_file())

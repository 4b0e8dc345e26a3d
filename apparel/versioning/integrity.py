"""Check sums beside the files that a stage leaves to the next one, which so finds out whether one was damaged.

DVC does not: it takes files out of its cache, and those whose time stamp did not change, for what they were.
"""

import json
from pathlib import Path

from apparel.errors import UserError
from apparel.utils import files
from apparel.versioning import dvc_hash

NAME = "md5.json"


def write(folder: Path) -> None:
    """Records the MD5 of every file in `folder`, for `check`."""
    files.write_json(folder / NAME, _found(folder))


def check(folder: Path, stage: str) -> None:
    """Compares the files of `folder` with the record, if there is one.

    Args:
        folder: what a stage wrote, the record included.
        stage: the name of that stage, for the remedy.

    Raises:
        UserError: the folder or a file in it is missing, or a file is not the one that was written; names it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} not found; run `dvc repro {stage}`")
    record = folder / NAME
    if not record.is_file():
        return
    remedy = f"run `dvc repro --force {stage}`"
    try:
        written = dict(json.loads(record.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise UserError(f"{record} is damaged; {remedy}") from None
    found = _found(folder)
    for name, md5 in written.items():
        if name not in found:
            raise UserError(f"{folder / name} is missing; {remedy}")
        if found[name] != md5:
            raise UserError(f"{folder / name} is damaged: its content is not what {stage} wrote; {remedy}")


def _found(folder: Path) -> dict[str, str]:
    return {name: md5 for name, md5 in dvc_hash.within(folder).items() if name != NAME}

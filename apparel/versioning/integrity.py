"""Checksums of stage outputs and of tracked data, so that the next stage detects a damaged file.

DVC does not look: it trusts files that come from its cache, and those whose time stamp did not change.
"""

import json
from pathlib import Path
from typing import Any

from apparel.errors import UserError, some_of
from apparel.utils import files, yaml
from apparel.versioning import dvc_hash

CHECKSUMS = "md5.json"
"""The file, in the folder that a stage writes, with the MD5 of every other file there."""


def write_checksums(folder: Path) -> None:
    """Records the MD5 of every file in `folder`, for `check_checksums`."""
    files.write_json(folder / CHECKSUMS, _checksums(folder))


def check_checksums(folder: Path, stage: str) -> None:
    """Compares the files of `folder` with their recorded checksums, if there are any.

    Args:
        folder: what a stage wrote, the record included.
        stage: the name of that stage, for the remedy.

    Raises:
        UserError: the folder or a file in it is missing, or a file is not the one that was written; names it.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} not found; run `dvc repro {stage}`")
    record = folder / CHECKSUMS
    if not record.is_file():
        return
    remedy = f"run `dvc repro --force {stage}`"
    try:
        written = dict(json.loads(record.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise UserError(f"{record} is damaged; {remedy}") from None
    checksums = _checksums(folder)
    for name, md5 in written.items():
        if name not in checksums:
            raise UserError(f"{folder / name} is missing; {remedy}")
        if checksums[name] != md5:
            raise UserError(f"{folder / name} is damaged: its content is not what {stage} wrote; {remedy}")


def check_tracked(folder: Path) -> None:
    """Compares the files of a data folder with what DVC recorded of them, if it recorded anything.

    Before a stage runs, `dvc repro` records what a person changed, which it sees by the files' time stamps. A file
    that differs after that was damaged: on the disk, or in DVC's cache, from which it was fetched.

    Raises:
        UserError: a file is not the one that was recorded; names it.
    """
    recorded = _recorded_hash(folder)
    md5s = dvc_hash.file_md5s(folder)
    if not md5s or recorded in (None, dvc_hash.folder_hash(md5s)):  # an empty folder is best reported by who reads it
        return
    recorded_md5s = _cached_listing(recorded)
    differing = sorted(name for name in recorded_md5s.keys() | md5s.keys() if recorded_md5s.get(name) != md5s.get(name))
    which = folder / some_of(differing, 1) if recorded_md5s else f"a file in {folder}"
    raise UserError(
        f"not what DVC recorded: {which}; if you changed it, `dvc commit {folder.as_posix()}` takes it as "
        f"new data; if not, it is damaged: delete it{_damaged_copy(recorded_md5s.get(differing[0], ''))}, then "
        f"dvc checkout {folder.as_posix()}, dvc pull {folder.as_posix()} or a new import brings it back"
    )


def _checksums(folder: Path) -> dict[str, str]:
    return {name: md5 for name, md5 in dvc_hash.file_md5s(folder).items() if name != CHECKSUMS}


def _recorded_hash(folder: Path) -> str | None:
    """DVC's hash of the folder: from the .dvc file beside it, or from dvc.lock there if a pipeline makes the folder."""
    outs = _dvc_file(folder.with_name(f"{folder.name}.dvc")).get("outs", [])
    stages = _dvc_file(folder.with_name("dvc.lock")).get("stages", {}).values()
    outs += [out for stage in stages for out in stage["outs"] if out["path"] == folder.as_posix()]
    return outs[0].get("md5") if outs else None


def _dvc_file(path: Path) -> dict[str, Any]:
    """The content of one of DVC's own files; empty where there is none."""
    return yaml.load(path) if path.is_file() else {}


def _cached_listing(md5: str) -> dict[str, str]:
    """The MD5 of each file of a folder, as DVC's cache lists them; empty where the cache lacks the list."""
    try:
        return {entry["relpath"]: entry["md5"] for entry in json.loads(_cache_path(md5).read_bytes())}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _damaged_copy(md5: str) -> str:
    """For the remedy: the copy in DVC's cache, where that is damaged as well."""
    cached = _cache_path(md5) if md5 else Path()
    return f" and its copy {cached}" if cached.is_file() and dvc_hash.file_md5(cached) != md5 else ""


def _cache_path(md5: str) -> Path:
    from dvc.repo import Repo

    with Repo() as repo:
        path = Path(repo.cache.local.oid_to_path(md5))
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path

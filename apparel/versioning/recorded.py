"""Whether data that came from outside is still what DVC recorded, which DVC itself does not look at each time."""

import json
from pathlib import Path
from typing import Any

from apparel.errors import UserError
from apparel.utils import yaml
from apparel.versioning import dvc_hash


def check(folder: Path) -> None:
    """Compares the files of a folder with what DVC has on them, if it has anything.

    `dvc repro` records what a person changed before a stage runs, by the files' time stamps. What differs then was
    damaged: on the disk, or in DVC's cache, from which it was fetched.

    Raises:
        UserError: a file is not the one that was recorded; names it.
    """
    recorded = _recorded(folder)
    found = dvc_hash.within(folder)
    if not found or recorded in (None, dvc_hash.folder(found)):  # who reads it says best that nothing is there
        return
    known = _listed(recorded)
    differing = [name for name in sorted(known.keys() | found.keys()) if known.get(name) != found.get(name)]
    which = folder / differing[0] if known else f"a file in {folder}"
    others = f" (and {len(differing) - 1} more)" if known and len(differing) > 1 else ""
    raise UserError(
        f"{which}{others} is not what DVC recorded; if you changed it, `dvc commit {folder.as_posix()}` takes it as "
        f"new data; if not, it is damaged: delete it{_copy(known, differing)}, then dvc checkout "
        f"{folder.as_posix()}, dvc pull {folder.as_posix()} or a new import brings it back"
    )


def _recorded(folder: Path) -> str | None:
    """DVC's hash of the folder: of the .dvc file beside it, or of the lock beside it where a pipeline makes it."""
    outs = _yaml(folder.with_name(f"{folder.name}.dvc")).get("outs", [])
    stages = _yaml(folder.with_name("dvc.lock")).get("stages", {}).values()
    outs += [out for stage in stages for out in stage["outs"] if out["path"] == folder.as_posix()]
    return outs[0].get("md5") if outs else None


def _yaml(path: Path) -> dict[str, Any]:
    """What one of DVC's own files says; nothing where there is none."""
    return yaml.load(path) if path.is_file() else {}


def _listed(md5: str) -> dict[str, str]:
    """The files of a folder by what DVC's cache says; none where it does not have the list."""
    try:
        return {each["relpath"]: each["md5"] for each in json.loads(_cached(md5).read_bytes())}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _copy(known: dict[str, str], differing: list[str]) -> str:
    """The copy in DVC's cache of the first of these files, where that is damaged as well."""
    md5 = known.get(differing[0], "")
    cached = _cached(md5) if md5 else Path()
    return f" and its copy {cached}" if cached.is_file() and dvc_hash.file(cached) != md5 else ""


def _cached(md5: str) -> Path:
    from dvc.repo import Repo

    with Repo() as repo:
        path = Path(repo.cache.local.oid_to_path(md5))
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path

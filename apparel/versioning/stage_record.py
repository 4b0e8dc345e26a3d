"""Removes DVC's record of a stage if an input was edited after the stage had ended and before DVC read it.

A stage compares its inputs at its end, see `apparel/versioning/stage_inputs.py`. DVC reads them a second or so later,
when Python has ended, and would record an edit made meanwhile as what the stage had used.
"""

from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from apparel.errors import UserError
from apparel.utils import yaml
from apparel.utils.nested import flatten
from apparel.versioning import dvc_hash, dvc_lock, stage_inputs
from apparel.versioning.stage_inputs import StageInputs


def false_record(stage: str, used: StageInputs) -> dict[str, Any] | None:
    """The stage's entry of dvc.lock if it names another input than the stage used; None if it is true.

    Only inputs that differ now are looked at, so that whatever DVC writes in another way than this project reads it
    cannot make a record false.
    """
    changed = stage_inputs.changes(used)
    entry = next(filter(None, (_stages(Path(file)).get(stage) for file in dvc_lock.FILES)), None)
    if entry is None or not changed:
        return None
    parameters = {
        (file, name): value
        for file, section in (entry.get("params") or {}).items()
        for name, value in flatten(section).items()
    }
    hashes = {dep["path"]: dep.get("md5") for dep in entry.get("deps", [])}
    is_false = any(
        parameters.get(key) != used.parameters.get(key) if isinstance(key, tuple) else _was_recorded(key, used, hashes)
        for key in changed
    )
    return entry if is_false else None


def remove(stage: str, entry: dict[str, Any], cache: Path, since: float) -> None:
    """Removes an entry from dvc.lock and the run cache; the next `dvc repro` runs the stage. DVC must be locked.

    Args:
        stage: name of the stage.
        entry: of `false_record`.
        cache: DVC's cache.
        since: Unix time; entries of the run cache that are older are left alone.
    """
    from dvc.utils.serialize import modify_yaml

    for file in map(Path, dvc_lock.FILES):
        if _stages(file).get(stage) == entry:
            with modify_yaml(str(file)) as content:
                del content["stages"][stage]
    for path in cache.glob("runs/*/*/*"):
        with suppress(OSError, UserError):
            if path.stat().st_mtime >= since and yaml.load(path) == entry:
                path.unlink()
                path.parent.rmdir()  # DVC fails at an empty one; another entry may be in it


def _was_recorded(path: str, used: StageInputs, hashes: dict[str, str | None]) -> bool:
    """Whether DVC recorded, or may have, the present state of a file that the stage used in another."""
    dep = next((dep for dep in hashes if PurePosixPath(path).is_relative_to(dep)), None)
    before = {name: state for name, state in used.states.items() if dep and PurePosixPath(name).is_relative_to(dep)}
    if all(isinstance(state, str) for state in before.values()):
        relative = {PurePosixPath(name).relative_to(dep or "").as_posix(): state for name, state in before.items()}
        md5 = relative["."] if "." in relative else dvc_hash.folder_hash(relative)
        return hashes.get(dep) != md5
    with suppress(OSError):  # a photo, of which only the time is known
        recorded = max(Path(file).stat().st_mtime for file in dvc_lock.FILES if Path(file).is_file())
        return Path(path).stat().st_ctime < recorded
    return True


def _stages(lock: Path) -> dict[str, Any]:
    with suppress(UserError, AttributeError):
        return (yaml.load(lock) or {}).get("stages") or {} if lock.is_file() else {}
    return {}

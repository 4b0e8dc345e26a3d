"""What a stage reads (parameters, code, data), compared at its end with what is there then.

DVC reads all of it after the stage's command, for `dvc.lock` and for its run cache: whatever was edited meanwhile would
be recorded as if the stage had used it. A stage whose inputs changed fails instead, so that DVC records nothing.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from apparel import paths
from apparel.errors import UserError, some_of
from apparel.utils import files, yaml
from apparel.utils.nested import flatten
from apparel.versioning import dvc_hash, dvc_yaml

PIPELINES = (Path("dvc.yaml"), paths.DATA / "demo" / "dvc.yaml")
"""The pipeline, and that of the drawn data set; the paths in both start at the project's root."""

CODE = ("apparel", "stages")
"""Folders of the project's code."""

DVC_LOCKS = Path(".dvc/tmp/rwlock")
"""Where DVC has, while a stage runs, the paths that it will record as read, each with the process that reads it."""

LONGEST_LIST = 5
"""Changed parameters or files that an error names."""

FileState = str | tuple[int, int, int]
"""MD5 of a file; of one in a data folder its size, time stamp and inode, as DVC has it: photos are many and large."""


@dataclass(frozen=True)
class StageInputs:
    """What a stage reads, as dvc.yaml lists it, and as it was when the stage started.

    Attributes:
        sections: parameters by file: dotted names of sections or single values.
        deps: files and folders.
        parameters: values by file and dotted name.
        states: of all files, by path.
    """

    sections: dict[str, list[str]]
    deps: list[Path]
    parameters: dict[tuple[str, str], Any] = field(default_factory=dict)
    states: dict[str, FileState] = field(default_factory=dict)


_started: dict[str, StageInputs] = {}
"""What each stage that runs in this process reads."""

_imported_code: dict[Path, dict[str, FileState]] = {}
"""The code before Python read it, by the project's folder."""


def record_code() -> None:
    """Records the code, for a process that imports a stage: an edit after that does not reach what runs."""
    if PIPELINES[0].is_file():
        _imported_code[Path.cwd()] = _code_states()


def imported_code_is_current() -> bool:
    """Whether the code of this folder is still as it was when `record_code` recorded it."""
    return _imported_code.get(Path.cwd()) == _code_states()


def _code_states() -> dict[str, FileState]:
    return _file_states([Path(folder) for folder in CODE])


@contextmanager
def unchanged(stage: str) -> Iterator[None]:
    """Around a stage's work: what it reads must be the same at its end. Without dvc.yaml nothing is compared.

    Raises:
        UserError: as `check_unchanged`; or params.yaml was edited after DVC started, which would record other paths.
    """
    inputs = _read_inputs(stage)
    if inputs is None:
        yield
        return
    _check_same_paths(stage, inputs.deps)
    _started[stage] = inputs
    try:
        yield
        check_unchanged(stage)
    finally:
        del _started[stage]


def check_unchanged(stage: str) -> None:
    """Compares what a stage reads with what it was when the stage started; does nothing outside `unchanged`.

    Raises:
        UserError: it differs; names the parameters with both values, the files, and the remedy.
    """
    inputs = _started.get(stage)
    if inputs is None:
        return
    now = _parameters(inputs.sections)
    changed = [
        f"{key[1]} from {inputs.parameters.get(key)!r} to {now.get(key)!r} ({key[0]})"
        if isinstance(key, tuple)
        else key
        for key in changes(inputs)
    ]
    if changed:
        raise UserError(
            f"nothing is recorded, since what {stage} reads changed while it ran: {some_of(changed, LONGEST_LIST)}; "
            "put it back and run again, which takes up a finished training at once, or run again with what is there "
            "now; `dvc exp run --temp` runs a copy of the project, so that you can edit meanwhile"
        )


def changes(inputs: StageInputs) -> list[tuple[str, str] | str]:
    """What differs now from what a stage read: parameters, as the file and the dotted name, then paths of files."""
    return [
        *_differing(inputs.parameters, _parameters(inputs.sections)),
        *_differing(inputs.states, _file_states(inputs.deps)),
    ]


def started(stage: str) -> StageInputs | None:
    """What a stage that runs in this process reads; None where no dvc.yaml has the stage."""
    return _started.get(stage)


def _check_same_paths(stage: str, deps: list[Path]) -> None:
    """Compares what a stage reads with what DVC, if it runs the stage, records: DVC replaces `${data.name}` when it
    starts, and params.yaml may have been edited since, such as while an earlier stage ran."""
    recorded = _paths_of_dvc()
    others = [dep.as_posix() for dep in deps if recorded and str(dep.absolute()) not in recorded]
    if others:
        raise UserError(
            f"params.yaml was edited after DVC started, and {stage} would read {some_of(others, LONGEST_LIST)}, "
            "but DVC record the path of before; run again"
        )


def _paths_of_dvc() -> set[str]:
    """The paths that the DVC which runs this process records as read; empty without one."""
    try:
        readers = json.loads(DVC_LOCKS.read_text(encoding="utf-8"))["read"]
        parents = {process.pid for process in psutil.Process().parents()} if "DVC_STAGE" in os.environ else set()
        return {path for path, by in readers.items() if any(reader["pid"] in parents for reader in by)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, psutil.Error):
        return set()


def _read_inputs(stage: str) -> StageInputs | None:
    """What a stage reads; None where no dvc.yaml has the stage."""
    pipelines = [yaml.load(path) or {} for path in PIPELINES if path.is_file()]
    parameters = yaml.load(paths.PARAMS) if paths.PARAMS.is_file() and "@" in stage else None
    unfolded = [dvc_yaml.read_stages(made, parameters or {}) for made in pipelines]
    definition = next((stages[stage] for stages in unfolded if stage in stages), None)
    if definition is None:
        return None
    sections: dict[str, list[str]] = {}
    for entry in definition.get("params", []):
        for file, names in (entry if isinstance(entry, dict) else {paths.PARAMS.as_posix(): [entry]}).items():
            sections.setdefault(file, []).extend(names)
    values = _flat_file(paths.PARAMS)
    deps = [Path(_resolved(dep, values)) for dep in definition.get("deps", [])]
    states = _file_states(deps)
    imported = _imported_code.get(Path.cwd(), {})
    states |= {name: imported[name] for name in states.keys() & imported.keys()}
    return StageInputs(sections, deps, _parameters(sections), states)


def _resolved(dep: str, values: dict[str, Any]) -> str:
    """A path of dvc.yaml with its `${data.name}` replaced, as DVC does from params.yaml."""
    return re.sub(r"\$\{\s*([^}\s]+)\s*\}", lambda found: str(values.get(found[1], found[0])), dep)


def _parameters(sections: dict[str, list[str]]) -> dict[tuple[str, str], Any]:
    return {
        (file, name): value
        for file, wanted in sections.items()
        for name, value in _flat_file(Path(file)).items()
        if any(name == prefix or name.startswith(f"{prefix}.") for prefix in wanted)
    }


def _flat_file(path: Path) -> dict[str, Any]:
    """All values of a params file by dotted name; empty where it has no sections, which the stage refuses."""
    values = yaml.load(path, "run from the project's root folder")
    return flatten(values) if isinstance(values, dict) else {}


def _file_states(deps: list[Path]) -> dict[str, FileState]:
    """The state of each file that is, or lies below, one of these paths; Python's compiled files are left out."""
    states: dict[str, FileState] = {}
    for dep in deps:
        by_content = dep.is_file() or dep.parts[0] in CODE
        for path in files.below(dep) if dep.is_dir() else [dep]:
            if path.is_file() and "__pycache__" not in path.parts:
                states[path.as_posix()] = dvc_hash.file_md5(path) if by_content else _stat(path)
    return states


def _stat(path: Path) -> FileState:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


def _differing(before: dict[Any, Any], now: dict[Any, Any]) -> list[Any]:
    return sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))

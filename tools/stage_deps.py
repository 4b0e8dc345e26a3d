"""Writes the code that each stage imports under `deps` in dvc.yaml: `make deps`, or `python -m tools.stage_deps`.

A stage's `deps` are its data and the project's files that it imports, transitively, and the templates that they fill.
A folder of which every module is imported is named as a whole. Code that changes no output is left out, see
`CHANGES_NO_OUTPUT`: an edit of it reruns nothing.
"""

from pathlib import Path, PurePosixPath

from ruamel.yaml import YAML

from tools import imports
from tools.imports import ROOT

DVC_YAML = ROOT / "dvc.yaml"
DEMO_YAML = ROOT / "data" / "demo" / "dvc.yaml"

CHANGES_NO_OUTPUT = (
    "apparel/tracking",
    "apparel/versioning/durations.py",
    "apparel/versioning/provenance.py",
    "apparel/versioning/removed_outputs.py",
    "apparel/training/bucket_checkpoints.py",
    "apparel/training/progress.py",
    "apparel/training/trial_messages.py",
)
"""What stages import to tell MLflow, the terminal, TensorBoard, a sweep, a bucket and the next run how they do.

Nothing of it enters an output.

`tests/end_to_end/test_without_tracking.py` runs train and eval without it and compares every byte.
"""


def definition(stage: dict) -> dict:
    """What a stage of dvc.yaml does; of a `foreach`, for each of its items."""
    return stage.get("do", stage)


def code(stage: dict, root: Path = ROOT) -> list[str]:
    """The project's files behind a stage's `python -m MODULE` that can change its outputs, as paths from `root`."""
    waiting, used = imports.files(stage["cmd"].split()[2], root), set()
    while waiting:
        path = waiting.pop()
        name = path.relative_to(root).as_posix()
        if name in used or changes_no_output(name):
            continue
        used.add(name)
        if path.suffix == ".py":
            for _, imported in imports.names(path):
                waiting += imports.files(imported, root)
            waiting += imports.templates(path)
    return sorted(used)


def changes_no_output(name: str) -> bool:
    """Whether a file, given by its path from the root, is left out of `deps`."""
    return any(PurePosixPath(name).is_relative_to(path) for path in CHANGES_NO_OUTPUT)


def folded(used: list[str], root: Path = ROOT) -> list[str]:
    """The same files, where every module of a package is among them its folder in their place."""
    packages = {parent for name in used for parent in PurePosixPath(name).parents if len(parent.parts) > 1}
    whole = {package for package in packages if _modules(root / package, root) <= set(used)}
    kept = {name for name in used if not any(PurePosixPath(name).is_relative_to(package) for package in whole)}
    outermost = {package.as_posix() for package in whole if not whole & set(package.parents)}
    return sorted(kept | outermost)


def _modules(folder: Path, root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in folder.rglob("*.py")}


def with_code(stage: dict) -> list[str]:
    """The stage's `deps` as they are to be: those that are not code as they are, then its code."""
    data = [dep for dep in stage["deps"] if PurePosixPath(dep).parts[0] not in imports.CODE]
    return data + folded(code(stage))


def main() -> None:
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 4096
    for path in (DVC_YAML, DEMO_YAML):
        pipeline = yaml.load(path)
        for stage in map(definition, pipeline["stages"].values()):
            stage["deps"] = with_code(stage)
        yaml.dump(pipeline, path)


if __name__ == "__main__":
    main()

"""Imports go one way, along the stages, and each library is imported where its package is."""

import graphlib
import re
from pathlib import Path

import pytest

from tests.support.repository import ROOT
from tools import imports

GROUND_FLOOR = ("params", "paths", "errors", "boxes", "classes", "images")
"""Modules that every package may import; they import each other and `utils`."""

ORDER = (
    ("utils",),
    ("versioning",),
    ("annotations",),
    ("data",),
    ("models",),
    ("inference",),
    ("evaluation",),
    ("tracking",),
    ("training", "analysis", "labelling"),
    ("sweeps",),
    ("cloud",),
    ("serving",),
    ("cli",),
)
"""Packages of `apparel`: each may import itself and those of earlier lines."""

NOT_IN_STAGES = ("analysis", "labelling", "sweeps", "cloud", "serving", "cli")

HOMES = {
    "object_detection": ("apparel/models/tfod/",),
    "mlflow": ("apparel/tracking/",),
    "optuna": ("apparel/sweeps/",),
    "optuna_dashboard": ("apparel/cli/dashboard.py",),
    "fastapi": ("apparel/serving/",),
    "uvicorn": ("apparel/serving/",),
    "prometheus_client": ("apparel/serving/",),
    "apache_beam": ("apparel/utils/",),
}
"""The only places that import these libraries."""

FLOOR = {package: floor for floor, packages in enumerate(ORDER) for package in packages}
MODULES = sorted(path for folder in imports.CODE for path in (ROOT / folder).rglob("*.py"))


def part(module: Path, root: Path) -> str:
    """The package or the ground floor's module that a file of `apparel` belongs to; `stages` for those."""
    parts = module.relative_to(root).with_suffix("").parts
    return parts[1] if parts[0] == "apparel" else parts[0]


def allowed(importer: str, imported: str) -> bool:
    """Whether code of one part may import code of another, each as `part` names it."""
    if imported in ("__init__", importer):
        return True
    if imported in GROUND_FLOOR:
        return True
    if importer == "stages":
        return imported not in NOT_IN_STAGES
    if importer in GROUND_FLOOR or importer == "__init__":
        return imported == "utils"
    if importer == "__main__":
        return imported == "cli"
    same_line = FLOOR.get(importer) == FLOOR.get(imported)
    return imported in FLOOR and not same_line and FLOOR[imported] < FLOOR[importer]


def faults(root: Path, modules: list[Path]) -> list[str]:
    """Every import that breaks the rule, as `file:line imports name`."""
    broken = []
    for module in modules:
        name = module.relative_to(root).as_posix()
        for line, imported in imports.names(module):
            library = imported.partition(".")[0]
            target = imports.file(imported, root)
            outside = library in ("tests", "tools", "benchmarks") or (
                library == "stages" and part(module, root) != "stages"
            )
            astray = library in HOMES and not name.startswith(HOMES[library])
            upwards = target is not None and not allowed(part(module, root), part(target, root))
            if outside or astray or upwards:
                broken.append(f"{name}:{line} imports {imported}")
    return broken


def circle(root: Path, modules: list[Path]) -> list[str]:
    """The files of a circle of imports, in order; none where there is no circle."""
    graph = {
        module: {
            target for _, name in imports.names(module) if (target := imports.file(name, root)) and target != module
        }
        for module in modules
    }
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return [path.relative_to(root).as_posix() for path in error.args[1]]
    return []


def test_imports_go_one_way_and_libraries_stay_at_home():
    assert faults(ROOT, MODULES) == []


def test_no_circle_of_imports_typing_included():
    assert circle(ROOT, MODULES) == []


def test_libraries_are_not_imported_by_their_name_in_a_string():
    for module in MODULES:
        assert not re.search(
            r"(import_module|__import__)\(\s*f?[\"'](?!apparel)", module.read_text(encoding="utf-8")
        ), module


def test_at_most_22_entries_in_the_package():
    entries = [path.name for path in (ROOT / "apparel").iterdir() if path.name != "__pycache__"]
    assert len(entries) <= 22, entries
    assert {name.removesuffix(".py") for name in entries} <= {"__init__", "__main__", *GROUND_FLOOR, *FLOOR}


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("apparel/data/split.py", "from apparel.training import loop"),
        ("apparel/training/loop.py", "from apparel.analysis import trace"),
        ("apparel/boxes.py", "def late():\n    from apparel.data import split"),
        ("apparel/utils/files.py", "from apparel.versioning import git"),
        ("apparel/models/detector.py", "import mlflow.pyfunc"),
        ("apparel/evaluation/coco.py", "from object_detection.core import losses"),
        ("apparel/cli/sweep.py", "from optuna import Study"),
        ("apparel/sweeps/plan.py", "import stages.train"),
        ("apparel/data/split.py", "from tests.support import project_copy"),
        ("stages/train.py", "from apparel.analysis import vega"),
    ],
)
def test_a_wrong_import_is_found(tmp_path, module, text):
    for name in ("apparel/training/loop.py", "apparel/analysis/trace.py", "apparel/analysis/vega.py", module):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for name in ("apparel/data/split.py", "apparel/versioning/git.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / module).write_text(f"{text}\n", encoding="utf-8")
    assert len(faults(tmp_path, [tmp_path / module])) == 1


def test_a_circle_through_type_checking_is_found(tmp_path):
    folder = tmp_path / "apparel" / "sweeps"
    folder.mkdir(parents=True)
    (folder / "worker.py").write_text("from apparel.sweeps.trial_runner import run\n", encoding="utf-8")
    hidden = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from apparel.sweeps.worker import Worker\n"
    (folder / "trial_runner.py").write_text(hidden, encoding="utf-8")
    assert len(circle(tmp_path, sorted(folder.iterdir()))) == 3

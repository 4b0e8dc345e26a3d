"""A git repository with what the plan of a sweep reads, and the configuration of a small sweep."""

import shutil
from pathlib import Path

from ruamel.yaml import YAML

from tests.support import project_copy
from tests.support.repository import ROOT

CONFIG = Path("configs/tiny.yaml")
RATES = [0.004, 0.02, 0.05]
"""Learning rates of the search space."""


def make(folder: Path) -> Path:
    """The repository, with one commit."""
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copytree(ROOT / "configs", folder / "configs")
    (folder / "data" / "demo").mkdir(parents=True)
    shutil.copy(ROOT / "data" / "demo" / "dvc.yaml", folder / "data" / "demo")
    project_copy.git(folder, "init", "--quiet")
    project_copy.git(folder, "add", "--all")
    project_copy.git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "one")
    return folder


def write_config(**changes: object) -> None:
    """Writes the configuration of the sweep `tiny`, in the working directory."""
    space = {"train.learning_rate": {"choice": RATES}}
    YAML().dump({"study": "tiny", "budget": {"trials": 2}, "space": space} | changes, CONFIG)

"""Train and eval write the same bytes when nobody is told how they do: what `deps` in dvc.yaml leaves out is right to
be left out."""

import hashlib
import shutil
from pathlib import Path

import pytest

from tests.end_to_end.test_pipeline import PHOTOS, SETTINGS
from tests.support import project_copy
from tools.stage_deps import CHANGES_NO_OUTPUT

pytestmark = pytest.mark.slow

NOTHING = '''
class Nothing:
    """Takes every call and every attribute, and does nothing."""

    def __call__(self, *arguments, **named):
        return self

    def __getattr__(self, name):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def __fspath__(self):
        return "nothing"


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Nothing()
'''


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """Two copies that ran all stages, one of them with `NOTHING` in place of the code that changes no output."""
    told = project_copy.copy(tmp_path_factory.mktemp("told"))
    steps = SETTINGS["train"] | {"steps": 10}
    project_copy.set_params(told / "params.yaml", **SETTINGS | {"train": steps})
    project_copy.set_params(told / "data" / "demo" / "params.yaml", draw=PHOTOS)
    for stage in ("draw", "convert", "split", "tfrecord"):
        run(told, stage)
    untold = told.with_name("untold")
    shutil.copytree(told, untold)
    for module in modules(untold):
        module.write_text(NOTHING, encoding="utf-8")
    for folder in (told, untold):
        for stage in ("train", "eval"):
            run(folder, stage)
    return {"told": told, "untold": untold}


def run(folder: Path, stage: str) -> None:
    done = project_copy.run(folder, f"stages.{stage}")
    assert done.returncode == 0, done.stdout


def modules(folder: Path) -> list[Path]:
    """The modules of the copy that are left out of every stage's dependencies."""
    found = []
    for name in CHANGES_NO_OUTPUT:
        path = folder / name
        found += path.rglob("*.py") if path.is_dir() else [path]
    return found


def outputs(folder: Path) -> dict[str, str]:
    """The hash of every file that the stages wrote."""
    results = folder / "data" / "results"
    files = sorted(path for path in results.rglob("*") if path.is_file())
    return {path.relative_to(results).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_every_output_is_the_same_byte_for_byte(folders):
    told, untold = outputs(folders["told"]), outputs(folders["untold"])
    assert {"train/history.csv", "train/val.json", "eval/index.html", "eval/metrics.json"} <= told.keys()
    assert told == untold


def test_one_of_them_told_nobody(folders):
    assert (folders["told"] / ".apparel" / "runs").is_dir()
    assert not (folders["untold"] / ".apparel" / "runs").exists()

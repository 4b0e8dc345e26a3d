"""DVC's record of a stage that names an edit made after the stage's end: recognised, and removed with nothing else."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from apparel.utils import files
from apparel.versioning import dvc_hash, stage_inputs, stage_record
from apparel.versioning.stage_inputs import StageInputs

PIPELINE = """
stages:
  train:
    cmd: python -m stages.train
    params: [data.classes, train]
    deps: [configs/a.config, apparel/models, data/results/tfrecord]
  eval:
    cmd: python -m stages.eval
"""
PARAMS = "data:\n  name: shop\n  classes: [Tops]\ntrain:\n  rate: 0.5\n  steps: null\n"
FILES = {
    "dvc.yaml": PIPELINE,
    "params.yaml": PARAMS,
    "configs/a.config": "model",
    "apparel/models/detector.py": "detector",
    "data/results/tfrecord/index.json": "{}",
}


@pytest.fixture
def used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StageInputs:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        files.write_text(Path(name), text)
        os.utime(name, (1, 1))
    with stage_inputs.unchanged("train"):
        return stage_inputs.started("train")


def _record() -> dict[str, Any]:
    """Writes what DVC would record now."""
    values = yaml.safe_load(Path("params.yaml").read_text())
    entry = {
        "cmd": "python -m stages.train",
        "deps": [
            {"path": path, "hash": "md5", "md5": dvc_hash.path_hash(Path(path))}
            for path in ("configs/a.config", "apparel/models", "data/results/tfrecord")
        ],
        "params": {"params.yaml": {"data.classes": values["data"]["classes"], "train": values["train"]}},
        "outs": [{"path": "model", "hash": "md5", "md5": "0" * 32}],
    }
    other = {"cmd": "python -m stages.eval", "outs": []}
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"train": entry, "eval": other}}))
    return entry


EDITS = {
    "a parameter": ("params.yaml", PARAMS.replace("0.5", "0.25")),
    "a new parameter": ("params.yaml", PARAMS + "  new: 1\n"),
    "classes": ("params.yaml", PARAMS.replace("[Tops]", "[Skirts]")),
    "a file": ("configs/a.config", "edited"),
    "a module": ("apparel/models/detector.py", "edited"),
    "a new module": ("apparel/models/new.py", ""),
    "data": ("data/results/tfrecord/index.json", "{ }"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_that_was_recorded_makes_the_record_false(used: StageInputs, edit: str) -> None:
    files.write_text(Path(EDITS[edit][0]), EDITS[edit][1])
    entry = _record()
    assert stage_record.false_record("train", used) == entry


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_after_the_record_is_no_matter(used: StageInputs, edit: str) -> None:
    _record()
    os.utime("dvc.lock", (2, 2))
    files.write_text(Path(EDITS[edit][0]), EDITS[edit][1])
    assert stage_record.false_record("train", used) is None


def test_without_an_edit_or_a_record_nothing_is_false(used: StageInputs) -> None:
    files.write_text(Path("params.yaml"), PARAMS.replace("shop", "shoe"))
    _record()
    assert stage_record.false_record("train", used) is None
    files.write_text(Path("params.yaml"), PARAMS.replace("0.5", "0.25"))
    Path("dvc.lock").unlink()
    assert stage_record.false_record("train", used) is None


def test_the_record_goes_from_the_lock_and_the_run_cache_and_all_others_stay(used: StageInputs) -> None:
    entry, cache = _record(), Path("cache")
    contents = {"aa/key/new": entry, "aa/key/old": entry, "aa/key/other": {**entry, "outs": []}, "bb/key/new": entry}
    for name, content in contents.items():
        files.write_text(cache / "runs" / name, yaml.safe_dump(content))
    os.utime(cache / "runs" / "aa/key/old", (5, 5))
    stage_record.remove("train", entry, cache, since=10)
    assert list(yaml.safe_load(Path("dvc.lock").read_text())["stages"]) == ["eval"]
    left = sorted(path.relative_to(cache / "runs").as_posix() for path in cache.glob("runs/*/*/*"))
    assert left == ["aa/key/old", "aa/key/other"]
    assert not (cache / "runs/bb/key").exists()

"""A stage whose parameters, code or data change while it runs fails, so that DVC records nothing of it."""

import shutil
from pathlib import Path

import pytest

from apparel.errors import UserError
from apparel.utils import files
from apparel.versioning import dvc_lock, stage_inputs
from apparel.versioning.stage import stage
from tests.support import fast_project, project_copy

DVC_YAML = """
stages:
  tfrecord:
    cmd: python -m stages.tfrecord
    params: [data, split.seed]
    deps:
      - data/${data.name}/photos
      - data/results/split.csv
      - apparel/data
      - stages/tfrecord.py
"""
DEMO = """
stages:
  draw:
    cmd: python -m stages.draw
    wdir: ../..
    deps: [stages/draw.py]
    params:
      - data/demo/params.yaml: [draw]
"""
PARAMS = "data:\n  name: shop\nsplit:\n  seed: 0\ntrain:\n  learning_rate: 0.004\n"
FILES = {
    "dvc.yaml": DVC_YAML,
    "data/demo/dvc.yaml": DEMO,
    "params.yaml": PARAMS,
    "data/demo/params.yaml": "draw:\n  seed: 0\n",
    "data/shop/photos/one.jpg": "photo one",
    "data/results/split.csv": "one.jpg,train",
    "apparel/data/shards.py": "shards",
    "apparel/data/__pycache__/shards.pyc": "compiled",
    "apparel/cli/run.py": "run",
    "stages/tfrecord.py": "tfrecord",
    "stages/draw.py": "draw",
}

QUICK_TRAIN = """
import os
from pathlib import Path

from apparel import errors, params, paths
from apparel.utils import files
from apparel.versioning.stage import stage


@stage("train")
def main() -> None:
    read = params.load()
    if edit := os.environ.get("EDITED"):
        name, before, after = edit.split("|")
        text = Path(name).read_text(encoding="utf-8")
        assert before in text
        files.write_text(Path(name), text.replace(before, after))
    files.write_text(paths.MODEL / "weights.txt", str(read.train.learning_rate))
    files.write_text(paths.HISTORY, "epoch,train/loss,val/loss,val/mAP50\\n1,1.0,1.0,0.5\\n")
    files.write_json(paths.VAL_METRICS, {"val": {"mAP50": 0.5}})


if __name__ == "__main__":
    errors.run(main)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        files.write_text(Path(name), text)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("params.yaml", PARAMS.replace("seed: 0", "seed: 7"), r"split.seed from 0 to 7 \(params.yaml\);"),
        ("params.yaml", PARAMS.replace("  seed: 0", "  other: 1"), r"split.seed from 0 to None \(params.yaml\);"),
        ("params.yaml", PARAMS.replace("shop", "demo"), r"data.name from 'shop' to 'demo' \(params.yaml\);"),
        ("data/shop/photos/one.jpg", "photo 1", "data/shop/photos/one.jpg;"),
        ("data/shop/photos/one.jpg", "photo two", "data/shop/photos/one.jpg;"),
        ("data/shop/photos/two.jpg", "photo two", "data/shop/photos/two.jpg;"),
        ("data/results/split.csv", "one.jpg,val", "data/results/split.csv;"),
        ("apparel/data/shards.py", "edited", "apparel/data/shards.py;"),
        ("apparel/data/new.py", "new", "apparel/data/new.py;"),
    ],
)
def test_a_stage_names_what_was_edited_while_it_ran(project: Path, name: str, text: str, named: str) -> None:
    with pytest.raises(UserError, match=f"what tfrecord reads changed while it ran: {named}"), stage("tfrecord"):
        files.write_text(Path(name), text)


def test_a_photo_that_was_removed_is_named(project: Path) -> None:
    with pytest.raises(UserError, match=r"ran: data/shop/photos/one\.jpg;"), stage("tfrecord"):
        Path("data/shop/photos/one.jpg").unlink()


def test_many_changes_are_counted(project: Path) -> None:
    with pytest.raises(UserError, match=r"0\.jpg, .*4\.jpg and 3 more;"), stage("tfrecord"):
        for number in range(8):
            files.write_text(Path(f"data/shop/photos/{number}.jpg"), "photo")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("params.yaml", PARAMS.replace("0.004", "0.4")),
        ("params.yaml", "# a comment\n" + PARAMS),
        ("apparel/cli/run.py", "edited"),
        ("apparel/data/__pycache__/shards.pyc", "compiled again"),
        ("apparel/data/shards.py", FILES["apparel/data/shards.py"]),
        ("data/shop/source.json", "{}"),
        ("dvc.lock", "schema: '2.0'"),
    ],
)
def test_an_edit_of_what_a_stage_does_not_read_is_no_matter(project: Path, name: str, text: str) -> None:
    with stage("tfrecord"):
        files.write_text(Path(name), text)


def test_values_that_are_back_before_the_end_are_no_matter(project: Path) -> None:
    with stage("tfrecord"):
        files.write_text(Path("params.yaml"), PARAMS.replace("seed: 0", "seed: 7"))
        files.write_text(Path("params.yaml"), PARAMS)


def test_the_drawn_data_set_has_parameters_of_its_own(project: Path) -> None:
    with stage("draw"):
        files.write_text(Path("params.yaml"), PARAMS.replace("seed: 0", "seed: 7"))
    with pytest.raises(UserError, match=r"draw.seed from 0 to 1 \(data/demo/params.yaml\)"), stage("draw"):
        files.write_text(Path("data/demo/params.yaml"), "draw:\n  seed: 1\n")


def test_the_stages_own_error_comes_first(project: Path) -> None:
    with pytest.raises(ZeroDivisionError), stage("tfrecord"):
        files.write_text(Path("apparel/data/shards.py"), "edited")
        raise ZeroDivisionError


def test_nothing_is_compared_without_a_pipeline_or_in_another_stage(project: Path) -> None:
    with stage("convert"):
        files.write_text(Path("stages/tfrecord.py"), "edited")
    Path("dvc.yaml").unlink()
    with stage("tfrecord"):
        files.write_text(Path("stages/tfrecord.py"), "edited once more")


def test_a_module_edited_after_its_import_is_not_what_runs(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_inputs, "_imported_code", {})
    stage_inputs.record_code()
    files.write_text(Path("apparel/data/shards.py"), "edited")
    with pytest.raises(UserError, match=r"apparel/data/shards\.py"), stage("tfrecord"):
        stage_inputs.check_unchanged("tfrecord")


@pytest.mark.parametrize("rows", ["{}", "no JSON", '{"read": []}', '{"read": {"data": [{}]}}'])
def test_locks_of_dvc_that_cannot_be_read_are_no_matter(project: Path, monkeypatch: pytest.MonkeyPatch, rows) -> None:
    monkeypatch.setenv("DVC_STAGE", "tfrecord")
    files.write_text(stage_inputs.DVC_LOCKS, rows)
    with stage_inputs.unchanged("tfrecord"):
        pass


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that ran as far as train."""
    folder = fast_project.copy(tmp_path_factory.mktemp("edited"))
    files.write_text(folder / "stages" / "train.py", QUICK_TRAIN)
    done = project_copy.run(folder, "dvc", "repro", "train")
    assert done.returncode == 0, done.stdout
    return folder


@pytest.mark.parametrize(
    ("rate", "edit", "said"),
    [
        (0.25, "params.yaml|learning_rate: 0.25|learning_rate: 0.5", "train.learning_rate from 0.25 to 0.5"),
        (0.125, "apparel/models/detector.py|import|\nimport", "apparel/models/detector.py"),
        (0.0625, "data/results/tfrecord/index.json|{|{ ", "data/results/tfrecord/index.json"),
    ],
)
@pytest.mark.slow
def test_dvc_records_nothing_of_a_stage_whose_inputs_changed(quick: Path, rate: float, edit: str, said: str) -> None:
    params, name = quick / "params.yaml", edit.split("|")[0]
    original = params.read_bytes()
    project_copy.set_params(params, train={"learning_rate": rate})
    before, lock, entries = (quick / name).read_bytes(), _recorded_stages(quick), _run_cache(quick)
    try:
        done = project_copy.run(quick, "dvc", "repro", "train", EDITED=edit)
        assert done.returncode != 0
        assert f"what train reads changed while it ran: {said}" in done.stdout
        assert _recorded_stages(quick) == lock
        assert _run_cache(quick) == entries
        _check_trained_rates(quick, 2 * rate, rate)
    finally:
        (quick / name).unlink()
        (quick / name).write_bytes(before)
        params.write_bytes(original)


@pytest.mark.slow
def test_a_path_that_was_set_after_dvc_started_is_refused(quick: Path) -> None:
    pipeline, params = quick / "dvc.yaml", quick / "params.yaml"
    original, lock = {path: path.read_bytes() for path in (pipeline, params)}, (quick / "dvc.lock").read_bytes()
    shutil.copy(quick / "configs" / "ssd_mobilenet_v1.config", quick / "configs" / "other.config")
    edit = """sed -i s/ssd_mobilenet_v1/other/ params.yaml && python -m stages.train"""
    files.write_text(pipeline, original[pipeline].decode().replace("python -m stages.train", edit))
    try:
        done = project_copy.run(quick, "dvc", "repro", "--single-item", "train")
        assert done.returncode != 0
        assert "after DVC started, and train would read configs/other.config, but" in done.stdout
        assert (quick / "dvc.lock").read_bytes() == lock
    finally:
        for path, content in original.items():
            path.write_bytes(content)
        (quick / "configs" / "other.config").unlink()


@pytest.mark.slow
def test_an_edit_between_the_end_of_a_stage_and_the_record_of_dvc_is_not_recorded(quick: Path) -> None:
    pipeline, params = quick / "dvc.yaml", quick / "params.yaml"
    original = {path: path.read_bytes() for path in (pipeline, params)}
    project_copy.set_params(params, train={"learning_rate": 0.03125})
    edit = "python -m stages.train && sed -i s/0.03125/0.015625/ params.yaml"
    files.write_text(pipeline, original[pipeline].decode().replace("python -m stages.train", edit))
    entries = _run_cache(quick)
    try:
        done = project_copy.run(quick, "dvc", "repro", "--single-item", "train")
        assert done.returncode == 0, done.stdout
        project_copy.wait_for_guards(quick)
        assert "0.015625" in params.read_text()
        assert "train" not in dvc_lock.read_folder(quick).stages
        assert _run_cache(quick) == entries
        files.write_text(pipeline, original[pipeline].decode())
        _check_trained_rates(quick, 0.015625, 0.03125)
    finally:
        for path, content in original.items():
            path.write_bytes(content)


def _check_trained_rates(folder: Path, *rates: float) -> None:
    """Whichever value params.yaml has next, the model that DVC hands out was trained with it."""
    for rate in rates:
        project_copy.set_params(folder / "params.yaml", train={"learning_rate": rate})
        done = project_copy.run(folder, "dvc", "repro", "--single-item", "train")
        assert done.returncode == 0, done.stdout
        assert (folder / "data/results/train/model/weights.txt").read_text() == str(rate)


def _recorded_stages(folder: Path) -> dict:
    """What dvc.lock has of each stage, but for `check`, which is recorded for every change of a parameter."""
    stages = dvc_lock.read_folder(folder).stages
    return {name: stage for name, stage in stages.items() if name != "check"}


def _run_cache(folder: Path) -> set[str]:
    return {path.name for path in (folder / ".dvc" / "cache" / "runs").rglob("*") if path.is_file()}

"""Trained models with their exports, of the workspace, of commits and of experiments."""

import math
from pathlib import Path

import pytest

from apparel import paths
from apparel.analysis import exported_models
from apparel.errors import UserError
from apparel.evaluation import export_figures
from apparel.utils import files
from apparel.versioning import dvc_hash
from tests.support import exported_formats, measured_project, project_copy

NAMES = [f"{number}.png" for number in range(3)]
DETECTED = dict.fromkeys(measured_project.CLASSES, 1.0)


def export(name: str, model: str | None = None) -> None:
    """Writes an export as the stage does; its content is made up."""
    model = model or dvc_hash.path_hash(paths.MODEL)
    target = paths.EXPORTS[name]
    files.write_text(target, "content")
    runtimes = ("ONNX Runtime", "OpenVINO") if name == "onnx" else (None,)
    figures = [exported_formats.format_figures(name, test=0.6, runtime=runtime) for runtime in runtimes]
    measured = [exported_formats.format_figures("trained model"), *figures]
    files.write_json(paths.export_report(name), export_figures.to_json(measured, model))


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A commit without exports, one with two, and a workspace with other ones."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        measured_project.new(folder)
        pipeline = Path("dvc.yaml")
        pipeline.write_text(pipeline.read_text(encoding="utf-8") + "      - data/results/export\n", encoding="utf-8")
        paths.EXPORT.mkdir(parents=True)
        (paths.EXPORT / "none").touch()
        measured_project.write(NAMES, DETECTED)
        measured_project.commit(folder, "without")
        export("tflite")
        export("onnx")
        measured_project.commit(folder, "with")
        tip = project_copy.git(folder, "rev-parse", "HEAD").strip()
        project_copy.git(folder, "update-ref", f"refs/exps/{tip[:2]}/{tip[2:]}/six", tip)
    return folder


@pytest.fixture(autouse=True)
def _in_the_project(project, monkeypatch) -> None:
    monkeypatch.chdir(project)


def test_all_with_exports_are_loaded_by_default(project) -> None:
    with exported_models.load_models([]) as (models, notes):
        assert [model.result for model in models] == ["workspace", "six"] and notes == []
        for model in models:
            assert [(each.format, each.runtime, each.map50) for each in model.choices] == [
                ("trained model", "TensorFlow", 1.0),
                ("tflite", "TensorFlow Lite", 0.6),
                ("onnx", "ONNX Runtime", 0.6),
                ("onnx", "OpenVINO", 0.6),
            ]
            assert all(path.exists() for path in model.paths)
            assert [path.name for path in model.paths] == ["model", "detector.tflite", *["detector.onnx"] * 2]
            assert model.hash == dvc_hash.path_hash(paths.MODEL)
            assert {each.photos for each in model.choices} == {models[0].choices[0].photos}
    assert not models[1].paths[0].exists()  # the copies are gone


def test_a_named_one_needs_no_exports() -> None:
    with exported_models.load_models(["HEAD~1"]) as (models, _):
        (choice,) = models[0].choices
        assert choice.name == "HEAD~1, trained model" and choice.map50 == 1.0 and choice.size > 0


def test_unknown_names_are_refused() -> None:
    with (
        pytest.raises(UserError, match="'nothing' is no commit or experiment"),
        exported_models.load_models(["nothing"]),
    ):
        pass


def test_exports_of_another_model_are_refused_by_name_and_left_out_otherwise(project) -> None:
    content = paths.export_report("tflite").read_bytes()
    export("tflite", model="0" * 32 + ".dir")
    try:
        with pytest.raises(UserError, match="tflite of workspace is of another model"):
            exported_models.load_models(["workspace"]).__enter__()
        with exported_models.load_models([]) as (models, notes):
            assert [model.result for model in models] == ["six"]
            assert "left out" in notes[0] and "tflite of workspace is of another model" in notes[0]
    finally:
        paths.export_report("tflite").write_bytes(content)


def test_accuracy_that_was_not_measured_is_undefined(project, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="has no trained model"):
        exported_models.load_models(["workspace"]).__enter__()
    files.write_text(paths.MODEL / "weights", "w")
    with exported_models.load_models(["workspace"]) as (models, _):
        assert math.isnan(models[0].choices[0].map50)

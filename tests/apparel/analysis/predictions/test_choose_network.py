"""The fastest network of a model: an export of this very model, or the model itself."""

import pytest

from apparel import paths
from apparel.analysis.predictions import choose_network
from apparel.errors import UserError
from apparel.inference import networks
from apparel.versioning import dvc_hash
from tests.support.whole_photo_network import WholePhotoNetwork


@pytest.fixture
def model(tmp_path, monkeypatch):
    """DVC's hash of a model folder, the working directory's; each export's file holds the hash of its model."""
    monkeypatch.chdir(tmp_path)
    paths.MODEL.mkdir(parents=True)
    (paths.MODEL / "pipeline.config").touch()

    def load(path, runtime=None, threads=None):
        return WholePhotoNetwork(model=path.read_text(encoding="utf-8") if path.is_file() else "itself")

    monkeypatch.setattr(networks, "load", load)
    return dvc_hash.path_hash(paths.MODEL)


def export(name, model):
    paths.EXPORTS[name].parent.mkdir(parents=True, exist_ok=True)
    paths.EXPORTS[name].write_text(model, encoding="utf-8")


def test_without_an_export_the_model_itself_is_taken(model):
    loaded, file, notes = choose_network.choose(paths.MODEL, None)
    assert (len(loaded), file, loaded[0].metadata.model) == (1, paths.MODEL, "itself")
    assert notes == ["the model was trained before thresholds came with it: 0.5 is taken for every class"]


def test_the_fastest_export_of_this_model_is_taken_and_one_of_another_is_named(model):
    (paths.MODEL / "thresholds.json").touch()
    model = dvc_hash.path_hash(paths.MODEL)
    export("onnx", model)
    assert choose_network.choose(paths.MODEL, None)[1] == paths.EXPORTS["onnx"]
    export("tflite", "another")
    _, file, notes = choose_network.choose(paths.MODEL, None)
    assert file == paths.EXPORTS["onnx"]
    assert "is of another model" in notes[0]
    export("tflite", model)
    assert choose_network.choose(paths.MODEL, None)[1:] == (paths.EXPORTS["tflite"], [])
    assert choose_network.choose(paths.MODEL, "tensorflow")[1] == paths.MODEL


def test_a_runtime_that_was_asked_for_and_is_not_there_is_refused(model):
    with pytest.raises(UserError, match="apparel export --format tflite_int8"):
        choose_network.choose(paths.MODEL, "tflite_int8")
    export("onnx", "another")
    with pytest.raises(UserError, match="is of another model"):
        choose_network.choose(paths.MODEL, "openvino")
    with pytest.raises(UserError, match="leave --runtime out"):
        choose_network.choose(paths.EXPORTS["onnx"], "tensorflow")


def test_an_exported_file_is_taken_as_it_is(model):
    export("tflite", "any")
    loaded, file, _ = choose_network.choose(paths.EXPORTS["tflite"], None)
    assert (loaded[0].metadata.model, file) == ("any", paths.EXPORTS["tflite"])


def test_the_folder_of_a_saved_model_is_an_export_though_it_has_a_pipeline_file(model):
    folder = paths.EXPORTS["saved_model"]
    folder.mkdir(parents=True)
    for name in ("pipeline.config", "saved_model.pb"):
        (folder / name).touch()
    export("tflite", "another")
    _, file, notes = choose_network.choose(folder, None)
    assert (file, notes, choose_network.files_of(folder)) == (folder, [], [folder])


def test_the_files_that_may_be_loaded(model):
    assert choose_network.files_of(paths.MODEL) == [paths.MODEL]
    export("tflite", "any")
    export("onnx", "any")
    assert choose_network.files_of(paths.MODEL) == [paths.MODEL, paths.EXPORTS["tflite"], paths.EXPORTS["onnx"]]
    assert choose_network.files_of(paths.EXPORTS["onnx"]) == [paths.EXPORTS["onnx"]]


def test_a_way_of_loading_that_is_given_gets_the_name_of_the_runtime(model):
    export("onnx", dvc_hash.path_hash(paths.MODEL))
    calls = []

    def load(path, name):
        calls.append((path, name))
        return [networks.load(path)]

    assert choose_network.choose(paths.MODEL, None, load)[1] == paths.EXPORTS["onnx"]
    choose_network.choose(paths.MODEL, "tensorflow", load)
    choose_network.choose(paths.EXPORTS["onnx"], "onnx", load)
    onnx = paths.EXPORTS["onnx"]
    assert calls == [(onnx, "OpenVINO"), (paths.MODEL, None), (onnx, "ONNX Runtime")]

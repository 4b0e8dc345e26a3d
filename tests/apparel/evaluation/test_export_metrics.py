"""Measurement of exported formats beside the trained model."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from apparel import paths
from apparel.classes import ALL
from apparel.errors import UserError
from apparel.evaluation import export_figures, export_metrics
from apparel.inference import networks
from apparel.inference.tensorflow_network import load_tensorflow_network
from apparel.models.detector import Detector
from apparel.models.thresholds import Thresholds, default_thresholds
from apparel.versioning import dvc_hash
from tests.support import tiny_detector
from tests.support.box_tables import LEFT, RIGHT, detection_table, photo_table, truth_table
from tests.support.repository import ROOT
from tests.support.whole_photo_network import WholePhotoNetwork

NAMES = ["a.jpg", "b.jpg", "c.jpg"]
TRUTH = truth_table(*((name, "Tops", LEFT) for name in NAMES))


def scored(*detections):
    tables = {"photos": photo_table(NAMES), "ground_truth": TRUTH, "detections": detection_table(*detections)}
    return SimpleNamespace(**tables)


def test_largest_differences_are_between_matching_detections() -> None:
    trained = scored(
        ("a.jpg", "Tops", 0.9, LEFT),
        ("b.jpg", "Tops", 0.8, LEFT),
        ("b.jpg", "Tops", 0.7, RIGHT),  # wrong, but shown
        ("c.jpg", "Tops", 0.3, LEFT),  # below the threshold
    )
    exported = scored(
        ("a.jpg", "Tops", 0.87, LEFT),
        ("b.jpg", "Tops", 0.8, (0, 0, 10, 9.5)),
        ("b.jpg", "Dresses", 0.7, RIGHT),  # of another class: the detection is lost
        ("c.jpg", "Tops", 0.1, (0, 0, 7, 10)),
    )
    thresholds = Thresholds({"Dresses": 0.5, "Tops": 0.5}, None, {})
    figures = export_metrics.compare_split(trained, exported, thresholds)
    assert (figures.compared, figures.lost, figures.photos) == (3, 1, 3)
    assert figures.largest_score == pytest.approx(0.03) and figures.largest_corner == pytest.approx(0.5)
    # The third garment comes after the wrong detection in the trained model: precisions 1, 1, 3/4.
    assert figures.table.loc[ALL, "trained"] == pytest.approx((1 + 1 + 0.75) / 3)
    assert figures.map50 == pytest.approx(1) and figures.difference == pytest.approx(0.25 / 3)
    assert figures.table.loc["Dresses"].isna().all()


def test_the_trained_model_itself_is_not_apart() -> None:
    trained = scored(("a.jpg", "Tops", 0.9, LEFT), ("b.jpg", "Tops", 0.4, RIGHT))
    figures = export_metrics.compare_split(trained, trained, default_thresholds(["Tops"]))
    assert figures.table.loc["Tops", ["difference", "low", "high"]].tolist() == [0, 0, 0]
    assert (figures.lost, figures.largest_score, figures.largest_corner) == (0, 0, 0)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        detector = Detector(tiny_detector.config(tiny_detector.train_params()), tiny_detector.CLASSES)
        patch.chdir(folder)
        tiny_detector.records(Path())
        detector.save(paths.MODEL)
    return folder


@pytest.fixture
def index(project, monkeypatch):
    from apparel.data.index import read_index

    monkeypatch.chdir(project)
    return read_index(paths.TFRECORD)


def test_every_format_is_measured_on_val_and_test(index, monkeypatch, tmp_path) -> None:
    loaded = []
    network = WholePhotoNetwork(batch_size=1, model=dvc_hash.path_hash(paths.MODEL))
    monkeypatch.setattr(networks, "load", lambda path, runtime=None: loaded.append((path.name, runtime)) or network)
    monkeypatch.setattr(export_figures, "RUNTIMES", {})
    monkeypatch.setattr(
        export_metrics, "RUNTIMES", {"onnx": {"One": "json", "Missing": "no_such_package", "Two": "csv"}}
    )
    files = {"tflite": tmp_path / "a.tflite", "onnx": tmp_path / "folder"}
    files["tflite"].write_bytes(b"12345")
    (files["onnx"] / "variables").mkdir(parents=True)
    for name in ("saved_model.pb", "variables/variables.index"):
        (files["onnx"] / name).write_bytes(b"123")
    loaded_model = load_tensorflow_network(paths.MODEL)
    reference = export_metrics.detect_reference(loaded_model, index)
    trained, *exported = export_metrics.measure_formats(files, loaded_model, paths.MODEL, index, reference)
    assert loaded == [("a.tflite", None), ("folder", "One"), ("folder", "Two")]
    assert [(each.format, each.file, each.size) for each in exported] == [
        ("tflite", "a.tflite", 5), ("onnx", "folder", 6), ("onnx", "folder", 6),
    ]  # fmt: skip
    assert trained.format == export_figures.TRAINED and trained.splits["val"].difference == 0
    # A box over the whole photo does not reach IoU 0.5 with a square of less than half of it.
    assert {split: figures.photos for split, figures in exported[0].splits.items()} == {"val": 6, "test": 1}
    assert [exported[0].splits[split].map50 for split in ("val", "test")] == [0, 0]
    assert all(shape == (1, 64, 64, 3) for shape in network.calls) and len(network.calls) == 3 * (6 + 1)


def test_an_export_of_another_model_is_an_error(index, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(networks, "load", lambda path, runtime=None: WholePhotoNetwork(model="0" * 32))
    with pytest.raises(UserError, match="of another model, 0000"):
        export_metrics.measure_formats(
            {"tflite": tmp_path}, load_tensorflow_network(paths.MODEL), paths.MODEL, index, {}
        )


def test_speed_is_measured_on_all_cores_and_on_one(index, monkeypatch) -> None:
    measured = []

    def measure(candidates, photos, threads=None):
        measured.append((list(candidates), len(photos), threads))
        return {}

    monkeypatch.setattr(export_metrics.speed, "measure", measure)
    monkeypatch.setattr(export_metrics, "RUNTIMES", {"onnx": {"One": "json", "Two": "csv"}})
    monkeypatch.setattr(export_figures, "RUNTIMES", {"onnx": {}})
    record = export_metrics.measure_speed({"tflite": Path("a"), "onnx": Path("b")}, paths.MODEL, index)
    names = ["trained model", "tflite", "onnx on One", "onnx on Two"]
    assert measured == [(names, 6, None), (names, 6, 1)]
    assert record.model.endswith(".dir")

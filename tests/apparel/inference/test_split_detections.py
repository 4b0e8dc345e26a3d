from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from apparel.boxes import CORNERS
from apparel.data.index import Index
from apparel.inference.split_detections import _scored, detect_split, detect_split_with
from apparel.inference.tensorflow_network import of_detector
from apparel.models.detections import Detections
from apparel.models.detector import Detector
from tests.support import tiny_detector
from tests.support.repository import ROOT


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    return tiny_detector.records(tmp_path)


def test_every_photo_of_a_split_is_scored_by_detector_and_network_alike(index: Index) -> None:
    detector = Detector(tiny_detector.config(tiny_detector.train_params()), tiny_detector.CLASSES)
    scored = detect_split(detector, index, "val")
    assert len(scored.photos) == index.splits["val"].photos
    assert len(scored.ground_truth) == index.splits["val"].boxes
    assert scored.detections["score"].between(0, 1).all()
    by_network = detect_split_with(of_detector(detector), detector, index, "val")
    assert by_network.ground_truth.equals(scored.ground_truth)
    assert by_network.detections["class"].tolist() == scored.detections["class"].tolist()
    np.testing.assert_allclose(by_network.detections[CORNERS], scored.detections[CORNERS], rtol=0, atol=1e-3)
    assert np.isnan(by_network.loss) and not np.isnan(scored.loss)
    without_loss = detect_split(detector, index, "val", with_loss=False)
    assert np.isnan(without_loss.loss) and without_loss.detections.equals(scored.detections)


def test_padding_counts_neither_as_photo_nor_as_box_and_corners_are_in_pixels_of_the_photo() -> None:
    batch = {
        "filename": np.array([b"b.jpg", b"a.jpg", b""]),
        "width": np.array([200, 100, 0]),
        "height": np.array([100, 300, 0]),
        "boxes": np.array([[[0, 0, 0.5, 0.5], [0, 0, 0, 0]], [[0.1, 0.2, 1, 1], [0, 0, 1, 1]], np.zeros((2, 4))]),
        "classes": np.array([[[0, 1], [0, 0]], [[1, 0], [0, 1]], [[0, 0], [0, 0]]]),
        "difficult": np.array([[True, False], [False, False], [False, False]]),
        "count": np.array([1, 2, 0]),
        "real": np.array([True, True, False]),
    }
    scores = np.array([[0.3, 0.0], [0.9, 0.4], [0.8, 0.7]], np.float32)
    numbers = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], np.float32)
    detections = Detections(batch["boxes"].astype(np.float32), numbers, scores, np.array([1, 2, 2]))
    tensors = {name: tf.constant(values) for name, values in batch.items()}
    scored = _scored([tensors], lambda batch: (0.5, detections), 3, ("Skirts", "Tops"))
    assert scored.photos.values.tolist() == [["a.jpg", 100, 300], ["b.jpg", 200, 100]]
    assert scored.ground_truth.values.tolist() == [
        ["a.jpg", 100, 300, "Skirts", 20, 30, 100, 300, False],
        ["a.jpg", 100, 300, "Tops", 0, 0, 100, 300, False],
        ["b.jpg", 200, 100, "Tops", 0, 0, 100, 50, True],
    ]
    detected = scored.detections.round(4).values.tolist()
    assert [row[:3] for row in detected] == [["a.jpg", "Skirts", 0.9], ["a.jpg", "Tops", 0.4], ["b.jpg", "Tops", 0.3]]
    assert detected[2][3:] == [0, 0, 100, 50]


def test_a_split_without_a_detection_has_a_table_with_the_same_columns() -> None:
    row = {"filename": np.array([b"a"]), "width": np.array([2]), "height": np.array([2]), "real": np.array([True])}
    boxes = {"boxes": np.zeros((1, 1, 4)), "classes": np.zeros((1, 1, 2)), "difficult": np.array([[False]])}
    batch = {name: tf.constant(values) for name, values in (row | boxes | {"count": np.array([0])}).items()}
    nothing = Detections(np.zeros((1, 1, 4)), np.zeros((1, 1)), np.zeros((1, 1)), np.array([0]))
    scored = _scored([batch], lambda batch: (0.5, nothing), 1, ("Skirts", "Tops"))
    assert list(scored.detections.columns) == ["filename", "class", "score", *CORNERS] and scored.detections.empty
    assert scored.ground_truth.empty and scored.photos["filename"].tolist() == ["a"]

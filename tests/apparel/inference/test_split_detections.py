from pathlib import Path

import numpy as np
import pytest

from apparel.boxes import CORNERS
from apparel.data.index import Index
from apparel.inference.split_detections import detect_split, detect_split_with
from apparel.inference.tensorflow_network import of_detector
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

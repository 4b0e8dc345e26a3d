from pathlib import Path

import numpy as np
import pytest

from apparel.inference import networks
from apparel.inference.tensorflow_network import of_detector
from apparel.models.detector import Detector
from apparel.models.thresholds import FILE, Thresholds
from tests.support import tiny_detector


@pytest.fixture
def detector() -> Detector:
    return Detector(tiny_detector.config(tiny_detector.train_params()), tiny_detector.CLASSES)


def test_a_trained_model_is_loaded_with_its_thresholds(detector: Detector, tmp_path: Path) -> None:
    thresholds = Thresholds({"bright": 0.1, "dark": 0.2}, None, {})
    detector.save(tmp_path / "model", thresholds)
    network = networks.load(tmp_path / "model")
    assert network.metadata.thresholds == thresholds
    assert network.metadata.classes == tiny_detector.CLASSES
    assert (network.metadata.height, network.metadata.width) == (tiny_detector.SIDE, tiny_detector.SIDE)
    assert network.metadata.model.endswith(".dir")
    photo = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    images = np.stack([network.prepare(photo), network.prepare(photo[::-1])])
    for loaded, built in zip(network.detect(images), of_detector(detector).detect(images), strict=True):
        np.testing.assert_array_equal(loaded, built)


def test_a_model_from_before_thresholds_came_with_it(detector: Detector, tmp_path: Path) -> None:
    detector.save(tmp_path / "model")
    (tmp_path / "model" / FILE).unlink()
    (tmp_path / "model" / "md5.json").unlink()
    assert networks.load(tmp_path / "model").metadata.thresholds.by_class == {"bright": 0.5, "dark": 0.5}

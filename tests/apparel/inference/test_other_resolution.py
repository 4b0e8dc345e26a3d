"""A trained detector on another input size."""

import numpy as np
import pytest

from apparel.errors import UserError
from apparel.inference import networks, other_resolution
from apparel.models.detector import Detector
from tests.support import tiny_detector

pytestmark = pytest.mark.slow


def test_layers_take_the_size_and_anchors_stay_what_they_were_in_pixels(tmp_path):
    trained = Detector(tiny_detector.config(tiny_detector.train_params()), tiny_detector.CLASSES)
    trained.save(tmp_path / "model")
    larger = other_resolution.load(tmp_path / "model", 128)
    assert (larger.metadata.height, larger.metadata.width) == (128, 128)
    assert larger.metadata.model == networks.load(tmp_path / "model").metadata.model
    first, second = (
        sides(detector, side) for detector, side in ((trained, tiny_detector.SIDE), (larger.detector, 128))
    )
    np.testing.assert_allclose(second, first, rtol=1e-4)
    photo = np.zeros((90, 70, 3), np.uint8)
    assert larger.detect(larger.prepare(photo)[np.newaxis]).scores.shape[0] == 1
    with pytest.raises(UserError, match="only a trained model takes another resolution"):
        other_resolution.load(tmp_path / "model.tflite", 128)


@pytest.mark.parametrize("resolution", [64, 100])
def test_anchors_of_a_pyramid_stand_at_the_places_of_its_maps(tmp_path, resolution):
    """At 64 they are the API's; those for 100, which is padded to 128, are listed in the pipeline file."""
    train = tiny_detector.train_params(detector="ssd_efficientnet_lite0_fpnlite", resolution=resolution)
    trained = Detector(tiny_detector.config(train), tiny_detector.CLASSES)
    trained.save(tmp_path / "model")
    larger = other_resolution.load(tmp_path / "model", 96).detector
    feature_maps = larger.model._feature_extractor(np.zeros((1, 96, 96, 3), np.float32))
    shapes = [tuple(values.shape[1:3]) for values in feature_maps]
    boxes = larger.model._anchor_generator.generate(shapes, im_height=96, im_width=96)
    anchors = [each.get().numpy() * 96 for each in boxes]
    centres = [np.unique((each[:, 0] + each[:, 2]).round(2) / 2).tolist() for each in anchors]
    assert centres == [[8, 24, 40, 56, 72, 88], [16, 48, 80], [16, 80], [48]]


def sides(detector, side):
    """Height and width in pixels of the anchors of each kind, the smallest first."""
    feature_maps = detector.model._feature_extractor(np.zeros((1, side, side, 3), np.float32))
    shapes = [tuple(values.shape[1:3]) for values in feature_maps]
    anchors = detector.model._anchor_generator.generate(shapes, im_height=1, im_width=1)
    boxes = np.concatenate([each.get().numpy() for each in anchors])
    return np.unique(np.round(side * (boxes[:, 2:] - boxes[:, :2]), 2), axis=0)

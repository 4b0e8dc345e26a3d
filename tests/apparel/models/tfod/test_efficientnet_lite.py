"""EfficientNet-Lite: shapes as published, batch normalisation that can be frozen."""

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from apparel.errors import UserError
from apparel.models import pipeline_config
from apparel.models.detector import Detector
from apparel.models.tfod import efficientnet_lite
from apparel.models.tfod.model import early_layers
from tests.support import tiny_detector
from tests.support.repository import ROOT


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with tiny_detector.project(tmp_path_factory.mktemp("training")) as folder:
        yield folder


@functools.cache
def backbone(network: str, depth_multiplier: float = 1.0, trains_statistics: bool = True) -> tf.keras.Model:
    layers = efficientnet_lite.Layers(None, trains_statistics)
    return efficientnet_lite.backbone(network, depth_multiplier, 8, layers)


@pytest.mark.parametrize(
    ("network", "weights", "blocks"), [("lite0", 4_652_008, 16), ("lite1", 5_416_680, 21), ("lite2", 6_092_072, 21)]
)
def test_networks_are_as_large_as_published(network, weights, blocks):
    """With 1,280 weights and a bias for each of ImageNet's 1,000 classes; statistics of normalisation not counted."""
    model = backbone(network)
    assert sum(weight.shape.num_elements() for weight in model.trainable_weights) + 1281 * 1000 == weights
    assert sum(layer.name.endswith("depthwise_conv") for layer in model.layers) == blocks
    sides = [shape[1] for shape in model.compute_output_shape([1, 256, 256, 3])]
    assert sides == [64, 32, 16, 8]
    assert model.outputs[-1].shape[-1] == 1280


def test_the_depth_multiplier_scales_every_layer_once():
    half = backbone("lite0", 0.5)
    widths = {"stem": 16, "block_0_project": 8, "block_11_expand": 336, "block_15_project": 160, "head": 640}
    assert {name: half.get_layer(f"{name}_conv").filters for name in widths} == widths


def test_early_layers_end_before_a_sixteenth():
    names = [layer.name for layer in early_layers(backbone("lite0"))]
    assert names[-3:] == ["block_5_expand_conv", "block_5_expand_bn", "block_5_expand_relu"]


@pytest.mark.parametrize("trains", [True, False])
def test_statistics_follow_the_learning_phase_unless_frozen(trains):
    model = backbone("lite0", 0.25, trains_statistics=trains)
    mean = model.get_layer("stem_bn").moving_mean
    photos = tf.random.stateless_uniform([2, 64, 64, 3], (1, 2))
    model(photos, training=False)
    assert not mean.numpy().any()
    model(photos, training=True)
    assert mean.numpy().any() == trains


def test_pixels_become_numbers_around_zero():
    extractor = efficientnet_lite._EfficientNetLite.preprocess
    np.testing.assert_array_equal(extractor(None, np.array([0.0, 127.0, 255.0])), [-127 / 128, 0, 1])


def test_the_pipeline_files_differ_in_the_network_only():
    for kind in ("", "_fpnlite"):
        texts = [(ROOT / "configs" / f"ssd_efficientnet_lite{number}{kind}.config").read_text() for number in (0, 1, 2)]
        models = {text[text.index("model {") :].replace(f"lite{n}", "lite") for n, text in enumerate(texts)}
        assert len(models) == 1


def test_what_the_network_cannot_do_is_refused(project):
    config = pipeline_config.merge(tiny_detector.train_params(detector="ssd_efficientnet_lite0"), 2, steps=1)
    config.model.ssd.feature_extractor.use_explicit_padding = True
    with pytest.raises(UserError, match="leave out use_explicit_padding"):
        Detector(config, tiny_detector.CLASSES)

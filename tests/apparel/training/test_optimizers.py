"""Learning rates by layer: the backbone moves by its share of the rate, the heads by all of it."""

import numpy as np
import pytest
import tensorflow as tf

from apparel.models.detector import Detector
from apparel.training.optimizers import Optimizers
from tests.support import tiny_detector
from tests.support.repository import ROOT

RATE = 0.125
"""A power of two, so that all steps are exact in float32."""


@pytest.fixture(scope="module")
def detector() -> Detector:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        train = tiny_detector.train_params(optimizer="momentum")
        return Detector(tiny_detector.config(train), tiny_detector.CLASSES)


def _moved(optimizers: Optimizers, trainable: list[tf.Variable]) -> list[float]:
    """By how much a gradient of 1 moved each variable, which is 0 before."""
    for variable in trainable:
        variable.assign(tf.zeros_like(variable))
    optimizers.apply([tf.ones_like(variable) for variable in trainable], tf.constant(RATE))
    return [float(np.unique(-variable.numpy())[0]) for variable in trainable]


@pytest.mark.parametrize("share", [1.0, 0.25, 0.0])
def test_the_backbone_moves_by_its_share(detector, share):
    trainable = detector.model.trainable_variables
    optimizers = Optimizers(detector, trainable, share)
    backbone = {id(variable) for variable in detector.backbone.variables}
    expected = [RATE * share if id(variable) in backbone else RATE for variable in trainable]
    assert _moved(optimizers, trainable) == expected
    assert len(set(expected)) == (1 if share == 1 else 2)
    assert list(optimizers.by_name) == (["optimizer"] if share == 1 else ["backbone_optimizer", "optimizer"])


def test_a_frozen_backbone_needs_no_second_optimizer(detector):
    heads = detector.model._box_predictor.trainable_variables
    optimizers = Optimizers(detector, heads, 0.25)
    assert list(optimizers.by_name) == ["optimizer"]
    assert set(_moved(optimizers, heads)) == {RATE}

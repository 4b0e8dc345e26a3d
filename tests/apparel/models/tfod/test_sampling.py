"""Samples of anchors for a Faster R-CNN's losses."""

import numpy as np
import pytest
import tensorflow as tf
from object_detection.core.minibatch_sampler import MinibatchSampler

from apparel.models.tfod import sampling

ELIGIBLE = np.random.default_rng(0).random(200) < 0.5


@pytest.mark.parametrize("wanted", [0, 1, 30, 200])
def test_a_sample_is_of_what_may_be_drawn(wanted):
    drawn = MinibatchSampler.subsample_indicator(tf.constant(ELIGIBLE), tf.constant(wanted)).numpy()
    assert drawn.dtype == bool
    assert drawn.shape == ELIGIBLE.shape
    assert drawn.sum() == min(wanted, ELIGIBLE.sum())
    assert not (drawn & ~ELIGIBLE).any()


def test_the_same_is_drawn_again_and_something_else_from_others():
    draw = tf.function(lambda eligible: sampling.subsample_indicator(eligible, 30))
    first, again = draw(ELIGIBLE).numpy(), draw(ELIGIBLE).numpy()
    np.testing.assert_array_equal(first, again)
    others = ELIGIBLE.copy()
    others[np.flatnonzero(others)[-1]] = False
    assert (draw(others).numpy() != first).sum() > 20
    assert np.flatnonzero(first).mean() == pytest.approx(np.flatnonzero(ELIGIBLE).mean(), abs=30)


def test_nothing_to_draw_from_gives_nothing():
    assert not sampling.subsample_indicator(tf.zeros([5], tf.bool), tf.constant(3)).numpy().any()

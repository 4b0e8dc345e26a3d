"""`apparel/models/tfod/suppression.py` gives what the API's own non-maximum suppression gives, to the bit."""

import numpy as np
import pytest
import tensorflow as tf

from apparel.models.tfod import suppression
from tests.support import unpatched_tfod

OPTIONS = {"score_thresh": 1e-8, "iou_thresh": 0.6, "max_size_per_class": 10, "max_total_size": 15}


def random_photos(anchors: int, classes: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Boxes (2, A, 1, 4), some beside the photo or without area, and scores (2, A, C), many of them equal."""
    random = np.random.default_rng(0)
    centre, half = random.uniform(-0.1, 1.1, (2, anchors, 2)), random.uniform(0, 0.3, (2, anchors, 2))
    boxes = np.concatenate([centre - half, centre + half], axis=2).astype(np.float32)
    boxes[:, ::5] = [1.05, 0.2, 1.1, 0.5]
    boxes[:, 3::11, 2] = boxes[:, 3::11, 0]
    return tf.constant(boxes[:, :, np.newaxis]), tf.constant(random.random((2, anchors, classes)).round(1), tf.float32)


@pytest.mark.parametrize(
    "options",
    [
        {"change_coordinate_frame": True},
        {"soft_nms_sigma": 0.5, "score_thresh": 0.3},
        {"max_size_per_class": 100, "max_total_size": 300},  # more than there are boxes
        {"use_class_agnostic_nms": True},  # left to the API
    ],
    ids=lambda options: next(iter(options)),
)
def test_the_results_are_those_of_the_api(options: dict) -> None:
    original = unpatched_tfod.module("object_detection.core.post_processing").batch_multiclass_non_max_suppression
    boxes, scores = random_photos(80, 3)
    window = tf.constant([[0, 0, 1, 0.75], [0, 0, 0.7, 1]], tf.float32)
    fields = {"anchor": tf.tile(tf.range(80, dtype=tf.float32)[tf.newaxis], [2, 1]), "by_class": scores}
    both = []
    for suppress in (original, suppression.suppress_batch):
        results = suppress(boxes, scores, clip_window=window, additional_fields=fields, **OPTIONS | options)
        both.append([values.numpy() for values in tf.nest.flatten(results) if values is not None])
    for expected, values in zip(*both, strict=True):
        assert values.dtype == expected.dtype
        np.testing.assert_array_equal(values, expected)
    assert both[0][-1].min() > 5


def test_a_batch_of_unknown_size_has_the_same_results() -> None:
    boxes, scores = random_photos(40, 2)

    @tf.function(autograph=False)
    def suppress(boxes: tf.Tensor, scores: tf.Tensor) -> tuple:
        return suppression.suppress_batch(boxes, scores, clip_window=tf.constant([0.0, 0, 1, 1]), **OPTIONS)[:3]

    dynamic = suppress.get_concrete_function(tf.TensorSpec([None, 40, 1, 4]), tf.TensorSpec([None, 40, 2]))
    for values, expected in zip(dynamic(boxes, scores), suppress(boxes, scores), strict=True):
        np.testing.assert_array_equal(values, expected)


def test_the_models_use_it() -> None:
    from object_detection.core import post_processing

    assert post_processing.batch_multiclass_non_max_suppression is suppression.suppress_batch

"""The patches in `apparel/models/tfod/model.py`: each one works, and is still needed."""

import numpy as np
import pytest
import tensorflow as tf

from apparel import params
from apparel.models import pipeline_config
from apparel.models.detector import Detector
from apparel.models.tfod import model
from tests.support import unpatched_tfod

ANCHORS, PHOTOS, CLASSES = 40, 3, 2


@pytest.fixture(scope="module")
def detector() -> Detector:
    train = params.load().train.model_copy(update={"resolution": 64, "depth_multiplier": 0.75, "batch_size": 2})
    return Detector(pipeline_config.merge(train, CLASSES, steps=10), ("a", "b"))


def test_the_depth_multiplier_is_applied_once(detector: Detector) -> None:
    assert detector.backbone.get_layer("conv_pw_13").filters == 768
    assert detector.backbone.get_layer("conv_dw_2").depthwise_kernel.shape[2] == 48


def test_the_api_itself_still_applies_the_depth_multiplier_twice() -> None:
    original = unpatched_tfod.module("object_detection.models.keras_models.mobilenet_v1").mobilenet_v1
    twice = original(False, alpha=0.75, weights=None, include_top=False)
    assert twice.get_layer("conv_pw_13").filters != 768


def _random_matches(random: np.random.Generator) -> tuple[np.ndarray, ...]:
    matches = random.choice([-2, -1, 0, 1, 2], (PHOTOS, ANCHORS), p=[0.1, 0.7, 0.1, 0.05, 0.05]).astype(np.int32)
    losses = random.uniform(0, 5, (2, PHOTOS, ANCHORS)).astype(np.float32)
    corner = random.uniform(0, 0.5, (PHOTOS, ANCHORS, 2))
    boxes = np.concatenate([corner, corner + random.uniform(0.1, 0.5, corner.shape)], axis=2).astype(np.float32)
    return matches, losses[0], losses[1], boxes


@pytest.mark.parametrize("loss_type", ["cls", "loc", "both"])
@pytest.mark.parametrize("iou_threshold", [0.7, 1.0])
@pytest.mark.parametrize("limits", [(3000, 1, 0), (20, 1, 0), (3000, 3, 12), (3000, None, 0)])
def test_hard_examples_are_those_the_api_mines(loss_type: str, iou_threshold: float, limits: tuple) -> None:
    from object_detection.core import box_list, losses, matcher

    original = unpatched_tfod.module("object_detection.core.losses").HardExampleMiner
    options = {"iou_threshold": iou_threshold, "loss_type": loss_type}
    options |= zip(("num_hard_examples", "max_negatives_per_positive", "min_negatives_per_image"), limits, strict=True)
    matches, location, classification, boxes = _random_matches(np.random.default_rng(0))
    arguments = (
        tf.constant(location),
        tf.constant(classification),
        [box_list.BoxList(tf.constant(photo)) for photo in boxes],
        [matcher.Match(tf.constant(photo)) for photo in matches],
    )
    expected = original(**options)(*arguments)
    mined = losses.HardExampleMiner(**options)(*arguments)
    np.testing.assert_allclose(mined, expected, rtol=1e-6)
    if iou_threshold < 1 or limits[1] is not None:  # else nothing is left out
        assert float(mined[1]) < classification.sum()


def test_targets_are_those_the_api_assigns(detector: Detector) -> None:
    from object_detection.core import box_list, target_assigner

    boxes = tf.constant([[[0.1, 0.1, 0.6, 0.5], [0.5, 0.4, 0.9, 0.9]], [[0.2, 0.3, 0.8, 0.7], [0, 0, 0, 0]]])
    classes = tf.one_hot([[0, 1], [1, 0]], CLASSES + 1)
    weights = tf.constant([[1.0, 1.0], [1.0, 0.0]])
    *_, corners = _random_matches(np.random.default_rng(1))
    anchors = box_list.BoxList(tf.constant(corners[0]))
    assigner, unmatched = detector.model._target_assigner, tf.constant([1.0, 0.0, 0.0])
    padded = model._assign_targets(
        assigner,
        anchors,
        [box_list.BoxList(photo) for photo in boxes],
        tf.unstack(classes),
        unmatched,
        tf.unstack(weights),
    )
    counts = [2, 1]
    expected = target_assigner.batch_assign(
        assigner,
        [anchors] * 2,
        [box_list.BoxList(photo[:count]) for photo, count in zip(boxes, counts, strict=True)],
        [photo[:count] for photo, count in zip(classes, counts, strict=True)],
        unmatched,
        [photo[:count] for photo, count in zip(weights, counts, strict=True)],
    )
    for ours, theirs in zip(padded, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (padded[4].numpy() >= 0).any(axis=1).all()


def test_proposals_and_anchors_without_classes_take_the_apis_way(detector: Detector) -> None:
    """A Faster R-CNN's second stage has other proposals in each photo, its first one no classes."""
    from object_detection.core import box_list, target_assigner

    box = box_list.BoxList(tf.constant([[0.1, 0.1, 0.6, 0.5]]))
    *_, corners = _random_matches(np.random.default_rng(1))
    anchors = [box_list.BoxList(tf.constant(photo)) for photo in corners[:2]]
    common = {"gt_box_batch": [box, box], "gt_weights_batch": [tf.ones([1])] * 2}
    common["target_assigner"] = target_assigner.create_target_assigner("FasterRCNN", "proposal")
    for batch in (anchors, anchors[0]):
        given = common | {"anchors_batch": batch, "gt_class_targets_batch": [None, None]}
        ours, theirs = model._assign_targets(**given), target_assigner.batch_assign(**given)
        for found, expected in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(found, expected)


def _batch() -> dict[str, tf.Tensor]:
    return {
        "image": tf.random.stateless_uniform([2, 64, 64, 3], [1, 2], 0, 255),
        "true_shape": tf.constant([[64, 64, 3]] * 2),
        "boxes": tf.constant([[[0.1, 0.1, 0.9, 0.9]]] * 2),
        "classes": tf.one_hot([[0], [1]], CLASSES),
        "weights": tf.ones([2, 1]),
    }


def test_a_step_that_is_traced_after_a_validation_counts_all_of_its_photos(detector: Detector) -> None:
    """Another resolution traces the step again; the API's model keeps which photos the last batch was to count."""
    before = detector.losses(_batch(), training=False)[0]
    twice = {name: tf.concat([values, values], axis=0) for name, values in _batch().items()}
    detector.losses(twice | {"real": tf.constant([True, False, False, False])}, training=False)
    after = detector.losses(_batch(), training=False)[0]
    assert {name: float(value) for name, value in after.items()} == {
        name: float(value) for name, value in before.items()
    }


def test_batch_normalisation_learns_in_training_and_rests_in_evaluation(detector: Detector) -> None:
    batch = _batch()
    moving = detector.backbone.get_layer("conv1_bn").moving_mean
    before = moving.numpy()
    tf.function(lambda: detector.losses(batch, training=False)[0])()
    np.testing.assert_array_equal(moving.numpy(), before)
    tf.function(lambda: detector.losses(batch, training=True)[0])()
    assert (moving.numpy() != before).any()

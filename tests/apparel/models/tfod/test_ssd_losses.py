"""Losses of an SSD: the API's where the API has them, and worked by hand where it has not."""

import math
from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from apparel.models import criterion, pipeline_config
from apparel.models.criterion import Criterion
from apparel.models.detector import Detector
from apparel.models.tfod import ssd_losses
from tests.support import tiny_detector

SIDE, CLASSES = 64, 2


def _detector(**changes) -> Detector:
    train = tiny_detector.train_params(resolution=SIDE, **changes)
    config = pipeline_config.merge(train, CLASSES, steps=10)
    return Detector(config, tiny_detector.CLASSES, criterion.criterion_of(config, train))


@pytest.fixture(scope="module")
def softmax() -> Detector:
    return _detector(min_negatives_per_photo=4)


@pytest.fixture(scope="module")
def focal() -> Detector:
    """Its background is a score of 0 for each class."""
    return _detector(classification_loss="focal")


def _batch(**changes) -> dict[str, tf.Tensor]:
    """Four photos: crowded, with one box smaller than any anchor, without boxes, and one that fills the batch."""
    random = np.random.default_rng(0)
    boxes = np.zeros((4, 6, 4), np.float32)
    corners = random.uniform(0, 0.6, (6, 2))
    boxes[0] = np.concatenate([corners, corners + random.uniform(0.2, 0.4, (6, 2))], axis=1)
    boxes[1, 2] = [0.41, 0.41, 0.43, 0.42]
    weights = (boxes != 0).any(axis=2).astype(np.float32)
    weights[0, 1] = 0.0  # difficult
    batch = {
        "image": random.uniform(0, 255, (4, SIDE, SIDE, 3)).astype(np.float32),
        "true_shape": np.array([[SIDE, SIDE, 3]] * 4, np.int32),
        "boxes": boxes,
        "classes": np.eye(CLASSES, dtype=np.float32)[random.integers(0, CLASSES, (4, 6))],
        "weights": weights,
        "real": np.array([True, True, True, False]),
    }
    return {name: tf.constant(values) for name, values in (batch | changes).items()}


def _truth(batch: dict[str, tf.Tensor]) -> ssd_losses.Truth:
    boxes, classes, weights = (batch[name] for name in ("boxes", "classes", "weights"))
    return ssd_losses.Truth(boxes, classes, weights, tf.cast(batch["real"], tf.float32))


def test_with_the_api_s_assignment_and_losses_they_are_the_api_s(softmax: Detector) -> None:
    batch = _batch()
    expected, predictions = softmax.losses(batch, training=False)
    losses = ssd_losses.losses(softmax.model, Criterion(), _truth(batch), predictions)
    for name in ("classification_loss", "localization_loss"):
        assert float(losses[name]) == pytest.approx(float(expected[name]), rel=1e-5) and float(losses[name]) > 0


def test_the_api_s_focal_loss_is_taken_and_no_anchor_is_mined(focal: Detector) -> None:
    """One photo without boxes: each column of each anchor loses (1 - a) p^g -log(1 - p), and p starts at 0.01."""
    batch = _batch(boxes=tf.zeros([4, 6, 4]), weights=tf.zeros([4, 6]), real=[True, False, False, False])
    _, predictions = focal.losses(batch, training=False)
    logits = predictions["class_predictions_with_background"]
    assert np.median(tf.sigmoid(logits)) == pytest.approx(0.01, rel=0.1)
    losses = ssd_losses.losses(focal.model, Criterion("atss"), _truth(batch), predictions)
    scores = 1 / (1 + np.exp(-logits.numpy()[0].astype(float)))
    expected = (0.75 * scores**2 * -np.log(1 - scores)).sum()
    assert float(losses["classification_loss"]) == pytest.approx(expected, rel=1e-4)
    assert float(losses["localization_loss"]) == 0


def test_quality_focal_losses_are_those_of_the_paper() -> None:
    """Equation 2 at p = 0.5: |y - 0.5|^2 log 2; at y = p it is 0, and y = 0 is the focal loss's p^2 -log(1 - p)."""
    losses = ssd_losses.quality_focal_losses(tf.constant([0.0, 0.0, 2.0]), tf.constant([1.0, 0.5, 0.0]))
    score = 1 / (1 + math.exp(-2))
    np.testing.assert_allclose(losses, [0.25 * math.log(2), 0, score**2 * -math.log(1 - score)], rtol=1e-5, atol=1e-7)


def test_a_positive_anchor_s_target_is_the_iou_of_its_prediction(focal: Detector) -> None:
    """All scores are s = 1 / (1 + e^-2): a target of 1 loses (1 - s)^2 -log s, and one of 0 loses s^2 -log(1 - s)."""
    truth = _truth(_batch())
    predictions = _predictions(focal)
    anchors, logits = predictions["anchors"], predictions["class_predictions_with_background"]
    matches = ssd_losses._matches(focal.model, Criterion("atss"), truth, predictions, anchors)
    targets = ssd_losses._targets(focal.model, truth, matches, anchors)
    predictions["class_predictions_with_background"] = tf.fill(logits.shape, 2.0)
    score = 1 / (1 + math.exp(-2))
    positive_loss, negative_loss = (1 - score) ** 2 * -math.log(score), score**2 * -math.log(1 - score)
    positive = matches.numpy() >= 0
    assert positive.any() and not positive.all()
    counts = targets.class_weights[..., 0].numpy()
    for offset, right in ((0.0, positive_loss), (9.0, negative_loss)):  # exact, and nowhere near: an IoU of 0
        decoded = targets.boxes + offset
        losses = ssd_losses._class_losses(focal.model, Criterion(quality_focal=True), predictions, targets, decoded)
        expected = counts * np.where(positive, right + 2 * negative_loss, 3 * negative_loss)
        np.testing.assert_allclose(losses, expected, rtol=1e-4)
    exact = ssd_losses._box_losses(focal.model, Criterion(box_loss="ciou"), predictions, targets, targets.boxes)
    np.testing.assert_allclose(exact, 0, atol=1e-5)


def _predictions(detector: Detector) -> dict[str, tf.Tensor]:
    """Predictions for four photos, logits and encodings at random."""
    values = detector._predict(tf.zeros([4, SIDE, SIDE, 3]), tf.constant([[SIDE, SIDE, 3]] * 4))
    logits, encodings = values["class_predictions_with_background"], values["box_encodings"]
    return values | {
        "class_predictions_with_background": tf.random.stateless_normal(logits.shape, [0, 0]),
        "box_encodings": tf.random.stateless_normal(encodings.shape, [0, 1]),
    }


@pytest.mark.parametrize(
    ("assignment", "box_loss"),
    [("iou", "giou"), ("atss", None), ("atss", "ciou"), ("dynamic", None), ("dynamic", "giou"), ("dynamic", "ciou")],
)
def test_all_combinations_give_finite_gradients(softmax: Detector, focal: Detector, assignment, box_loss) -> None:
    names = ("box_encodings", "class_predictions_with_background")
    for detector, quality in ((softmax, False), (focal, False), (focal, True)):
        predictions = _predictions(detector)
        watched = [predictions[name] for name in names]
        criterion = Criterion(assignment, quality, box_loss)
        with tf.GradientTape() as tape:
            tape.watch(watched)
            losses = ssd_losses.losses(detector.model, criterion, _truth(_batch()), predictions)
            total = losses["localization_loss"] + losses["classification_loss"]
        boxes, classes = tape.gradient(total, watched)
        assert np.isfinite(boxes).all() and np.isfinite(classes).all()
        assert np.any(boxes[1]) and np.any(classes[1])  # the photo of the smallest box
        assert not np.any(boxes[2]) and np.any(classes[2])  # without boxes
        assert not np.any(boxes[3]) and not np.any(classes[3])  # that only fills the batch


def test_the_loss_is_the_same_in_a_graph(softmax: Detector) -> None:
    predictions, batch = _predictions(softmax), _truth(_batch())
    for assignment in ("atss", "dynamic"):
        compute = partial(ssd_losses.losses, softmax.model, Criterion(assignment, box_loss="giou"), batch, predictions)
        in_graph = tf.function(compute, autograph=False)()
        for name, value in compute().items():
            assert float(in_graph[name]) == pytest.approx(float(value), rel=1e-5)


def test_anchors_on_ignored_boxes_are_neither_background_nor_garment() -> None:
    anchors = tf.constant([[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.5, 0.22], [0.5, 0.5, 1.0, 1.0]])
    ignored = tf.constant([[[0.0, 0.0, 0.5, 0.4], [0.0, 0.0, 0.0, 0.0]], [[0.5, 0.5, 1.0, 1.0], [0.0, 0.0, 0.5, 0.5]]])
    matches = tf.constant([[-1, -1, -1], [0, -1, -1]])
    result = ssd_losses.without_ignored(matches, anchors, ignored)  # IoU of the first photo: 0.8, 0.55, 0
    np.testing.assert_array_equal(result, [[-2, -2, -1], [0, -1, -2]])


def test_without_ignored_boxes_the_losses_are_the_apis_and_with_them_no_anchor_there_counts(softmax: Detector) -> None:
    batch = _batch(weights=tf.constant(np.array([[1.0, 0.0, 1.0, 1.0, 1.0, 1.0]] + [[0.0] * 6] * 3, np.float32)))
    batch["boxes"] = batch["boxes"] * batch["weights"][..., tf.newaxis]
    none = batch | {"ignored": tf.zeros([4, 2, 4])}
    all_of_it = batch | {"ignored": tf.repeat(softmax.model.anchors.get()[tf.newaxis], 4, axis=0)}
    losses = {}
    for name, given in (("api", batch), ("none", none), ("all", all_of_it)):
        losses[name], _ = softmax.losses(given, training=False)
    for name in ("classification_loss", "localization_loss"):
        np.testing.assert_allclose(losses["none"][name], losses["api"][name], rtol=1e-5)
    np.testing.assert_allclose(losses["all"]["localization_loss"], losses["api"]["localization_loss"], rtol=1e-5)
    assert losses["all"]["classification_loss"] < losses["api"]["classification_loss"]

"""Losses of an SSD with assignments and losses that the Object Detection API lacks.

Replaces `SSDMetaArch.loss`, which takes other targets from a matcher of one photo alone, and box losses on encoded
boxes alone. It may go once the API's matchers see predictions and its box losses see boxes. With the API's own
assignment and losses it gives the API's values, which a test compares.
"""

from typing import TYPE_CHECKING, NamedTuple

import tensorflow as tf
from object_detection.core import box_list, matcher
from object_detection.core import losses as api_losses

from apparel.models.tfod import assignment, box_overlap
from apparel.models.tfod.assignment import Level
from apparel.models.tfod.model import without_padding

if TYPE_CHECKING:
    from apparel.models.criterion import Criterion

QUALITY_FOCAL_BETA = 2.0
"""Exponent of the quality focal loss (Li et al. 2020, arXiv 2006.04388, table 2)."""


IGNORED_IOU = 0.5
"""IoU with an ignored box from which on an anchor is no background: that from which on a box's anchors learn it."""


class Truth(NamedTuple):
    """Ground truth of a batch: boxes (B, N, 4) in 0..1 of the network's input, classes (B, N, C) one-hot, weights
    (B, N), 0 for padding and boxes that do not count, and real (B,), 0 for photos that do not count; all float32.

    `ignored` (B, M, 4), zeros for padding, are boxes that may or may not be objects: anchors on them do not count.
    """

    boxes: tf.Tensor
    classes: tf.Tensor
    weights: tf.Tensor
    real: tf.Tensor
    ignored: tf.Tensor | None = None


class Targets(NamedTuple):
    """What each anchor shall predict.

    Attributes:
        matches: int32 (B, A), the number of the box, -1 for background, -2 for anchors that do not count.
        boxes: float32 (B, A, 4); the anchor itself where there is no box.
        box_weights: float32 (B, A), 0 where there is no box.
        classes: float32 (B, A, 1 + C), the background first.
        class_weights: float32 (B, A, 1).
    """

    matches: tf.Tensor
    boxes: tf.Tensor
    box_weights: tf.Tensor
    classes: tf.Tensor
    class_weights: tf.Tensor


def losses(model: tf.Module, criterion: "Criterion", truth: Truth, predictions: dict) -> dict[str, tf.Tensor]:
    """Localization and classification loss of a batch, two scalars, by the names that the API gives them.

    Args:
        model: the API's SSD.
        criterion: of `apparel/models/criterion.py`.
        truth: of the batch.
        predictions: what `model.predict` gave.
    """
    sums, matches = loss_sums(model, criterion, truth, predictions)
    return {name: value / tf.maximum(matches, 1.0) for name, value in sums.items()}


def loss_sums(
    model: tf.Module, criterion: "Criterion", truth: Truth, predictions: dict
) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """What `losses` divides, and by what, from 1: the number of matched anchors; 0 where it divides by nothing.

    Both add up over the parts of a batch.
    """
    truth = Truth(*without_padding(*truth[:3]), *truth[3:])
    decoded, _ = model._batch_decode(predictions["box_encodings"], predictions["anchors"])
    matches = _matches(model, criterion, truth, predictions, tf.stop_gradient(decoded))
    if truth.ignored is not None:
        matches = without_ignored(matches, predictions["anchors"], truth.ignored)
    targets = _targets(model, truth, matches, predictions["anchors"])
    class_losses = _class_losses(model, criterion, predictions, targets, tf.stop_gradient(decoded))
    box_losses = _box_losses(model, criterion, predictions, targets, decoded)
    if model._hard_example_miner:
        match_list = [matcher.Match(match) for match in tf.unstack(targets.matches)]
        box_loss, class_loss = model._apply_hard_mining(box_losses, class_losses, predictions, match_list)
    else:
        box_loss, class_loss = tf.reduce_sum(box_losses), tf.reduce_sum(class_losses)
    coordinates = model._box_coder.code_size if model._normalize_loc_loss_by_codesize else 1.0
    sums = {
        "localization_loss": box_loss * model._localization_loss_weight / coordinates,
        "classification_loss": class_loss * model._classification_loss_weight,
    }
    return sums, tf.reduce_sum(targets.box_weights) if model._normalize_loss_by_num_matches else tf.zeros([])


def quality_focal_losses(logits: tf.Tensor, qualities: tf.Tensor) -> tf.Tensor:
    """Quality focal loss (Li et al. 2020, arXiv 2006.04388, equation 2), of the shape of `logits`.

    |y - p|^2 times the cross entropy of the score p = sigmoid(logits) and the quality y, 0 to 1, which is the IoU of a
    positive anchor's prediction at its class, and 0 elsewhere. The API's focal loss takes targets of 0 and 1 alone.
    """
    cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=qualities, logits=logits)
    return tf.abs(qualities - tf.sigmoid(logits)) ** QUALITY_FOCAL_BETA * cross_entropy


def without_ignored(matches: tf.Tensor, anchors: tf.Tensor, ignored: tf.Tensor) -> tf.Tensor:
    """The matches, int32 (B, A), with -2 in place of -1 for anchors (A, 4) on one of the ignored boxes (B, M, 4)."""
    overlap = tf.reduce_max(box_overlap.pairwise_iou(anchors[tf.newaxis], ignored), axis=2)
    return tf.where((matches == -1) & (overlap >= IGNORED_IOU), -2, matches)


def _matches(
    model: tf.Module, criterion: "Criterion", truth: Truth, predictions: dict, decoded: tf.Tensor
) -> tf.Tensor:
    """Int32 (B, A), see `Targets`."""
    anchors, real = predictions["anchors"], truth.weights > 0
    if criterion.assignment == "iou":
        boxes, classes, weights = (tf.unstack(values) for values in truth[:3])
        return model._assign_targets(boxes, classes, groundtruth_weights_list=weights)[4]
    levels = _levels(model, predictions)
    if criterion.assignment == "atss":
        return assignment.atss(anchors, levels, truth.boxes, real)
    costs = _class_costs(model, truth.classes, tf.stop_gradient(predictions["class_predictions_with_background"]))
    return assignment.simota(anchors, levels, truth.boxes, real, decoded, costs)


def _levels(model: tf.Module, predictions: dict) -> list[Level]:
    sides = model._get_feature_map_spatial_dims(predictions["feature_maps"])
    numbers = model._anchor_generator.num_anchors_per_location()
    return [Level(height, width, number) for (height, width), number in zip(sides, numbers, strict=True)]


def _class_costs(model: tf.Module, classes: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Cross entropy of each anchor's scores with each box's class, float32 (B, N, A)."""
    if isinstance(model._classification_loss, api_losses.WeightedSoftmaxClassificationLoss):
        return -tf.einsum("bnc,bac->bna", classes, tf.nn.log_softmax(logits)[..., 1:])
    against_all = tf.reduce_sum(tf.nn.softplus(logits[..., 1:]), axis=2)[:, tf.newaxis]
    return against_all - tf.einsum("bnc,bac->bna", classes, logits[..., 1:])


def _targets(model: tf.Module, truth: Truth, matches: tf.Tensor, anchors: tf.Tensor) -> Targets:
    positive = matches >= 0
    numbers = tf.maximum(matches, 0)
    boxes, classes, weights = (tf.gather(values, numbers, batch_dims=1) for values in truth[:3])
    classes = tf.pad(classes, [[0, 0], [0, 0], [1, 0]])
    counts = truth.real[:, tf.newaxis]
    negative_weight = tf.where(matches == -1, model._target_assigner._negative_class_weight, 0.0)
    return Targets(
        matches,
        tf.where(positive[..., tf.newaxis], boxes, anchors),
        tf.where(positive, weights, 0.0) * counts,
        tf.where(positive[..., tf.newaxis], classes, model._unmatched_class_label),
        (tf.where(positive, weights, negative_weight) * counts)[..., tf.newaxis],
    )


def _class_losses(
    model: tf.Module, criterion: "Criterion", predictions: dict, targets: Targets, decoded: tf.Tensor
) -> tf.Tensor:
    """Float32 (B, A)."""
    logits = predictions["class_predictions_with_background"]
    if criterion.quality_focal:
        qualities = targets.classes * box_overlap.iou(decoded, targets.boxes)[..., tf.newaxis]
        anchor_losses = quality_focal_losses(logits, qualities) * targets.class_weights
    else:
        weights = tf.repeat(targets.class_weights, logits.shape[2], axis=2)
        anchor_losses = model._classification_loss(logits, targets.classes, weights=weights)
    return anchor_losses if len(anchor_losses.shape) == 2 else tf.reduce_sum(anchor_losses, axis=2)


def _box_losses(
    model: tf.Module, criterion: "Criterion", predictions: dict, targets: Targets, decoded: tf.Tensor
) -> tf.Tensor:
    """Float32 (B, A)."""
    if criterion.box_loss:
        overlap = {"giou": box_overlap.giou, "ciou": box_overlap.ciou}[criterion.box_loss]
        return (1.0 - overlap(decoded, targets.boxes)) * targets.box_weights
    encodings, anchors = predictions["box_encodings"], tf.broadcast_to(predictions["anchors"], tf.shape(decoded))
    flat = [box_list.BoxList(tf.reshape(boxes, [-1, 4])) for boxes in (targets.boxes, anchors)]
    encoded = tf.reshape(model._box_coder.encode(*flat), tf.shape(encodings))
    return model._localization_loss(encodings, encoded, ignore_nan_targets=True, weights=targets.box_weights)

"""Assignment of anchors to ground truth for a whole batch: ATSS, and SimOTA, which looks at the predictions.

The Object Detection API assigns by IoU thresholds alone (`argmax_matcher`). Both functions here return what its
matchers do, int32 (B, A): the number of the box that an anchor is assigned to, or -1 for background. Boxes that are
padding or do not count are assigned to no anchor.
"""

from typing import NamedTuple

import tensorflow as tf

from apparel.models.tfod import box_overlap

CANDIDATE_PLACES = 9
"""Places a level whose anchors are ATSS's candidates for a box; the paper's k, whose results hardly depend on it."""

CANDIDATE_BOXES = 10
"""SimOTA's q: a box gets as many anchors as the IoUs of its best ten predictions sum to (YOLOX)."""

IOU_WEIGHT = 3.0
"""SimOTA's lambda: what the IoU weighs in the cost, beside the class (YOLOX)."""

CENTRE_RADIUS = 2.5
"""Anchors closer than so many strides to a box's centre are SimOTA's first choice (YOLOX)."""

OFF_CENTRE_COST = 1e5
"""Added to the cost of anchors that are not both in the box and near its centre: they are taken last (YOLOX)."""

NO_CANDIDATE = 1e9
"""Cost of anchors that are no candidates; a float32 that any sum of the others stays below."""


class Level(NamedTuple):
    """A feature map: how many places it has, and how many anchors lie at each, one after the other."""

    height: int
    width: int
    anchors: int


def atss(anchors: tf.Tensor, levels: list[Level], boxes: tf.Tensor, real: tf.Tensor) -> tf.Tensor:
    """Adaptive training sample selection (Zhang et al. 2020, arXiv 1912.02424, algorithm 1).

    A box's candidates are the anchors at the `CANDIDATE_PLACES` places of each level that are nearest to its centre;
    with several anchors a place all of them, as in the authors' code. Assigned are those whose IoU reaches the mean
    plus the standard deviation of the candidates' IoUs, and whose centre is in the box; an anchor goes to the box of
    its highest IoU. Ours: a box that no candidate suits, such as one that lies between the places, gets the candidate
    of the highest IoU, as the API's matcher does with `force_match_for_each_row`.

    Args:
        anchors: float32 (A, 4), level by level, place by place.
        levels: their layout.
        boxes: float32 (B, N, 4) in the anchors' unit.
        real: bool (B, N), False for padding and for boxes that do not count.
    """
    candidates = _nearest_anchors(anchors, levels, box_overlap.centres(boxes))
    overlaps = box_overlap.pairwise_iou(boxes, anchors)
    candidate_overlaps = tf.gather(overlaps, candidates, batch_dims=2)
    inside = tf.gather(box_overlap.holds_centre(boxes, box_overlap.centres(anchors)), candidates, batch_dims=2)
    suits = (candidate_overlaps >= _mean_plus_deviation(candidate_overlaps)) & inside & real[..., tf.newaxis]
    best = tf.one_hot(tf.argmax(candidate_overlaps, axis=2), candidate_overlaps.shape[2], True, False, dtype=tf.bool)
    forced = best & (real & ~tf.reduce_any(suits, axis=2))[..., tf.newaxis]
    anchors_count = anchors.shape[0]
    preference = tf.where(_spread(suits | forced, candidates, anchors_count), overlaps, -1.0)
    return _highest(preference + 2.0 * tf.cast(_spread(forced, candidates, anchors_count), tf.float32), lowest=0.0)


def simota(
    anchors: tf.Tensor,
    levels: list[Level],
    boxes: tf.Tensor,
    real: tf.Tensor,
    predicted_boxes: tf.Tensor,
    class_costs: tf.Tensor,
) -> tf.Tensor:
    """Simplified optimal transport assignment (SimOTA of YOLOX, Ge et al. 2021, arXiv 2107.08430, section 2).

    Candidates are the anchors whose centre is in a box or near its centre. A box gets the k of the lowest cost, where
    k is the sum of the highest IoUs of its predictions, and at least 1; an anchor goes to the box of its lowest cost.
    The cost is the class's plus `IOU_WEIGHT` times -log IoU of the prediction.

    Args:
        anchors, levels, boxes, real: as for `atss`.
        predicted_boxes: float32 (B, A, 4).
        class_costs: float32 (B, N, A): classification loss of each anchor, were it assigned to each box.
    """
    inside = box_overlap.holds_centre(boxes, box_overlap.centres(anchors)) & real[..., tf.newaxis]
    near = _near_centre(anchors, levels, boxes) & real[..., tf.newaxis]
    candidate = tf.reduce_any(inside | near, axis=1, keepdims=True) & real[..., tf.newaxis]
    overlaps = tf.where(candidate, box_overlap.pairwise_iou(boxes, predicted_boxes), 0.0)
    costs = class_costs - IOU_WEIGHT * tf.math.log(overlaps + 1e-8)
    costs = tf.where(candidate, costs + OFF_CENTRE_COST * tf.cast(~(inside & near), tf.float32), NO_CANDIDATE)
    most = min(CANDIDATE_BOXES, anchors.shape[0])
    numbers = tf.maximum(1.0, tf.floor(tf.reduce_sum(tf.math.top_k(overlaps, most).values, axis=2, keepdims=True)))
    cheapest = tf.math.top_k(-costs, most)
    taken = (tf.range(most, dtype=tf.float32) < numbers) & (-cheapest.values < NO_CANDIDATE)
    preference = tf.where(_spread(taken, cheapest.indices, anchors.shape[0]), -costs, -NO_CANDIDATE)
    return _highest(preference, lowest=-NO_CANDIDATE / 2)


def _nearest_anchors(anchors: tf.Tensor, levels: list[Level], centres: tf.Tensor) -> tf.Tensor:
    """Numbers of the anchors at the places nearest to each centre, by level: (B, N, 2) -> int32 (B, N, K)."""
    numbers, first = [], 0
    for level in levels:
        places = level.height * level.width
        at = box_overlap.centres(anchors[first : first + places * level.anchors : level.anchors])
        distances = tf.reduce_sum((centres[:, :, tf.newaxis] - at) ** 2, axis=3)
        nearest = tf.math.top_k(-distances, min(CANDIDATE_PLACES, places)).indices
        of_places = first + nearest[..., tf.newaxis] * level.anchors + tf.range(level.anchors)
        numbers.append(tf.reshape(of_places, [*_batch_shape(centres), nearest.shape[2] * level.anchors]))
        first += places * level.anchors
    return tf.concat(numbers, axis=2)


def _batch_shape(values: tf.Tensor) -> list:
    """Photos, and boxes, whose number is known when the step runs."""
    return [values.shape[0], tf.shape(values)[1]]


def _mean_plus_deviation(values: tf.Tensor) -> tf.Tensor:
    """Over the last axis, which is kept; the deviation of a sample (n - 1), as in the authors' code."""
    mean = tf.reduce_mean(values, axis=2, keepdims=True)
    squares = tf.reduce_sum((values - mean) ** 2, axis=2, keepdims=True)
    return mean + tf.sqrt(squares / max(1, values.shape[2] - 1))


def _near_centre(anchors: tf.Tensor, levels: list[Level], boxes: tf.Tensor) -> tf.Tensor:
    """Whether an anchor is less than `CENTRE_RADIUS` strides from a box's centre, in both directions, (B, N, A)."""
    counts = [level.height * level.width * level.anchors for level in levels]
    strides = tf.repeat(tf.constant([[1 / level.height, 1 / level.width] for level in levels]), counts, axis=0)
    apart = tf.abs(box_overlap.centres(boxes)[:, :, tf.newaxis] - box_overlap.centres(anchors))
    return tf.reduce_all(apart < CENTRE_RADIUS * strides, axis=3)


def _spread(chosen: tf.Tensor, numbers: tf.Tensor, anchors: int) -> tf.Tensor:
    """What is chosen among some anchors (B, N, K), whose numbers are given, as bool (B, N, A) over all anchors."""
    photos, boxes = _batch_shape(numbers)
    rows = tf.reshape(tf.range(photos * boxes), [photos, boxes, 1]) * anchors + numbers
    flat_rows, flat_chosen = tf.reshape(rows, [-1, 1]), tf.reshape(tf.cast(chosen, tf.int32), [-1])
    flat = tf.scatter_nd(flat_rows, flat_chosen, [photos * boxes * anchors])
    return tf.reshape(flat, [photos, boxes, anchors]) > 0


def _highest(preference: tf.Tensor, lowest: float) -> tf.Tensor:
    """For each anchor the box of the highest preference (B, N, A), the first of equals; -1 where all are below."""
    best = tf.argmax(preference, axis=1, output_type=tf.int32)
    return tf.where(tf.reduce_max(preference, axis=1) >= lowest, best, -1)

"""IoU, GIoU and CIoU of boxes as tensors; boxes are ymin, xmin, ymax, xmax, in any unit."""

import math

import tensorflow as tf

EPSILON = 1e-9
"""Added to what is divided by; below the area of a pixel, as a fraction of a photo's."""


def pairwise_iou(boxes: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """IoU of each box with each other one, 0 to 1: (..., N, 4), (..., M, 4) -> (..., N, M)."""
    intersection, union = _areas(boxes[..., :, tf.newaxis, :], others[..., tf.newaxis, :, :])
    return intersection / (union + EPSILON)


def iou(boxes: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """IoU of boxes and others pair by pair, 0 to 1: (..., 4), (..., 4) -> (...)."""
    intersection, union = _areas(boxes, others)
    return intersection / (union + EPSILON)


def giou(boxes: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """Generalised IoU pair by pair, -1 to 1 (Rezatofighi et al. 2019, arXiv 1902.09630).

    IoU - (C - union) / C, where C is the area of the smallest box around both.
    """
    intersection, union = _areas(boxes, others)
    around = _area(_around(boxes, others))
    return intersection / (union + EPSILON) - (around - union) / (around + EPSILON)


def ciou(boxes: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """Complete IoU pair by pair, at most 1 (Zheng et al. 2020, arXiv 2005.03572, equations 5 to 8).

    IoU - d² / c² - a v: d is the distance of the centres, c the diagonal of the smallest box around both,
    v = 4 / π² (atan(w' / h') - atan(w / h))² compares the aspect ratios, and a = v / (1 - IoU + v) is a constant for
    the gradient.
    """
    overlap = iou(boxes, others)
    height, width = _sides(_around(boxes, others))
    apart = (boxes[..., :2] + boxes[..., 2:] - others[..., :2] - others[..., 2:]) / 2
    distance = tf.reduce_sum(apart**2, axis=-1) / (height**2 + width**2 + EPSILON)
    angles = [tf.math.atan2(width, height + EPSILON) for height, width in (_sides(boxes), _sides(others))]
    aspect = 4 / math.pi**2 * (angles[1] - angles[0]) ** 2
    share = tf.stop_gradient(aspect / (1 - overlap + aspect + EPSILON))
    return overlap - distance - share * aspect


def centres(boxes: tf.Tensor) -> tf.Tensor:
    """Centres y, x of boxes: (..., 4) -> (..., 2)."""
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def holds_centre(boxes: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
    """Whether each point y, x lies inside of each box, not on its border: (B, N, 4), (A, 2) -> (B, N, A)."""
    points = points[tf.newaxis, tf.newaxis]
    corners = boxes[:, :, tf.newaxis]
    return tf.reduce_all((points > corners[..., :2]) & (points < corners[..., 2:]), axis=-1)


def _areas(boxes: tf.Tensor, others: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Areas of intersection and union."""
    sides = tf.minimum(boxes[..., 2:], others[..., 2:]) - tf.maximum(boxes[..., :2], others[..., :2])
    height, width = tf.unstack(tf.maximum(sides, 0.0), axis=-1)
    intersection = height * width
    return intersection, _area(boxes) + _area(others) - intersection


def _around(boxes: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """The smallest box around both."""
    corners = tf.minimum(boxes[..., :2], others[..., :2]), tf.maximum(boxes[..., 2:], others[..., 2:])
    return tf.concat(corners, axis=-1)


def _area(boxes: tf.Tensor) -> tf.Tensor:
    height, width = _sides(boxes)
    return height * width


def _sides(boxes: tf.Tensor) -> list[tf.Tensor]:
    """Height and width."""
    return tf.unstack(boxes[..., 2:] - boxes[..., :2], axis=-1)

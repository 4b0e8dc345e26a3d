"""IoU, GIoU and CIoU against values worked by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf

from apparel.models.tfod import box_overlap

BOXES = tf.constant([[0.0, 0.0, 2.0, 2.0]] * 4)
OTHERS = tf.constant([[0.0, 0.0, 2.0, 2.0], [0.0, 1.0, 2.0, 3.0], [0.0, 4.0, 2.0, 6.0], [0.0, 0.0, 1.0, 2.0]])
"""The same, half of it beside, apart by a width, and its upper half."""


def test_iou() -> None:
    np.testing.assert_allclose(box_overlap.iou(BOXES, OTHERS), [1, 1 / 3, 0, 0.5], atol=1e-6)
    np.testing.assert_allclose(box_overlap.pairwise_iou(OTHERS, BOXES[:1])[:, 0], [1, 1 / 3, 0, 0.5], atol=1e-6)


def test_giou() -> None:
    """The box around the third pair is 2 x 6, a third of which is empty; around all others it is their union."""
    np.testing.assert_allclose(box_overlap.giou(BOXES, OTHERS), [1, 1 / 3, -4 / 12, 0.5], atol=1e-6)


def test_ciou() -> None:
    """Squared distances of the centres 1, 16 and 0.25, squared diagonals 13, 40 and 8; the last pair's aspects differ:
    v = 4 / pi^2 (atan(2) - atan(1))^2, and a = v / (0.5 + v)."""
    aspect = 4 / math.pi**2 * (math.atan(2) - math.atan(1)) ** 2
    last = 0.5 - 0.25 / 8 - aspect / (0.5 + aspect) * aspect
    np.testing.assert_allclose(box_overlap.ciou(BOXES, OTHERS), [1, 1 / 3 - 1 / 13, -16 / 40, last], atol=1e-6)


def test_the_weight_of_the_aspect_ratio_is_a_constant_for_ciou_s_gradient() -> None:
    """Two boxes of one centre, 2 x 2 in 2 x 4: by its width alone the first changes its IoU, 2 w / 8, and its angle,
    atan(w / 2), whose difference to atan(2) counts a v; a = v / (0.5 + v)."""
    box = tf.Variable([[0.0, 1.0, 2.0, 3.0]])
    with tf.GradientTape() as tape:
        overlap = box_overlap.ciou(box, tf.constant([[0.0, 0.0, 2.0, 4.0]]))
    _, left, _, right = tape.gradient(overlap, box).numpy()[0]
    apart = math.atan(2) - math.atan(1)
    aspect = 4 / math.pi**2 * apart**2
    along_width = 2 / 8 + aspect / (0.5 + aspect) * 8 / math.pi**2 * apart * 2 / 8
    assert [-left, right] == pytest.approx([along_width] * 2, rel=1e-4)


@pytest.mark.parametrize("overlap", [box_overlap.giou, box_overlap.ciou])
def test_padding_and_boxes_without_area_give_finite_gradients(overlap) -> None:
    boxes = tf.Variable([[0.1, 0.1, 0.3, 0.2], [0.2, 0.2, 0.2, 0.2], [0.1, 0.1, 0.3, 0.2]])
    with tf.GradientTape() as tape:
        overlaps = overlap(boxes, tf.constant([[0.0] * 4, [0.0] * 4, [0.5, 0.5, 0.5, 0.9]]))
    assert np.isfinite(tape.gradient(overlaps, boxes)).all() and np.isfinite(overlaps).all()


def test_a_centre_on_the_border_is_not_inside() -> None:
    inside = box_overlap.holds_centre(tf.constant([[[0.0, 0.0, 0.5, 0.5]]]), tf.constant([[0.25, 0.25], [0.5, 0.25]]))
    assert inside.numpy().tolist() == [[[True, False]]]

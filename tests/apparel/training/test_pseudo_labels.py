"""Pseudo labels: thresholds by class, boxes that are ignored, and boxes moved with the part that a student sees."""

import numpy as np
import tensorflow as tf

from apparel.models.detections import Detections
from apparel.training import pseudo_labels

WHOLE = (0.0, 0.0, 1.0, 1.0)
LEFT, RIGHT, LOWER = (0.1, 0.0, 0.5, 0.4), (0.1, 0.5, 0.5, 0.9), (0.6, 0.1, 1.0, 0.5)


def labels(*rows, thresholds=(0.5, 0.8), window=WHOLE, count=None):
    """Box, class and weight of one photo's rows (box, class, score), in order of the scores."""
    boxes, classes, scores = (tf.constant([list(column)], tf.float32) for column in zip(*rows, strict=True))
    detections = Detections(boxes, classes, scores, tf.constant([float(len(rows) if count is None else count)]))
    batch, counts = pseudo_labels.pseudo_labels(detections, tf.constant(thresholds), tf.constant([window]))
    assert batch["classes"].shape == (1, len(rows), len(thresholds))
    assert counts.shape == (1, len(thresholds))
    kinds = np.argmax(batch["classes"][0], axis=1).tolist()
    return [
        (tuple(np.round(box, 4).tolist()), kind, weight)
        for box, kind, weight in zip(batch["boxes"][0].numpy(), kinds, batch["weights"][0].numpy(), strict=True)
    ]


def test_each_class_has_its_threshold_and_lower_scores_are_ignored_down_to_background():
    found = labels((LEFT, 1, 0.8), (RIGHT, 1, 0.79), (LOWER, 0, 0.09))
    assert found == [(exact(LEFT), 1, 1.0), (exact(RIGHT), 1, 0.0), ((0.0,) * 4, 0, 0.0)]
    assert [weight for *_, weight in labels((LEFT, 0, 0.5), (RIGHT, 0, 0.4999))] == [1.0, 0.0]


def exact(box):
    """The box as float32 has it, rounded."""
    return tuple(np.round(np.array(box, np.float32), 4).tolist())


def test_certain_boxes_are_counted_by_class_wherever_the_student_looks():
    boxes = tf.constant([[LEFT, RIGHT, LOWER, LEFT]])
    detections = Detections(
        boxes, tf.constant([[0.0, 1, 1, 1]]), tf.constant([[0.9, 0.9, 0.3, 0.8]]), tf.constant([4.0])
    )
    _, counts = pseudo_labels.pseudo_labels(detections, tf.constant([0.5, 0.5]), tf.constant([[0.8, 0.8, 1.0, 1.0]]))
    np.testing.assert_array_equal(counts, [[1, 1]])  # the last one is on the first garment


def test_padding_behind_the_count_is_no_detection():
    assert labels((LEFT, 0, 0.9), (RIGHT, 0, 0.8), count=1)[1] == ((0.0,) * 4, 0, 0.0)


def test_a_second_class_on_a_certain_garment_is_left_out():
    assert labels((LEFT, 0, 0.9), (LEFT, 1, 0.85), (LEFT, 1, 0.2))[1:] == [((0.0,) * 4, 1, 0.0)] * 2


def test_a_garment_whose_class_is_open_is_ignored_though_the_second_class_passes_its_threshold():
    found = labels((LEFT, 1, 0.7), (LEFT, 0, 0.6))
    assert [weight for *_, weight in found] == [0.0, 0.0]
    assert {box for box, *_ in found} == {exact(LEFT)}


def test_boxes_move_with_the_part_and_those_mostly_outside_are_ignored():
    found = labels((LEFT, 0, 0.9), (RIGHT, 0, 0.8), (LOWER, 0, 0.7), window=(0.1, 0.2, 0.6, 0.6))
    assert found == [
        (exact((0.0, 0.0, 0.8, 0.5)), 0, 1.0),  # half of it is left
        (exact((0.0, 0.75, 0.8, 1.0)), 0, 0.0),  # a quarter is
        ((0.0,) * 4, 0, 0.0),
    ]


def test_boxes_of_no_weight_are_ignored_and_a_photo_without_others_does_not_count():
    batch = {
        "boxes": tf.constant([[LEFT, RIGHT, (0.0,) * 4], [LEFT, (0.0,) * 4, (0.0,) * 4]]),
        "weights": tf.constant([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]),
    }
    given = pseudo_labels.split_ignored(batch)
    nothing = np.zeros(4, np.float32)
    np.testing.assert_array_equal(given["boxes"], np.array([[LEFT, nothing, nothing], [nothing] * 3], np.float32))
    np.testing.assert_array_equal(
        given["ignored"], np.array([[nothing, RIGHT, nothing], [LEFT, nothing, nothing]], np.float32)
    )
    np.testing.assert_array_equal(given["real"], [True, False])

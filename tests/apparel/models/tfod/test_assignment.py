"""Assignment of anchors by ATSS and SimOTA, against their papers step by step and against cases worked by hand."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from apparel.models.tfod import assignment, box_overlap
from apparel.models.tfod.assignment import Level

LEVELS = [Level(8, 8, 2), Level(4, 4, 3), Level(1, 1, 2)]


def _anchors(levels: list[Level] = LEVELS) -> np.ndarray:
    """Anchors place by place, their sides around two strides."""
    rows = []
    for height, width, count in levels:
        for y in range(height):
            for x in range(width):
                centre = np.array([(y + 0.5) / height, (x + 0.5) / width])
                for number in range(count):
                    half = np.array([1.0 + 0.4 * number, 1.0 - 0.3 * number]) / [height, width]
                    rows.append([*(centre - half), *(centre + half)])
    return np.array(rows, np.float32)


def _iou(box: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    return box_overlap.pairwise_iou(tf.constant(box[np.newaxis]), tf.constant(anchors)).numpy()[0]


def _atss_step_by_step(anchors: np.ndarray, levels: list[Level], boxes: np.ndarray) -> np.ndarray:
    """Algorithm 1 of arXiv 1912.02424, one box and one anchor at a time, with the fallback that is ours."""
    best = np.full(len(anchors), -1.0)
    matches = np.full(len(anchors), -1)
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    for number, box in enumerate(boxes):
        centre, candidates, first = (box[:2] + box[2:]) / 2, [], 0
        for height, width, count in levels:
            at = centres[first : first + height * width * count : count]
            for place in np.argsort(((at - centre) ** 2).sum(axis=1), kind="stable")[:9]:
                candidates += range(first + place * count, first + (place + 1) * count)
            first += height * width * count
        overlaps = _iou(box, anchors)
        threshold = overlaps[candidates].mean() + overlaps[candidates].std(ddof=1)
        inside = ((centres > box[:2]) & (centres < box[2:])).all(axis=1)
        chosen = [anchor for anchor in candidates if overlaps[anchor] >= threshold and inside[anchor]]
        bonus = 0.0 if chosen else 2.0
        for anchor in chosen or [candidates[int(overlaps[candidates].argmax())]]:
            if overlaps[anchor] + bonus > best[anchor]:
                best[anchor], matches[anchor] = overlaps[anchor] + bonus, number
    return matches


sides = st.floats(0.05, 0.6)
some_boxes = st.lists(st.tuples(st.floats(0, 0.4), st.floats(0, 0.4), sides, sides), max_size=6)


@settings(max_examples=15, deadline=None)
@given(some_boxes)
def test_atss_is_the_algorithm_of_the_paper(corners_and_sides: list) -> None:
    boxes = np.array([[y, x, y + h, x + w] for y, x, h, w in corners_and_sides], np.float32).reshape(-1, 4)
    padded = np.zeros((1, 7, 4), np.float32)
    padded[0, : len(boxes)] = boxes
    anchors = _anchors()
    matches = assignment.atss(tf.constant(anchors), LEVELS, tf.constant(padded), tf.constant((padded != 0).any(axis=2)))
    expected = _atss_step_by_step(anchors, LEVELS, boxes)
    differ = matches.numpy()[0] != expected
    assert differ.sum() <= 2  # where two distances are the same but for rounding, either place is nearest
    assert (matches.numpy()[0] >= 0).any() == bool(len(boxes))


def test_atss_by_hand() -> None:
    """Four places, one anchor each, IoUs with the box 1, 1/3, 1/3 and 1/7: mean 0.452, deviation 0.378, so 0.830."""
    anchors = np.array([[y, x, y + 2, x + 2] for y in (0, 1) for x in (0, 1)], np.float32)
    box = tf.constant([[[0.0, 0.0, 2.0, 2.0]]])
    assert _iou(box.numpy()[0, 0], anchors) == pytest.approx([1, 1 / 3, 1 / 3, 1 / 7])
    assert assignment.atss(tf.constant(anchors), [Level(2, 2, 1)], box, tf.constant([[True]])).numpy().tolist() == [
        [0, -1, -1, -1]
    ]


def _small_and_large() -> tuple[tf.Tensor, tf.Tensor]:
    """Two photos: a box smaller than any anchor and between the places, beside one that fills the photo and one that
    does not count; and none but padding."""
    boxes = np.zeros((2, 4, 4), np.float32)
    boxes[0, 0] = [0.001, 0.001, 0.01, 0.01]
    boxes[0, 1] = [0.0, 0.0, 1.0, 1.0]
    boxes[0, 3] = [0.3, 0.3, 0.6, 0.6]
    return tf.constant(boxes), tf.constant([[True, True, False, False], [False] * 4])


@pytest.mark.parametrize("method", ["atss", "simota"])
def test_small_boxes_get_an_anchor_and_padding_none(method: str) -> None:
    anchors, (boxes, real) = tf.constant(_anchors()), _small_and_large()
    matches = _assign(method, anchors, boxes, real).numpy()
    assert set(matches[0]) == {-1, 0, 1}
    assert set(matches[1]) == {-1}


@pytest.mark.parametrize("method", ["atss", "simota"])
def test_a_photo_s_assignment_does_not_depend_on_the_others(method: str) -> None:
    random = np.random.default_rng(0)
    corners = random.uniform(0, 0.5, (3, 20, 2))
    boxes = np.concatenate([corners, corners + random.uniform(0.05, 0.5, corners.shape)], axis=2).astype(np.float32)
    real = random.uniform(size=(3, 20)) < 0.7
    anchors = tf.constant(_anchors())
    together = _assign(method, anchors, tf.constant(boxes), tf.constant(real)).numpy()
    for photo in range(3):
        alone = _assign(method, anchors, tf.constant(boxes[photo : photo + 1]), tf.constant(real[photo : photo + 1]))
        np.testing.assert_array_equal(alone[0], together[photo])
        assert set(together[photo]) - {-1} <= set(np.flatnonzero(real[photo]))
    assert (together >= 0).any()


def _assign(method: str, anchors: tf.Tensor, boxes: tf.Tensor, real: tf.Tensor) -> tf.Tensor:
    if method == "atss":
        return assignment.atss(anchors, LEVELS, boxes, real)
    predicted = tf.broadcast_to(anchors, [len(boxes), *anchors.shape])
    return assignment.simota(anchors, LEVELS, boxes, real, predicted, tf.ones([*boxes.shape[:2], len(anchors)]))


def _simota_by_hand(overlaps: list[float], class_costs: list[float]) -> list[int]:
    """A box 1 x 10 and anchors 1 x 1 at its centre line whose predictions are parts of it with these IoUs."""
    count = len(overlaps)
    anchors = tf.constant([[0.0, 4.5, 1.0, 5.5]] * count)
    predicted = tf.constant([[[0.0, 0.0, 1.0, 10 * overlap] for overlap in overlaps]])
    box, costs = tf.constant([[[0.0, 0.0, 1.0, 10.0]]]), tf.constant([[class_costs]])
    matches = assignment.simota(anchors, [Level(1, 1, count)], box, tf.constant([[True]]), predicted, costs)
    return np.flatnonzero(matches.numpy()[0] == 0).tolist()


def test_simota_takes_as_many_anchors_as_the_ious_sum_to() -> None:
    assert _simota_by_hand([0.9, 0.8, 0.7, 0.3], [1.0] * 4) == [0, 1]  # 2.7
    assert _simota_by_hand([0.2, 0.3, 0.1, 0.05], [1.0] * 4) == [1]  # 0.65, and at least one


def test_simota_weighs_class_and_overlap() -> None:
    """-3 log 0.9 = 0.32 and -3 log 0.8 = 0.67: the second wins where the first's class costs 0.4 more."""
    assert _simota_by_hand([0.9, 0.8], [1.3, 1.0]) == [0]
    assert _simota_by_hand([0.9, 0.8], [1.4, 1.0]) == [1]


def test_an_anchor_that_two_boxes_want_goes_to_the_cheaper_one() -> None:
    boxes = tf.constant([[[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]])
    anchor = boxes[0, :1]
    for costs, winner in (([1.0, 2.0], 0), ([2.0, 1.0], 1)):
        cost = tf.reshape(tf.constant(costs), [1, 2, 1])
        matches = assignment.simota(anchor, [Level(1, 1, 1)], boxes, tf.ones([1, 2], tf.bool), boxes[:, :1], cost)
        assert matches.numpy().tolist() == [[winner]]


def _simota_step_by_step(
    anchors: np.ndarray, levels: list[Level], boxes: np.ndarray, predicted: np.ndarray, class_costs: np.ndarray
) -> np.ndarray:
    """`get_assignments` and `simota_matching` of YOLOX's yolo_head.py, on anchors of several strides."""
    counts = [height * width * count for height, width, count in levels]
    strides = np.repeat([[1 / height, 1 / width] for height, width, _ in levels], counts, axis=0)
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    inside = np.array([((centres > box[:2]) & (centres < box[2:])).all(axis=1) for box in boxes])
    near = np.array([(abs(centres - (box[:2] + box[2:]) / 2) < 2.5 * strides).all(axis=1) for box in boxes])
    candidates = np.flatnonzero((inside | near).any(axis=0))
    overlaps = np.array([_iou(box, predicted) for box in boxes])[:, candidates]
    costs = class_costs[:, candidates] - 3 * np.log(overlaps + 1e-8) + 1e5 * ~(inside & near)[:, candidates]
    takes = np.zeros(costs.shape, bool)
    for number, (its_overlaps, its_costs) in enumerate(zip(overlaps, costs, strict=True)):
        count = max(1, int(np.sort(its_overlaps)[-10:].sum()))
        takes[number, np.argsort(its_costs, kind="stable")[:count]] = True
    matches = np.full(len(anchors), -1)
    for place, anchor in enumerate(candidates):
        wanted = np.flatnonzero(takes[:, place])
        if len(wanted):
            matches[anchor] = wanted[0] if len(wanted) == 1 else costs[:, place].argmin()
    return matches


@pytest.mark.parametrize("seed", range(5))
def test_simota_is_the_algorithm_of_yolox(seed: int) -> None:
    random, anchors = np.random.default_rng(seed), _anchors()
    corners = random.uniform(0, 0.6, (5, 2))
    boxes = np.concatenate([corners, corners + random.uniform(0.02, 0.6, (5, 2))], axis=1).astype(np.float32)
    predicted = (anchors + random.normal(0, 0.03, anchors.shape)).astype(np.float32)
    predicted[:, 2:] = np.maximum(predicted[:, 2:], predicted[:, :2] + 0.01)
    class_costs = random.uniform(0, 5, (5, len(anchors))).astype(np.float32)
    given = [tf.constant(values[np.newaxis]) for values in (boxes, np.ones(5, bool), predicted, class_costs)]
    matches = assignment.simota(tf.constant(anchors), LEVELS, *given)
    expected = _simota_step_by_step(anchors, LEVELS, boxes, predicted, class_costs)
    np.testing.assert_array_equal(matches[0], expected)
    assert len(set(expected)) > 3

"""Weighted boxes fusion, beside what ensemble-boxes 1.0.9 gives, and where it is better not to follow it."""

import numpy as np
import pytest

from apparel.inference import fusion
from apparel.models.detections import Detections

FIRST = [
    (0.10, 0.12, 0.51, 0.48, 0, 0.90), (0.60, 0.10, 0.95, 0.40, 1, 0.80), (0.05, 0.60, 0.30, 0.95, 0, 0.30),
]  # fmt: skip
SECOND = [
    (0.12, 0.10, 0.50, 0.50, 0, 0.70), (0.11, 0.12, 0.50, 0.49, 1, 0.60), (0.62, 0.12, 0.96, 0.42, 1, 0.50),
]  # fmt: skip

REFERENCE = {
    (1, 1): [
        (0.108750, 0.111250, 0.505625, 0.488750, 0, 0.80),
        (0.607692, 0.107692, 0.953846, 0.407692, 1, 0.65),
        (0.110000, 0.120000, 0.500000, 0.490000, 1, 0.30),
        (0.050000, 0.600000, 0.300000, 0.950000, 0, 0.15),
    ],
    (3, 1): [
        (0.104118, 0.115882, 0.507941, 0.484118, 0, 0.850),
        (0.603448, 0.103448, 0.951724, 0.403448, 1, 0.725),
        (0.050000, 0.600000, 0.300000, 0.950000, 0, 0.225),
        (0.110000, 0.120000, 0.500000, 0.490000, 1, 0.150),
    ],
}
"""What `weighted_boxes_fusion` of ensemble-boxes 1.0.9 gives for FIRST and SECOND with these weights, to 6 decimals."""


def detections(*photos, most=6):
    """Detections of photos, each a list of (ymin, xmin, ymax, xmax, class, score)."""
    rows = np.zeros((len(photos), most, 6), np.float32)
    for number, photo in enumerate(photos):
        rows[number, : len(photo)] = np.reshape(photo, (-1, 6))
    return Detections(rows[..., :4], rows[..., 4], rows[..., 5], np.array([len(each) for each in photos], np.float32))


def rows(fused, photo=0):
    count = int(fused.count[photo])
    return [
        (*map(float, box), int(number), float(score))
        for box, number, score in zip(
            fused.boxes[photo][:count], fused.classes[photo][:count], fused.scores[photo][:count], strict=True
        )
    ]


@pytest.mark.parametrize("weights", REFERENCE)
def test_boxes_and_scores_are_those_of_the_authors_code(weights):
    fused = fusion.fuse([detections(FIRST), detections(SECOND)], weights)
    np.testing.assert_allclose(rows(fused), REFERENCE[weights], atol=1e-6)
    twice_as_much = fusion.fuse([detections(FIRST), detections(SECOND)], [2 * weight for weight in weights])
    np.testing.assert_allclose(rows(twice_as_much), rows(fused), atol=1e-6)


def test_each_photo_of_a_batch_is_fused_as_it_is_alone(monkeypatch):
    first, second = detections(FIRST, [], SECOND), detections(SECOND, FIRST, [])
    together = fusion.fuse([first, second], [2, 1])
    monkeypatch.setattr(fusion, "PHOTOS_AT_ONCE", 2)
    in_parts = fusion.fuse([first, second], [2, 1])
    for number, photos in enumerate([(FIRST, SECOND), ([], FIRST), (SECOND, [])]):
        alone = fusion.fuse([detections(photo) for photo in photos], [2, 1])
        assert rows(together, number) == rows(in_parts, number) == rows(alone)
    assert together.boxes.dtype == together.scores.dtype == together.count.dtype == np.float32


def test_several_boxes_of_one_view_in_a_cluster_do_not_raise_its_score_above_one():
    """ensemble-boxes gives 1.5 times the score here: the mean of the weighted scores, times 2 boxes, by 4."""
    box = (0.1, 0.1, 0.5, 0.5, 0)
    heavy, light = detections([(*box, 0.9), (0.11, 0.1, 0.5, 0.5, 0, 0.8)]), detections([])
    assert [row[-1] for row in rows(fusion.fuse([heavy, light], [3, 1]))] == [pytest.approx(0.675)]
    assert [row[-1] for row in rows(fusion.fuse([heavy, heavy], [3, 1]))] == [pytest.approx(0.9)]


def test_padding_and_boxes_without_area_are_no_detections():
    padded = detections([(0.1, 0.1, 0.5, 0.5, 0, 0.9), (0.2, 0.2, 0.2, 0.6, 0, 0.8)])
    padded = padded._replace(boxes=padded.boxes + np.where(padded.boxes.any(axis=-1, keepdims=True), 0, 0.5))
    assert len(rows(fusion.fuse([padded, detections([])], [1, 1]))) == 1
    nothing = fusion.fuse([detections([]), detections([])], [1, 1])
    assert nothing.count.tolist() == [0] and nothing.boxes.shape == (1, 6, 4)


def test_no_more_detections_than_a_view_gives_and_the_best_ones():
    many = [(0.1 * number, 0.1, 0.1 * number + 0.05, 0.5, 0, 0.9 - 0.1 * number) for number in range(4)]
    others = [(*row[:4], 1, row[5]) for row in many]
    fused = fusion.fuse([detections(many, most=4), detections(others, most=4)], [1, 1])
    assert fused.scores.shape == (1, 4)
    assert [row[-1] for row in rows(fused)] == pytest.approx([0.45, 0.45, 0.40, 0.40])


def test_a_mirrored_photos_boxes_are_brought_back():
    mirrored = fusion.mirror(detections([(0.1, 0.2, 0.5, 0.6, 1, 0.9)]))
    assert rows(mirrored)[0] == pytest.approx((0.1, 0.4, 0.5, 0.8, 1, 0.9))

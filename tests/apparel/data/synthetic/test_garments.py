from random import Random

import pytest

from apparel.data.synthetic import garments


def test_a_curve_begins_and_ends_at_its_end_points():
    points = garments.curve((0, 0), (1, 2), (2, 0), steps=4)
    assert points[0] == (0, 0) and points[-1] == (2, 0)
    assert points[2] == (1, 1)  # halfway: a quarter of each end point and half of the control point


@pytest.mark.parametrize("label", garments.GARMENT_MAKERS)
def test_outlines_are_symmetric_and_differ_between_garments(label):
    garment = garments.make_garment(label, Random(0))
    for outline in garment.outlines:
        assert {(-x, y) for x, y in outline} == set(outline)
    assert garment == garments.make_garment(label, Random(0))
    assert garment != garments.make_garment(label, Random(1))

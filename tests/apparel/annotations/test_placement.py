"""Boxes are placed on the photo as a viewer shows it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apparel.annotations.frames import Frame
from apparel.annotations.placement import place_boxes
from apparel.annotations.problems import Problems
from apparel.annotations.records import Annotation, Box
from apparel.images import Header


def placed(*boxes, size=(100, 80), stored=(100, 80), orientation=1, frame=None):
    """The corners that `place_boxes` gives, and the problems; the photo's size is as it is stored."""
    upright = stored[::-1] if orientation >= 5 else stored
    annotation = Annotation("a.xml", "a.jpg", tuple(Box("Tops", box) for box in boxes), size)
    problems = Problems("a.xml")
    header = Header("JPEG", *stored, *upright, orientation, "RGB")
    found = place_boxes(annotation, header, frame or Frame(upright), problems)
    return [box.corners for box in found], [f"{problem.outcome}: {problem.reason}" for problem in problems.entries]


def test_a_box_inside_the_photo_stays_as_it_is():
    assert placed((0, 0, 100, 80), (1.25, 2, 3, 4)) == ([(0, 0, 100, 80), (1.25, 2, 3, 4)], [])


def test_a_box_is_cut_at_the_edges():
    assert placed((-5, -1, 150, 81)) == ([(0, 0, 100, 80)], ["repaired: box cut at the photo's edge"])


def test_a_difference_below_the_rounding_is_not_a_repair():
    assert placed((-0.0001, 0, 100.0001, 80)) == ([(0, 0, 100, 80)], [])


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((10, 10, 10.9, 20), "box is smaller than a pixel"),
        ((10, 10, 10, 10), "box is smaller than a pixel"),
        ((100, 0, 120, 20), "box lies outside the photo"),
        ((-50, -50, -1, -1), "box lies outside the photo"),
        ((99.5, 0, 120, 20), "box lies outside the photo"),
    ],
)
def test_a_box_that_is_not_on_the_photo_is_dropped(box, reason):
    assert placed(box, (1, 1, 5, 5)) == ([(1, 1, 5, 5)], [f"dropped: {reason}"])


TURNED = "repaired: boxes were drawn before EXIF turned the photo; turned with it"
SCALED = "repaired: size is that of a scaled copy; boxes scaled"


@pytest.mark.parametrize(
    ("orientation", "corners"), [(6, (80 - 50, 10, 80 - 20, 30)), (3, (70, 30, 90, 60)), (2, (70, 20, 90, 50))]
)
def test_boxes_of_the_stored_photo_are_turned(orientation, corners):
    frame = Frame((100, 80), stored=True)
    assert placed((10, 20, 30, 50), orientation=orientation, frame=frame) == ([corners], [TURNED])


def test_boxes_of_the_upright_photo_are_not_turned():
    assert placed((10, 20, 30, 50), size=(80, 100), orientation=6) == ([(10, 20, 30, 50)], [])


@pytest.mark.parametrize("size", [(200, 160), (50, 40), (33, 26), (333, 267)])
def test_boxes_of_a_scaled_copy_are_scaled(size):
    box = (0.1 * size[0], 0.2 * size[1], 0.5 * size[0], 0.9 * size[1])
    corners, problems = placed(box, size=size, frame=Frame(size, reach=1))
    assert corners[0] == pytest.approx((10, 16, 50, 72), abs=0.002)
    assert problems == [SCALED]


def test_boxes_of_a_scaled_copy_of_the_stored_photo_are_scaled_and_turned():
    corners, problems = placed((5, 10, 15, 25), size=(50, 40), orientation=6, frame=Frame((50, 40), stored=True))
    assert (corners, problems) == ([(80 - 50, 10, 80 - 20, 30)], [SCALED, TURNED])


def test_boxes_in_the_photos_own_pixels_stay_although_the_size_is_anothers():
    corners, problems = placed((10, 10, 90, 70), size=(50, 40), frame=Frame((100, 80), reach=1))
    assert corners == [(10, 10, 90, 70)]
    assert problems == ["repaired: size is not the photo's; boxes are in its own pixels"]


def test_boxes_beyond_the_reach_are_dropped_and_those_within_cut():
    corners, problems = placed((0, 0, 51, 41), (0, 0, 51.5, 40), size=(50, 40), frame=Frame((50, 40), reach=1))
    assert corners == [(0, 0, 100, 80)]
    assert problems == [
        SCALED,
        "repaired: box cut at the photo's edge",
        "dropped: box reaches too far beyond the photo",
    ]


def test_all_boxes_are_dropped_where_their_image_is_undecided():
    assert placed((1, 2, 30, 40), (1, 2, 3, 4), frame=Frame((100, 80), undecided="nothing tells")) == (
        [],
        ["dropped: nothing tells"],
    )
    assert placed(frame=Frame((100, 80), undecided="nothing tells")) == ([], [])


def test_a_repeated_box_is_kept_and_noted():
    corners, problems = placed((1, 2, 30, 40), (1, 2, 30, 40), (1, 2, 30, 41))
    assert len(corners) == 3
    assert problems == ["noted: the same box is there more than once"]


SIDES = st.integers(1, 5000)
COORDINATE = st.floats(-1e6, 1e6)


@given(
    st.lists(st.tuples(*[COORDINATE] * 4), max_size=3),
    st.tuples(SIDES, SIDES),
    SIDES,
    SIDES,
    st.integers(1, 8),
    st.booleans(),
    st.sampled_from([0, 1, math.inf]),
)
def test_every_kept_box_lies_on_the_photo(boxes, size, width, height, orientation, stored, reach):
    frame = Frame(size, stored, reach)
    corners, problems = placed(*boxes, size=size, stored=(width, height), orientation=orientation, frame=frame)
    upright_width, upright_height = (height, width) if orientation >= 5 else (width, height)
    for xmin, ymin, xmax, ymax in corners:
        assert 0 <= xmin <= xmax - 1 < upright_width
        assert 0 <= ymin <= ymax - 1 < upright_height
        assert xmax <= upright_width
        assert ymax <= upright_height
    assert len(corners) + sum(problem.startswith("dropped") for problem in problems) == len(boxes)

"""The set decides in which image boxes lie, turned or not, scaled or not; where nothing proves it, no box is kept."""

import pytest

from apparel.annotations import frames
from apparel.annotations.frames import decide_frames
from apparel.annotations.records import Annotation, Box
from apparel.errors import UserError
from apparel.images import Header
from tests.support.annotated_photos import reasons
from tests.support.red_photos import RedPhotos, stored_box


@pytest.fixture
def red(tmp_path):
    return RedPhotos(tmp_path, seed=1)


def add(red, count, size, given, box=None, scale=1.0, inside=None):
    """Photos of one size whose annotations give another, with boxes at `scale`, all in a part of the photo or not."""
    for number in range(len(red.truth), len(red.truth) + count):
        place = box or (red.place(size, inside) if inside else None)
        corners = [scale * corner for corner in red.photo(f"{number}.jpg", size, place)]
        red.xml(f"{number}.xml", f"{number}.jpg", size=given, box=corners)


def add_turned(red, count, size, orientations, stored, give="drawn"):
    """Photos of one size as shown, drawn on as stored or as shown; annotations give the size of that, or none."""
    for number in range(len(red.truth), len(red.truth) + count):
        orientation, name = orientations[number % len(orientations)], f"{number}.jpg"
        box = red.photo(name, size, orientation=orientation)
        as_stored = size[::-1] if orientation >= 5 else size
        given = {"drawn": as_stored if stored else size, "none": (0, 0), "stored": as_stored}[give]
        red.xml(f"{number}.xml", name, size=given, box=stored_box(box, orientation, size) if stored else box)


def placed(converted, red):
    """The number of boxes kept, and the photos where one is not on the red."""
    return len(converted.labels), red.wrong(converted.labels)


def test_boxes_beyond_a_stale_size_prove_the_photos_own_pixels_for_all(red):
    add(red, 12, (128, 96), (64, 48))
    add(red, 12, (128, 96), (64, 48), inside=(64, 48))
    converted = red.convert()
    assert placed(converted, red) == (24, [])
    assert converted.report["decided"] == [
        "24 annotations give another size than their photo's (64x48 for 128x96): boxes are in the photos' own pixels"
    ]
    assert converted.report["repaired"]["size is not the photo's; boxes are in its own pixels"]["count"] == 24


def test_sizes_stale_for_half_a_set(red):
    add(red, 12, (128, 96), (64, 48))
    add(red, 12, (64, 48), (64, 48))
    add(red, 12, (128, 96), (128, 96))
    assert placed(red.convert(), red) == (36, [])


def test_where_no_box_proves_it_the_run_stops_and_the_parameter_decides(red):
    add(red, 12, (128, 96), (64, 48), inside=(64, 48))
    with pytest.raises(
        UserError, match=rf"(?s)of 12 .* 12 have boxes .*12: {frames.UNDECIDED_SIZE[:40]}.*convert.sizes"
    ):
        red.convert()
    assert placed(red.convert(sizes="own"), red) == (12, [])
    assert len(red.wrong(red.convert(sizes="scaled").labels)) == 12


def test_where_few_are_undecided_they_are_dropped_and_their_photos_left_out(red):
    add(red, 12, (128, 96), (128, 96))
    add(red, 5, (128, 96), (64, 48), inside=(64, 48))
    converted = red.convert()
    assert placed(converted, red) == (12, [])
    assert converted.report["dropped"][frames.UNDECIDED_SIZE]["boxes"] == 5
    assert (len(converted.photos), converted.report["photos_that_lost_all_boxes"]) == (12, 5)
    assert len(red.convert(incomplete_as_negative=True).photos) == 17


def test_boxes_beyond_the_photo_prove_a_scaled_copy(red):
    add(red, 12, (64, 48), (256, 192), scale=4)
    add(red, 4, (80, 60), (160, 120), scale=2, box=(50, 30, 79, 59))
    assert placed(red.convert(), red) == (16, [])


def test_one_box_does_not_prove_what_all_others_contradict(red):
    add(red, 12, (128, 96), (128, 96))
    add(red, 11, (128, 96), (64, 48), scale=0.5)
    add(red, 1, (128, 96), (64, 48), box=(60, 50, 120, 90))
    converted = red.convert()
    assert placed(converted, red) == (12, [])
    assert converted.report["dropped"][frames.CONTRADICTORY_SIZE]["boxes"] == 12


@pytest.mark.parametrize("size", [(64, 48), (48, 64), (96, 40)])
def test_a_size_with_its_sides_exchanged_is_decided_by_boxes(red, size):
    add(red, 12, size, size[::-1])
    assert placed(red.convert(), red) == (12, [])


def test_exchanged_sides_of_some_photos_prove_those_of_others(red):
    add(red, 4, (96, 40), (40, 96), box=(50, 10, 90, 30))
    add(red, 4, (64, 48), (48, 64), inside=(48, 48))
    assert placed(red.convert(), red) == (8, [])


def test_photos_turned_after_they_were_annotated_are_dropped(red):
    add(red, 12, (64, 48), (64, 48))
    add(red, 6, (64, 48), (48, 64), box=(5, 5, 40, 40))
    for number in range(12, 18):
        red.xml(f"{number}.xml", f"{number}.jpg", size=(48, 64), box=(5, 20, 40, 60))
    converted = red.convert()
    assert placed(converted, red) == (12, [])
    assert converted.report["dropped"][frames.UNDECIDED_SIZE]["boxes"] == 6


def test_a_box_far_beyond_a_photo_of_the_right_size_has_a_wrong_corner(red):
    add(red, 3, (64, 48), (64, 48))
    red.xml("0.xml", "0.jpg", box=(10, 10, 97, 20))
    red.xml("1.xml", "1.jpg", box=(10, 10, 95, 20))
    converted = red.convert()
    assert reasons(converted.report) == {"box reaches too far beyond the photo": {"0.xml": ["red 10 10 97 20"]}}
    assert reasons(converted.report, "repaired") == {"box cut at the photo's edge": {"1.xml": ["red 10 10 95 20"]}}


def test_without_a_size_boxes_are_the_photos(red):
    add(red, 12, (64, 48), (0, 0))
    assert placed(red.convert(), red) == (12, [])


def test_without_a_size_boxes_far_beyond_the_photos_are_not_theirs(red):
    add(red, 12, (64, 48), (64, 48))
    add(red, 6, (80, 60), (0, 0), scale=4, box=(40, 30, 79, 59))
    converted = red.convert()
    assert placed(converted, red) == (12, [])
    assert converted.report["dropped"][frames.BEYOND_PHOTO]["boxes"] == 6


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("give", ["drawn", "none"])
def test_turned_photos_that_prove_it_decide_for_all_turned_ones(red, stored, give):
    add_turned(red, 16, (48, 64), (5, 6, 7, 8), stored, give)
    add_turned(red, 6, (64, 48), (2, 3, 4), stored, give)
    add_turned(red, 8, (60, 60), (3, 6, 7, 8), stored, give)
    add(red, 4, (64, 48), (64, 48))
    converted = red.convert()
    assert placed(converted, red) == (34, [])
    taken = "stored" if stored else "shown"
    assert f"all are taken as {taken} (convert.exif)" in converted.report["decided"][0]
    assert (frames.UNDECIDED_EXIF in converted.report["dropped"]) is False


def test_turned_photos_that_contradict_each_other_stop_the_run(red):
    add_turned(red, 6, (48, 64), (6,), stored=True)
    add_turned(red, 5, (48, 64), (6,), stored=False)
    add_turned(red, 4, (60, 60), (6,), stored=False)
    counted = "EXIF turns 15 annotated photos: 6 prove that boxes were drawn on the pixels as stored, 5 as shown"
    with pytest.raises(UserError, match=rf"{counted} .*convert\.exif in params\.yaml decides"):
        red.convert()


def test_boxes_that_fit_only_the_photo_as_shown_contradict_a_size_as_stored(red):
    add_turned(red, 20, (40, 90), (6,), stored=False, give="stored")
    with pytest.raises(UserError, match=r"convert\.exif in params\.yaml decides"):
        red.convert()
    assert placed(red.convert(exif="shown"), red) == (20, [])


def test_a_box_drawn_a_little_beyond_a_photo_proves_nothing(red):
    add_turned(red, 12, (48, 64), (6,), stored=False)
    red.xml("0.xml", "0.jpg", box=(10, 10, 49.3, 40))
    add(red, 4, (128, 96), (64, 48), inside=(64, 48))
    red.xml("13.xml", "13.jpg", size=(64, 48), box=(10, 10, 65.5, 40))
    converted = red.convert()
    assert (len(converted.labels), red.wrong(converted.labels)) == (12, ["0.jpg"])
    assert "0 prove that boxes were drawn on the pixels as stored, 12 as shown" in converted.report["decided"][0]
    assert converted.report["dropped"][frames.UNDECIDED_SIZE]["boxes"] == 4


def test_turned_photos_of_which_none_proves_it_are_dropped(red):
    add(red, 12, (64, 48), (64, 48))
    add_turned(red, 3, (60, 60), (6,), stored=False)
    add_turned(red, 3, (64, 48), (3,), stored=False)
    converted = red.convert()
    assert placed(converted, red) == (12, [])
    assert converted.report["dropped"][frames.UNDECIDED_EXIF]["boxes"] == 6
    assert len(converted.photos) == 12
    assert placed(red.convert(exif="shown"), red) == (18, [])
    assert len(red.wrong(red.convert(exif="stored").labels)) == 6


def test_annotations_without_boxes_decide_nothing_and_need_no_decision():
    header = Header("JPEG", 60, 60, 60, 60, 6, "RGB")
    frame, decisions = decide_frames({"a.jpg": (Annotation("a.xml", "a.jpg", (), (60, 60)), header)})
    assert (frame["a.jpg"].size, decisions) == ((60, 60), [])


def test_a_thousand_pairs_of_sizes_are_one_sentence():
    box = (Box("Tops", (1.0, 1.0, 1999.0, 1999.0)),)
    annotated = {
        f"{number}.jpg": (
            Annotation("a.xml", "a.jpg", box, (2000 + 2 * number, 2000 + 2 * number)),
            Header("JPEG", 1000 + number, 1000 + number, 1000 + number, 1000 + number, 1, "RGB"),
        )
        for number in range(1, 901)
    }
    _, decisions = decide_frames(annotated)
    assert decisions == [
        "900 annotations give another size than their photo's (2002x2002 for 1001x1001, 2004x2004 for 1002x1002, "
        "2006x2006 for 1003x1003 and 897 more): boxes are scaled"
    ]


def test_the_binomial_distribution_holds_for_many_trials():
    assert frames._at_most(1, 3, 0.5) == pytest.approx(0.5)
    assert frames._at_most(50_000, 100_000, 0.5) == pytest.approx(0.50126, abs=1e-4)

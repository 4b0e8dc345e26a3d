"""The photos that an annotation names, by its own name and by the file name in it, and what its size says."""

import pytest

from apparel.annotations.matching import SIMILAR, WITHOUT_ENDING, PhotoNames, SizeEvidence
from apparel.annotations.records import Annotation
from apparel.images import Header

PHOTOS = ["a.jpg", "b.jpg", "c.jpg", "c.png", "Ü.jpg", "x.jpg", "X.png"]


def header(width, height, orientation=1):
    """The header of a photo with this size as stored."""
    upright = (height, width) if orientation >= 5 else (width, height)
    return Header("JPEG", width, height, *upright, orientation, "RGB")


@pytest.mark.parametrize(
    ("stem", "photo", "by_name", "by_filename"),
    [
        ("a", "a.jpg", (("a.jpg",), ""), ("a.jpg", "")),
        ("a", "b.jpg", (("a.jpg",), ""), ("b.jpg", "")),
        ("a.jpg", "other.jpg", (("a.jpg",), ""), (None, "")),
        ("c", "c.png", (("c.jpg", "c.png"), ""), ("c.png", "")),
        ("c", "c.bmp", (("c.jpg", "c.png"), ""), (None, "")),
        ("u\u0308", "B.JPG", (("Ü.jpg",), SIMILAR), ("b.jpg", SIMILAR)),
        ("7", "X.JPG", ((), ""), ("X.png", WITHOUT_ENDING)),
        (None, "a.bmp", ((), ""), ("a.jpg", WITHOUT_ENDING)),
        ("7", "", ((), ""), (None, "")),
    ],
)
def test_photos_are_found_by_both_names(stem, photo, by_name, by_filename):
    claim = PhotoNames(PHOTOS).claim(Annotation("a.xml", photo, (), stem=stem))
    assert (claim.by_name, claim.name_match) == by_name
    assert (claim.by_filename, claim.filename_match) == by_filename
    assert claim.agrees == (by_filename[0] in by_name[0])
    assert claim.conflicts == (bool(by_name[0]) and by_filename[0] is not None and not claim.agrees)


@pytest.mark.parametrize(
    ("size", "photo", "fit"),
    [
        ((100, 80), "a.jpg", 1),
        ((80, 100), "a.jpg", -1),
        ((60, 100), "turned.jpg", 1),
        ((100, 60), "turned.jpg", 1),
        ((300, 240), "a.jpg", 0),  # a scaled copy
        ((200, 160), "a.jpg", -1),  # b.jpg has that size
        ((100, 90), "a.jpg", -1),
        (None, "a.jpg", 0),
        ((100, 80), "unreadable.jpg", 0),
    ],
)
def test_a_size_speaks_for_or_against_a_photo(size, photo, fit):
    sizes = SizeEvidence({"a.jpg": header(100, 80), "b.jpg": header(200, 160), "turned.jpg": header(100, 60, 6)})
    assert sizes.fit(Annotation("a.xml", "", (), size), photo) == fit


def test_a_size_tells_apart_photos_that_differ_in_their_endings():
    sizes = SizeEvidence({"c.jpg": header(100, 80), "c.png": header(90, 80)})
    assert sizes.only_fit(Annotation("c.xml", "", (), (90, 80)), ("c.jpg", "c.png")) == "c.png"
    assert sizes.only_fit(Annotation("c.xml", "", (), (70, 80)), ("c.jpg", "c.png")) is None
    assert sizes.only_fit(Annotation("c.xml", "", (), (90, 80)), ()) is None

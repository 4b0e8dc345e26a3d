"""The photos that an annotation names, by its own name and by the file name in it, and what its size says."""

import pytest

from apparel.annotations.matching import SIMILAR, WITHOUT_ENDING, PhotoNames, SizeEvidence
from apparel.annotations.records import Annotation
from apparel.images import Header
from tests.support.annotated_photos import DataSet, reasons

PHOTOS = ["a.jpg", "b.jpg", "c.jpg", "c.png", "Ü.jpg", "x.jpg", "X.png"]


@pytest.fixture
def data(tmp_path):
    return DataSet(tmp_path)


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


def test_the_photo_is_found_by_the_annotations_own_name(data):
    data.photo("a.jpg", "b.jpg", "c.jpg", "c.png")
    data.xml("a.xml", "other.jpg", ("Tops", (1, 2, 3, 4)))
    data.xml("b.xml", "", ("Tops", (1, 2, 3, 4)))
    data.xml("c.xml", "d.jpg", ("Tops", (1, 2, 3, 4)))
    report = data.convert().report
    assert reasons(report, "repaired") == {
        "photo found by the annotation's own name": {"a.xml": ["a.jpg for 'other.jpg'"], "b.xml": ["b.jpg for ''"]}
    }
    which = "'d.jpg', 1 boxes; it may be any of c.jpg, c.png"
    assert reasons(report) == {"photo is missing": {"c.xml": [which]}}


def test_the_photo_is_found_by_its_name_without_ending(data):
    data.photo("a.jpg", "b.jpg", "c.jpg", "c.png")
    data.xml("1.xml", "a", ("Tops", (1, 2, 3, 4)))
    data.xml("2.xml", "c.bmp", ("Tops", (1, 2, 3, 4)))
    (data.annotations / "3.csv").write_text("b.png,Tops,5,5,20,10\n")
    report = data.convert().report
    assert reasons(report, "repaired") == {
        "photo found by its name without ending": {"1.xml": ["a.jpg for 'a'"], "3.csv": ["b.jpg for 'b.png'"]}
    }
    which = "'c.bmp', 1 boxes; it may be any of c.jpg, c.png"
    assert reasons(report) == {"photo is missing": {"2.xml": [which]}}


def test_the_photo_is_found_although_case_or_accents_are_written_differently(data):
    data.photo("e\u0301.jpg", "ü.jpg", "Shirt.JPG", "o\u0308.png", "x.jpg", "X.png")
    for number, name in enumerate(("é.jpg", "u\u0308.jpg", "shirt.jpg", "Ö.jpg", "X.JPG")):
        data.xml(f"{number}.xml", name, ("Tops", (1, 2, 3, 4)))
    data.xml("É.xml", "", ("Tops", (1, 2, 3, 4)))
    converted = data.convert()
    assert reasons(converted.report, "repaired") == {
        f"photo found by {SIMILAR}": {
            "0.xml": ["e\u0301.jpg for 'é.jpg'"],
            "1.xml": ["ü.jpg for 'u\u0308.jpg'"],
            "2.xml": ["Shirt.JPG for 'shirt.jpg'"],
            "3.xml": ["o\u0308.png for 'Ö.jpg'"],
        },
        "photo found by its name without ending": {"4.xml": ["X.png for 'X.JPG'"]},
    }
    assert reasons(converted.report) == {"photo has another annotation": {"É.xml": ["e\u0301.jpg in 0.xml"]}}


def test_a_similar_name_does_not_win_over_the_exact_one(data):
    data.photo("a.jpg")
    data.xml("A.xml", "A.JPG", ("Tops", (5, 6, 7, 8)))
    data.xml("x.xml", "a.jpg", ("Tops", (1, 2, 3, 4)))
    converted = data.convert()
    assert converted.labels["xmin"].tolist() == [1]
    assert reasons(converted.report) == {"photo has another annotation": {"A.xml": ["a.jpg in x.xml"]}}

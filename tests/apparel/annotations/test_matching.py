"""An annotation finds its photo by name; of several for one photo, one wins."""

import pytest

from apparel.annotations.matching import SIMILAR, match_photos
from apparel.annotations.problems import Problem
from apparel.annotations.records import Annotation, Box
from tests.support.annotated_photos import DataSet, reasons


@pytest.fixture
def data(tmp_path):
    return DataSet(tmp_path)


def test_the_photo_is_found_by_the_annotations_own_name(data):
    data.photo("a.jpg", "b.jpg", "c.jpg", "c.png")
    data.xml("a.xml", "other.jpg", ("Tops", (1, 2, 3, 4)))
    data.xml("b.xml", "", ("Tops", (1, 2, 3, 4)))
    data.xml("c.xml", "c", ("Tops", (1, 2, 3, 4)))
    report = data.convert().report
    assert reasons(report, "repaired") == {
        "photo found by the annotation's own name": {"a.xml": ["a.jpg for 'other.jpg'"], "b.xml": ["b.jpg for ''"]}
    }
    which = "'c', 1 boxes; it may be any of c.jpg, c.png"
    assert reasons(report) == {"photo is missing": {"c.xml": [which]}}


def test_the_first_of_two_annotations_wins_whatever_its_kind(data):
    data.photo("a.jpg")
    data.xml("a.xml", "a.jpg", ("Tops", (1, 2, 3, 4)))
    data.xml("z/b.xml", "a.jpg", ("Tops", (5, 6, 7, 8)))
    (data.annotations / "b.csv").write_text("path,class,x,y,w,h\na.jpg,Tops,9,9,5,5\n")
    converted = data.convert()
    assert converted.labels["xmin"].tolist() == [1]
    assert reasons(converted.report) == {
        "photo has an earlier annotation": {"b.csv": ["a.jpg in a.xml"], "z/b.xml": ["a.jpg in a.xml"]}
    }


def test_a_copy_of_an_annotation_does_not_win_over_the_photos_own(data):
    data.photo("a.jpg", "b.jpg")
    data.xml("a (copy).xml", "a.jpg", ("Tops", (5, 6, 7, 8)))
    data.xml("a.xml", "a.jpg", ("Tops", (1, 2, 3, 4)))
    data.xml("b.xml", "b.jpg", ("Tops", (9, 9, 20, 20)))
    converted = data.convert()
    assert converted.labels["xmin"].tolist() == [1, 9]
    assert reasons(converted.report) == {"photo has an earlier annotation": {"a (copy).xml": ["a.jpg in a.xml"]}}


def test_annotations_of_renumbered_photos_are_noted(data):
    data.photo("1.jpg", "2.jpg", "3.jpg")
    for number in (1, 2):
        data.xml(f"{number}.xml", f"{number + 1}.jpg", ("Tops", (1, 2, 3, 4)))
    data.xml("not a photo's name.xml", "1.jpg", ("Tops", (1, 2, 3, 4)))
    assert reasons(data.convert().report, "noted") == {
        "annotates another photo than the one it is called as": {
            "1.xml": ["2.jpg, not 1.jpg"],
            "2.xml": ["3.jpg, not 2.jpg"],
        }
    }


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
    data.xml("É.xml", "", ("Tops", (5, 6, 7, 8)))
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
    assert reasons(converted.report) == {"photo has an earlier annotation": {"É.xml": ["e\u0301.jpg in 0.xml"]}}


def test_a_similar_name_does_not_win_over_the_exact_one(data):
    data.photo("a.jpg")
    data.xml("A.xml", "A.JPG", ("Tops", (5, 6, 7, 8)))
    data.xml("x.xml", "a.jpg", ("Tops", (1, 2, 3, 4)))
    converted = data.convert()
    assert converted.labels["xmin"].tolist() == [1]
    assert reasons(converted.report) == {"photo has an earlier annotation": {"A.xml": ["a.jpg in x.xml"]}}


def test_photos_are_matched_without_a_file():
    box = Box("Tops", (1, 2, 3, 4))
    annotation = Annotation("a.xml", "a.jpg", (box,), stem="a")
    stray = Annotation("b.xml", "b.jpg", (box, box), stem="b")
    assert match_photos(iter([stray, annotation]), ["a.jpg", "c.jpg"]) == (
        {"a.jpg": annotation},
        [Problem("dropped", "photo is missing", "b.xml", "'b.jpg', 2 boxes", 2)],
    )

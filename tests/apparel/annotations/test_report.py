"""Problems are counted by reason, and refused where the annotations must have none."""

import json

import pytest

from apparel.annotations.problems import Problem
from apparel.annotations.report import _lines, check_strict, group_by_reason
from apparel.errors import UserError

PROBLEMS = [
    Problem("repaired", "corners are swapped", "b.xml", "Tops 1"),
    Problem("dropped", "photo is missing", "c.xml", "c.jpg", boxes=3),
    Problem("dropped", "photo is missing", "d.xml", "d.jpg"),
    Problem("repaired", "corners are swapped", "a.xml", "Tops 2"),
    Problem("repaired", "corners are swapped", "b.xml", "Tops 0"),
]


def test_problems_are_counted_by_reason_and_named_by_file():
    report = group_by_reason(PROBLEMS)
    assert report == {
        "repaired": {
            "corners are swapped": {"count": 3, "files": {"a.xml": ["Tops 2"], "b.xml": ["Tops 1", "Tops 0"]}}
        },
        "dropped": {"photo is missing": {"count": 2, "boxes": 4, "files": {"c.xml": ["c.jpg"], "d.xml": ["d.jpg"]}}},
        "noted": {},
    }
    assert list(report["repaired"]["corners are swapped"]["files"]) == ["a.xml", "b.xml"]


def test_strict_names_the_first_files_and_the_report_with_the_others(tmp_path):
    many = [Problem("repaired", "corners are swapped", f"{number}.xml", "") for number in range(5)]
    with pytest.raises(UserError, match=r"repaired 5: corners are swapped \(0\.xml, 1\.xml, 2\.xml and 2 more\)"):
        check_strict(group_by_reason(many) | {"decided": []}, tmp_path / "all.json")
    whole = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert list(whole["repaired"]["corners are swapped"]["files"]) == [f"{number}.xml" for number in range(5)]


def test_strict_refuses_notes_and_shows_what_was_decided(tmp_path):
    noted = group_by_reason([Problem("noted", "the same box is there more than once", "a.xml", "")])
    with pytest.raises(UserError, match=r"faults .*\n  12 photos .*\n  noted 1: the same box is there more than once"):
        check_strict(noted | {"decided": ["12 photos are turned"]}, tmp_path / "all.json")


def test_strict_accepts_annotations_without_a_problem(tmp_path):
    check_strict(group_by_reason([]) | {"decided": ["all photos are taken as shown"]}, tmp_path / "all.json")
    assert not list(tmp_path.iterdir())


def test_the_summary_counts_the_boxes_dropped_with_whole_annotations():
    unreadable = Problem("dropped", "annotation file cannot be read", "e.xml", "", boxes=0)
    assert list(_lines(group_by_reason([*PROBLEMS, unreadable]), "dropped")) == [
        "dropped 1: annotation file cannot be read (e.xml)",
        "dropped 2: photo is missing, 4 boxes (c.xml, d.xml)",
    ]

import pytest

from apparel import repairs
from apparel.annotations import Problem
from apparel.errors import UserError

PROBLEMS = [
    Problem("repaired", "corners are swapped", "b.xml", "Tops 1"),
    Problem("dropped", "photo is missing", "c.xml", "c.jpg"),
    Problem("repaired", "corners are swapped", "a.xml", "Tops 2"),
    Problem("repaired", "corners are swapped", "b.xml", "Tops 0"),
]


def test_problems_are_counted_by_reason_and_named_by_file():
    report = repairs.by_reason(PROBLEMS)
    assert report == {
        "repaired": {
            "corners are swapped": {"count": 3, "files": {"a.xml": ["Tops 2"], "b.xml": ["Tops 1", "Tops 0"]}}
        },
        "dropped": {"photo is missing": {"count": 1, "files": {"c.xml": ["c.jpg"]}}},
        "noted": {},
    }
    assert list(report["repaired"]["corners are swapped"]["files"]) == ["a.xml", "b.xml"]


def test_strict_names_the_first_files():
    many = [Problem("repaired", "corners are swapped", f"{number}.xml", "") for number in range(5)]
    with pytest.raises(UserError, match=r"repaired 5: corners are swapped \(0\.xml, 1\.xml, 2\.xml and 2 more files\)"):
        repairs.refuse(repairs.by_reason(many))


def test_strict_lets_notes_pass():
    repairs.refuse(repairs.by_reason([Problem("noted", "EXIF turns the photo", "a.xml", "")]))

import pytest

from apparel.annotations import yolo
from apparel.annotations.records import SHARES
from apparel.errors import UserError


@pytest.fixture
def read(tmp_path):
    def read_text(text, classes=("Tops", "Skirts", "")):
        path = tmp_path / "a.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        annotation, problems = yolo.read(path, "a.txt", classes)
        return annotation, [problem.reason for problem in problems.entries]

    return read_text


def corners(annotation):
    return [(box.label, *(round(corner, 6) for corner in box.corners)) for box in annotation.boxes]


def test_a_line_has_class_centre_and_sides_in_shares_of_the_photo(read):
    annotation, problems = read("0 0.5 0.5 0.2 0.4\r\n\n1.0 .25 2.5e-1 .5 .5\n")
    assert corners(annotation) == [("Tops", 0.4, 0.3, 0.6, 0.7), ("Skirts", 0, 0, 0.5, 0.5)]
    assert (annotation.size, annotation.stem, annotation.photo, annotation.dropped) == (SHARES, "a", "", 0)
    assert problems == []


def test_the_hull_of_a_polygon_is_its_box(read):
    annotation, problems = read("1 0.1 0.5 0.3 0.2 0.5 0.9\n0 0 0 1 0 1 1 0 1\n")
    assert corners(annotation) == [("Skirts", 0.1, 0.2, 0.5, 0.9), ("Tops", 0, 0, 1, 1)]
    assert problems == []


def test_a_photo_without_objects_has_an_empty_file(read):
    assert read("\n")[0].boxes == ()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2 0.5 0.5 0.2 0.4", "number of a class that is not in the list of classes"),
        ("-1 0.5 0.5 0.2 0.4", "number of a class that is not in the list of classes"),
        ("0.5 0.5 0.5 0.2 0.4", "number of a class that is not in the list of classes"),
        ("99999999999999999999 0.5 0.5 0.2 0.4", "number of a class that is not in the list of classes"),
        ("Tops 0.5 0.5 0.2 0.4", "coordinate is not a number"),
        ("0 0.5 0.5 0.2 nan", "coordinate is not a number"),
        ("0 0.5 0.5 0.2 1e999", "coordinate is not a number"),
        ("0 320 240 50 50", "coordinate is no share of the photo's side, 0 to 1"),
        ("0 0.5 0.5 0.2", "line has neither a box nor a polygon"),
        ("0 0.5 0.5 0.2 0.4 0.9", "line has neither a box nor a polygon"),
        ("0", "line has neither a box nor a polygon"),
        ("0 0.5 0.5 -0.2 0.4", "width or height is below zero"),
    ],
)
def test_a_line_that_holds_no_box_is_dropped_and_counted(read, line, reason):
    annotation, problems = read(f"0 0.5 0.5 1 1\n{line}\n")
    assert len(annotation.boxes) == annotation.dropped == 1 and problems == [reason]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 0.5 0.5 0.2 0.4", True),
        ("\n12 1 1 0 0 \n", True),
        ("0 0.1 0.5 0.3 0.2 0.5 0.9", True),
        ("", False),
        ("000001 1", False),
        ("0 320 240 50 50", False),
        ("Tops 0.5 0.5 0.2 0.4", False),
        ("0 " + "1" * 100_000 + "x", False),
        ("0 " + "1 " * 100_000 + "x", False),
    ],
)
def test_yolo_is_recognised_by_its_first_line(text, expected):
    assert yolo.looks_like(text) is expected


def test_classes_have_a_line_each(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("\ufeffTops\r\n\r\n Skirts \n\n")
    assert yolo.read_classes(path) == ["Tops", "", "Skirts"]
    for content in (b"", b"\n\n", b"\xff\xfe"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"classes\.txt is"):
            yolo.read_classes(path)
    with pytest.raises(UserError, match="not found"):
        yolo.read_classes(tmp_path / "none.txt")


def test_large_files_and_other_encodings_are_refused(read, monkeypatch):
    with pytest.raises(UserError, match="not UTF-8"):
        read(b"\xff")
    monkeypatch.setattr(yolo, "MAX_BYTES", 3)
    with pytest.raises(UserError, match="larger than 3 bytes"):
        read("0 0.5 0.5 0.2 0.4")

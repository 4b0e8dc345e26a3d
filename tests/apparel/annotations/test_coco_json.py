import json

import pytest

from apparel.annotations import coco_json
from apparel.errors import UserError


def document(*annotations, images=None, categories=None):
    return {
        "images": images or [{"id": 7, "file_name": "train/a.jpg", "width": 40, "height": 30}],
        "categories": categories or [{"id": 1, "name": "Tops"}, {"id": 2, "name": "Skirts"}],
        "annotations": [
            {"id": 0, "image_id": 7, "category_id": 2, "bbox": [1, 2.5, 3, 4]} | each for each in annotations
        ],
    }


@pytest.fixture
def read(tmp_path):
    def read_value(value):
        path = tmp_path / "instances.json"
        path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
        annotations, problems = coco_json.read(path, "instances.json")
        found = {
            annotation.photo: [(box.label, *box.corners, box.difficult) for box in annotation.boxes]
            for annotation in annotations
        }
        return found, [problem.reason for problem in problems.entries], annotations

    return read_value


def test_a_box_has_its_corner_and_its_sides(read):
    images = [{"id": 7, "file_name": "train\\a.jpg", "width": 40, "height": 30}, {"id": "8", "file_name": "b.jpg"}]
    found, problems, annotations = read(document({}, {"category_id": 1, "bbox": [0, 0, 40, 30]}, images=images))
    assert found == {"train/a.jpg": [("Skirts", 1, 2.5, 4, 6.5, False), ("Tops", 0, 0, 40, 30, False)], "b.jpg": []}
    assert [annotation.size for annotation in annotations] == [(40, 30), None] and problems == []


def test_a_crowd_is_difficult(read):
    found, problems, _ = read(document({"iscrowd": 1, "segmentation": {"counts": [3, 4], "size": [30, 40]}}))
    assert found == {"train/a.jpg": [("Skirts", 1, 2.5, 4, 6.5, True)]}
    assert problems == []


def test_the_hull_of_polygons_is_the_box_where_there_is_none(read):
    polygons = [[1, 2, 5, 2, 3, 9], [4, 4, 8, 4, 8, 5]]
    found, problems, _ = read(document({"bbox": None, "segmentation": polygons}))
    assert found == {"train/a.jpg": [("Skirts", 1, 2, 8, 9, False)]}
    assert problems == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"image_id": 8}, "photo of the object is not in the file's list of photos"),
        ({"image_id": [7]}, "photo of the object is not in the file's list of photos"),
        ({"category_id": 3}, "number of a class that is not in the list of classes"),
        ({"category_id": None}, "number of a class that is not in the list of classes"),
        ({"bbox": None}, "object has no box"),
        ({"bbox": [1, 2, 3]}, "object has no box"),
        ({"bbox": [], "segmentation": {"counts": "abc", "size": [3, 4]}}, "object has no box"),
        ({"bbox": [1, 2, "3", 4]}, "coordinate is not a number"),
        ({"bbox": [1, 2, True, 4]}, "coordinate is not a number"),
        ({"bbox": [1, 2, float("nan"), 4]}, "coordinate is not a number"),
        ({"bbox": [1, 2, float("inf"), 4]}, "coordinate is not a number"),
        ({"bbox": [1, 2, 10**200, 4]}, "coordinate is not a number"),
        ({"bbox": [1, 2, 10**7, 4]}, "coordinate is beyond any photo"),
        ({"bbox": [1, 2, -3, 4]}, "width or height is below zero"),
    ],
)
def test_an_object_without_a_box_is_dropped_and_counted(read, changes, reason):
    found, problems, _ = read(document({}, changes))
    assert found == {"train/a.jpg": [("Skirts", 1, 2.5, 4, 6.5, False)]} and problems == [reason]


def test_boxes_of_a_photo_number_that_is_given_twice_are_dropped(read):
    images = [{"id": 7, "file_name": "a.jpg"}, {"id": 7, "file_name": "b.jpg"}, {"id": 8, "file_name": "c.jpg"}]
    found, problems, _ = read(document({}, images=images))
    assert found == {"c.jpg": []} and problems == ["several photos have the number of the object's photo"]


def test_a_photo_without_a_name_is_dropped_with_its_boxes(read):
    assert read(document({}, images=[{"id": 7, "file_name": 3}]))[:2] == ({}, ["photo has no name"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"nonsense",
        b'{"images": {}, "annotations": [], "categories": []}',
        b"[" * 100_000,
        b'{"images": [' + b"9" * 5_000 + b"]}",
        b"\xff\xfe\xff",
    ],
)
def test_other_files_are_refused(read, content):
    with pytest.raises(UserError, match=r"instances\.json"):
        read(content)


def test_files_that_would_fill_the_memory_are_refused_before_they_are_parsed(read, monkeypatch):
    with pytest.raises(UserError, match="more values"):
        read(b"[" + b"{}," * coco_json.MAX_OBJECTS + b"{}]")
    monkeypatch.setattr(coco_json, "MAX_VALUES", 3)
    with pytest.raises(UserError, match="more values"):
        read(document({}))
    monkeypatch.setattr(coco_json, "MAX_BYTES", 3)
    with pytest.raises(UserError, match="larger than 3 bytes"):
        read(document({}))


def test_files_without_boxes_are_not_taken_for_annotations(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document({})))
    assert coco_json.looks_like(path)
    path.write_text(json.dumps(document() | {"annotations": [{"caption": "a shirt"}]}))  # COCO's captions
    assert not coco_json.looks_like(path)

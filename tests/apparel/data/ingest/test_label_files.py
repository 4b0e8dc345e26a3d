import json

import pytest

from apparel.annotations.renamed import RenamedFiles
from apparel.data.ingest.file_kinds import SourceFiles
from apparel.data.ingest.label_files import choose_label_files, read_labels
from tests.support.source_files import entries, photo

HEADER = "filename,class,xmin,ymin,xmax,ymax\n"
NAMED = "<annotation><filename>1.jpg</filename></annotation>"
YOLO = "0 0.5 0.5 1 1\n"


def table(*names):
    return HEADER + "".join(f"{name},Tops,1,2,3,4\n" for name in names)


def coco(*names):
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    box = {"image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4]}
    return json.dumps({"images": images, "annotations": [box], "categories": [{"id": 1, "name": "Tops"}]})


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        # A table of photos that have XML is a list, as published ones are.
        ({"1.xml": "<annotation/>", "2.xml": "<annotation/>", "l.csv": table("1.jpg", "2.jpg")}, ["1.xml", "2.xml"]),
        ({"a.xml": NAMED, "l.csv": table("1.jpg")}, ["a.xml"]),
        ({"l.csv": table("1.jpg", "2.jpg"), "train.csv": table("1.jpg"), "test.csv": table("2.jpg")}, ["l.csv"]),
        ({"train.csv": table("1.jpg"), "test.csv": table("2.jpg")}, ["test.csv", "train.csv"]),
        ({"1.xml": "<annotation/>", "1.txt": YOLO, "2.txt": YOLO}, ["1.xml", "2.txt"]),
        ({"a.json": coco("1.jpg", "2.jpg"), "1.txt": YOLO}, ["a.json"]),
        ({"a.json": coco("1.jpg"), "b.json": coco("1.jpg", "2.jpg")}, ["b.json"]),
        ({"1.xml": "<annotation/>", "a.json": coco("2.jpg")}, ["1.xml", "a.json"]),
        ({"l.csv": table("gone.jpg")}, []),
        ({"l.csv": HEADER}, []),
    ],
)
def test_of_several_formats_for_a_photo_one_is_taken(tmp_path, files, expected):
    source = SourceFiles(entries(tmp_path, {"1.jpg": photo(), "2.jpg": photo("blue")} | files))
    chosen = choose_label_files(source.kinds, source.kinds["photo"], RenamedFiles())
    assert sorted(entry.name for entry in chosen.single + chosen.tables) == expected
    left = {entry.name for entry in chosen.lists + chosen.repeated}
    assert left == files.keys() - set(expected)
    assert {entry.name for entry in chosen.lists} == {name for name in left if name.endswith(".csv")}


def test_tables_of_photos_of_the_same_name_are_all_taken(tmp_path):
    files = {
        "train/1.jpg": photo(),
        "test/1.jpg": photo("blue"),
        "train/l.csv": table("1.jpg"),
        "test/l.csv": table("1.jpg"),
    }
    source = SourceFiles(entries(tmp_path, files))
    assert len(choose_label_files(source.kinds, source.kinds["photo"], RenamedFiles()).tables) == 2


def test_a_file_that_cannot_be_read_has_no_labels(tmp_path):
    (entry,) = entries(tmp_path, {"a.xml": "<annotation"})
    assert read_labels("xml", entry, ()) == []

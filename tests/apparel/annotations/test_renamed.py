import os
import subprocess
import sys

import pytest

from apparel.annotations.records import Annotation
from apparel.annotations.renamed import RenamedFiles, nearest_folder, read_renamed
from apparel.errors import UserError
from tests.support.repository import ROOT

ROWS = [
    ("annotations", "train_1.xml", "a/train/1.xml"),
    ("annotations", "all.csv", "all.csv"),
    ("annotations", "test_boxes.csv", "a/test/boxes.csv"),
    ("photos", "train_1.jpg", "a/train/1.jpg"),
    ("photos", "test_1.jpg", "a/test/1.jpg"),
]


@pytest.mark.parametrize(
    ("file", "written", "stem", "expected"),
    [
        ("train_1.xml", "1.jpg", "train_1", "train_1.jpg"),
        ("train_1.xml", "1.JPG", "train_1", "train_1.jpg"),
        ("train_1.xml", "2.jpg", "train_1", "2.jpg"),
        ("all.csv", "test/1.jpg", None, "test_1.jpg"),
        ("all.csv", "C:\\data\\a\\train\\1.jpg", None, "train_1.jpg"),
        ("all.csv", "1.jpg", None, "1.jpg"),  # of either folder
        ("test_boxes.csv", "1.jpg", None, "test_1.jpg"),
        ("lists/train.txt", "1", None, "train_1.jpg"),
    ],
)
def test_a_photo_is_found_by_its_former_name(file, written, stem, expected):
    assert RenamedFiles(ROWS).photo(file, written, stem) == expected


def test_it_is_pickled_to_the_same_bytes_in_every_process():
    code = f"import hashlib, pickle; from apparel.annotations.renamed import RenamedFiles; \
print(hashlib.sha256(pickle.dumps(RenamedFiles({ROWS}))).hexdigest())"
    hashes = {
        subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": str(seed)})
        for seed in (0, 3)  # which order the two forms of a name differently in a set
    }
    assert len(hashes) == 1  # shards of Beam are known by them, in the process that goes on, too


def test_without_a_table_names_stay_and_lose_their_folders(tmp_path):
    renamed = read_renamed(tmp_path)
    assert not renamed
    assert renamed.translate(Annotation("a.csv", "train/1.jpg", ())) == "1.jpg"
    assert renamed.translate(Annotation("1.txt", "", (), stem="1")) == ""


def test_a_damaged_table_is_refused(tmp_path):
    (tmp_path / "renamed.csv").write_text("part,name\nphotos,a.jpg\n")
    with pytest.raises(UserError, match="no column 'source'"):
        read_renamed(tmp_path)


@pytest.mark.parametrize(
    ("annotation", "folders", "expected"),
    [
        ("train/1.xml", ["train", "test"], "train"),
        ("labels/train/1.txt", ["images/train", "images/val"], "images/train"),
        ("train/labels/1.txt", ["train/images", "val/images"], "train/images"),
        ("VOC2007/Annotations/1.xml", ["VOC2007/JPEGImages", "VOC2012/JPEGImages"], "VOC2007/JPEGImages"),
        ("train_labels/1.xml", ["train_images", "test_images"], "train_images"),
        ("train-labels.zip/1.xml", ["train.zip", "test.zip"], "train.zip"),
        ("train/xml/1.xml", ["train", "test"], "train"),
        ("1.xml", ["", "more"], ""),
        ("labels/1.xml", ["train", "test"], None),
        ("labels/Train/1.xml", ["images/train", "images/test"], "images/train"),
        ("1.xml", [], None),
    ],
)
def test_an_annotation_belongs_to_the_folder_that_is_called_most_like_its_own(annotation, folders, expected):
    assert nearest_folder(annotation, folders) == expected
    assert nearest_folder(annotation, folders[::-1]) == expected


def test_the_name_of_a_table_may_tell_its_folder():
    assert nearest_folder("annotations/instances_val2017.json", ["train2017", "val2017"], table=True) == "val2017"
    assert nearest_folder("annotations/instances_val2017.json", ["train2017", "val2017"]) is None


def test_of_thousands_of_folders_the_one_of_the_same_name_is_found():
    folders = [f"shop/images/{number:04}" for number in range(3000)]
    assert nearest_folder("shop/labels/0042/front.xml", folders) == "shop/images/0042"
    assert nearest_folder("shop/labels/front.xml", folders) is None
    rows = [("photos", f"{number:04}_1.jpg", f"shop/images/{number:04}/1.jpg") for number in range(3000)]
    renamed = RenamedFiles(rows)
    assert renamed.photo("labels/0042/1.xml", "1.jpg") == renamed.photo("a.csv", "0042/1.jpg") == "0042_1.jpg"

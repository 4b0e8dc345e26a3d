import pytest

from apparel.annotations.renamed import RenamedFiles
from apparel.data.ingest import photo_lists
from apparel.errors import UserError
from tests.support.source_files import entries

PHOTOS = frozenset(("1", "1.jpg", "2", "2.jpg"))
RENAMED = RenamedFiles([("photos", "train_1.jpg", "train/1.jpg"), ("photos", "test_1.jpg", "test/1.jpg")])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.jpg\n2.JPG\n", True),
        ("1\r\n2\n", True),
        ("1 1\n2 -1\n", True),
        ("data/obj/1.jpg\nC:\\data\\2.jpg\nother.jpg\n", True),
        ("Tops\n1\n", False),
        ("", False),
    ],
)
def test_a_text_whose_lines_name_photos_is_a_list(tmp_path, text, expected):
    (entry,) = entries(tmp_path, {"a.txt": text})
    assert photo_lists.lists_photos(entry, PHOTOS) is expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("lists/train.txt", "1\n2\n", "train_1.jpg\n2\n"),
        ("all.txt", "data/train/1.jpg\ndata/test/1.jpg\n", "train_1.jpg\ntest_1.jpg\n"),
        ("test/car.txt", "1 1\n2 -1\n", "test_1.jpg 1\n2 -1\n"),
        ("train/list.csv", "n,filename\n3,1.jpg\n4,2.jpg\n", "n,filename\n3,train_1.jpg\n4,2.jpg\n"),
        ("all.txt", "2\n", None),
        ("all.csv", "a,b\n", None),
        ("all.csv", '"', None),
    ],
)
def test_a_list_gets_the_new_names_of_photos(tmp_path, name, text, expected):
    (entry,) = entries(tmp_path, {name: text})
    assert photo_lists.with_new_names(entry, RENAMED, PHOTOS) == expected


def test_a_list_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(photo_lists, "MAX_LIST_BYTES", 3)
    with pytest.raises(UserError, match="larger than 3 bytes"):
        photo_lists.with_new_names(entries(tmp_path, {"a.txt": "1\n2\n"})[0], RENAMED, PHOTOS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train", "train"),
        ("Train2017", "train"),
        ("train_images", "train"),
        ("test set", "test"),
        ("valid", "val"),
        ("validation.zip", "val"),
        ("labels_test", "test"),
        ("train_labels", "train"),
        ("red_test", None),
        ("training shoes", None),
        ("contest", None),
        ("trainval", None),
        ("", None),
    ],
)
def test_a_folder_is_called_as_a_split(name, expected):
    assert photo_lists.split_of(name) == expected


def test_folders_called_as_splits_are_lists(tmp_path):
    files = {"train/images/1.jpg": "", "valid/images/2.jpg": "", "other/3.jpg": ""}
    photos = {entry.base: entry for entry in entries(tmp_path, files)}
    assert photo_lists.lists_of_folders(photos) == {"train.txt": "1.jpg\n", "val.txt": "2.jpg\n"}
    del photos["2.jpg"]
    assert photo_lists.lists_of_folders(photos) == {}


def test_tables_called_as_splits_are_lists():
    tables = {
        "annotations/instances_val2017.json": ["2.jpg"],
        "annotations/instances_train2017.json": ["1.jpg", "1.jpg"],
    }
    assert photo_lists.lists_of_tables(tables) == {"train.txt": "1.jpg\n", "val.txt": "2.jpg\n"}
    assert photo_lists.lists_of_tables({"labels.csv": ["1.jpg"]}) == {}


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        (["train.txt", "val.txt", "test.txt"], {"train": "train.txt", "test": "test.txt", "val": "val.txt"}),
        (["trainval.txt", "test.txt", "red_test.txt"], {"train": "trainval.txt", "test": "test.txt"}),
        (
            ["train.txt", "val.txt", "trainval.txt", "test.txt"],
            {"train": "train.txt", "test": "test.txt", "val": "val.txt"},
        ),
        (["train.txt", "val.txt", "trainval.txt"], {"train": "train.txt", "test": "val.txt"}),
        (
            ["one/train_labels.csv", "train_labels.csv", "test_labels.csv"],
            {"train": "train_labels.csv", "test": "test_labels.csv"},
        ),
        (["photos.txt", "annotations.txt", "summary.csv"], {}),
    ],
)
def test_lists_called_as_splits_are_values_of_split(tmp_path, lists, expected):
    for name in lists:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert photo_lists.pinning_params(tmp_path) == {f"split.{split}_list": name for split, name in expected.items()}

import json
import shutil

import pytest

from apparel.annotations.convert import convert_data_set
from apparel.data.ingest import archives, dataset, sources
from apparel.data.ingest.archives import Entry
from apparel.errors import UserError
from tests.support.repository import APPAREL
from tests.support.source_files import entries, photo

LABELS = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


RED, BLUE = photo(), photo("blue")


def find_data_set(folder, files, classes=None):
    """The data set among files, which are given as their content by their name."""
    return dataset.find_data_set(entries(folder, files), classes)


def test_files_are_recognised_by_their_content(tmp_path):
    files = {
        "a/1.jpg": RED,
        "b/photo.txt": photo("green", "PNG"),
        "b/bare": BLUE,
        "c/1.xml": "<annotation/>",
        "c/2.XML": '<?xml version="1.0" encoding="utf-16"?><annotation/>'.encode("utf-16"),
        "c/pom.xml": "<project/>",
        "c/empty.xml": "\n",
        "fiat.csv": "path,class,x,y,w,h\n1.jpg,Tops,1,2,3,4\n",
        "bare.csv": "1.jpg,Tops,1,2,3,4,90\n",
        "quoted.csv": '\n\n"a, b/1.jpg","Tops","1","2","3","4"\n',
        "tabs.csv": "1.jpg\tTops\t1\t2\t3\t4\n".encode("utf-16"),
        "s.csv": "path;class;x;y;w;h\n1.jpg;Tops;1,5;2;3;4\n",
        "l/train.csv": LABELS,
        "l/one/train.csv": LABELS + "x",
        "l/names.txt": "1.JPG\r\nbare\r\n",
        "l/predefined_classes.txt": "Tops\n",
        "readme.txt": "words\n",
        "code.py": "",
        "note.jpg": "no photo",
        "phone.HEIC": "\0\0\0\x18ftypheic",
    }
    data_set = find_data_set(tmp_path, files)
    assert sorted(data_set.photos) == ["1.jpg", "bare", "photo.txt"]
    csv = ["bare.csv", "fiat.csv", "quoted.csv", "s.csv", "tabs.csv"]
    assert sorted(data_set.annotations) == ["1.xml", "2.XML", *csv[:1], "empty.xml", *csv[1:]]
    assert sorted(data_set.lists) == ["names.txt", "one/train.csv", "predefined_classes.txt", "train.csv"]
    assert data_set.counts() | {"others": 3, "left_out": 2, "repeated": 0} == data_set.counts()
    description = dataset.describe_data_set(data_set)
    assert "note.jpg is not a JPEG" in description and "phone.HEIC is not" in description


def test_archives_of_unsupported_formats_are_named(tmp_path):
    for name in ("a/s.rar", "s.TAR.XZ", "one.zip/two.zip/three.zip"):
        data_set = find_data_set(tmp_path, {name: b"packed", "1.jpg": RED})
        assert data_set.counts()["left_out"] == 1 and data_set.counts()["others"] == 0
        assert f"  {name} is an archive" in dataset.describe_data_set(data_set)
        with pytest.raises(UserError, match=f"no photos among 1 files.*{name} is an archive"):
            find_data_set(tmp_path, {name: b"packed"})


def test_a_list_that_cannot_pin_photos_is_named(tmp_path):
    files = {"1.jpg": RED, "boxes.csv": "path|class\n", "test.csv": LABELS, "utf16.csv": LABELS.encode("utf-16")}
    description = dataset.describe_data_set(find_data_set(tmp_path, files))
    assert (
        "  list boxes.csv (cannot pin photos to a split: no column 'filename'; valid are path|class)\n" in description
    )
    assert (
        "  list utf16.csv (cannot pin photos to a split: is not UTF-8" in description
        and "  list test.csv\n" in description
    )


def test_repeated_files_are_imported_once(tmp_path):
    data_set = find_data_set(
        tmp_path, {"a/1.jpg": RED, "b/1.jpg": RED, "a/1.xml": "<annotation/>", "b/1.xml": "<annotation/>"}
    )
    assert len(data_set.photos) == len(data_set.annotations) == 1 and data_set.repeated == 2
    assert data_set.counts()["others"] == 0


@pytest.mark.parametrize(
    ("files", "messages"),
    [
        ({"a/x.jpg": RED, "a/X.JPG": RED}, ["a/x.jpg and a/X.JPG", "differ", "--only"]),
        ({"a/\u00e9.jpg": RED, "a/e\u0301.jpg": RED}, ["a/\u00e9.jpg"]),
        ({"1.jpg": RED, "a/1.xml": "<annotation/>", "b/1.xml": "<annotation></annotation>"}, ["a/1.xml and b/1.xml"]),
        ({"a\nb.jpg": RED}, ["cannot be used"]),
        ({"a .jpg ": RED}, ["cannot be used"]),
        ({"a\udcff.jpg": RED}, ["cannot be used"]),
        ({"é" * 126 + ".jpg": RED}, ["cannot be used"]),
        ({"1.jpg": RED, "a.csv": LABELS, "b/" * 200 + "a.csv": LABELS}, ["cannot be used"]),
        ({"a.csv": LABELS, "b.txt": "x"}, ["no photos among 2 files"]),
        ({}, ["no photos among 0 files"]),
    ],
)
def test_files_without_photos_or_with_unusable_names_are_refused(tmp_path, files, messages):
    with pytest.raises(UserError) as error:
        find_data_set(tmp_path, files)
    assert all(message in str(error.value) for message in messages) and str(error.value).isprintable()


def test_files_of_the_work_folder_are_moved_and_others_are_copied(tmp_path):
    loose, work, target = tmp_path / "loose", tmp_path / "work", tmp_path / "target"
    for folder in (loose, work, target):
        folder.mkdir()
    (loose / "a").write_bytes(RED)
    (work / "b").write_bytes(BLUE)
    (work / "c").write_text(LABELS)
    data_set = dataset.find_data_set(
        [Entry("b.jpg", work / "b"), Entry("a.jpg", loose / "a"), Entry("x/c.csv", work / "c"), Entry("y", work / "c")]
    )
    dataset.copy_data_set(data_set, target, work)
    assert {path.relative_to(target).as_posix() for path in target.rglob("*")} == {
        *("photos", "photos/a.jpg", "photos/b.jpg", "annotations"),
        *("lists", "lists/c.csv", "lists/photos.txt", "lists/annotations.txt"),
    }
    assert (target / "lists" / "photos.txt").read_bytes() == b"a.jpg\nb.jpg\n"
    assert (loose / "a").exists() and not (work / "b").exists()


def test_the_longest_allowed_name_can_be_written(tmp_path):
    data_set = find_data_set(tmp_path, {(name := "é" * 125 + "x.jpg"): RED})
    dataset.copy_data_set(data_set, tmp_path, tmp_path)
    assert [path.name for path in (tmp_path / "photos").iterdir()] == [name]


def test_the_list_of_photos_of_an_earlier_import_is_replaced(tmp_path):
    data_set = find_data_set(tmp_path, {"lists/photos.txt": "1.jpg\n", "lists/test.csv": LABELS, "photos/1.jpg": RED})
    assert list(data_set.lists) == ["test.csv"]


def test_a_full_disk_is_reported_before_anything_is_copied(tmp_path, monkeypatch):
    data_set = find_data_set(tmp_path, {"1.jpg": RED})
    usage = type("Usage", (), {"free": archives.RESERVED_DISK_BYTES + 2 * len(RED) - 1})
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match="no disk space"):
        dataset.copy_data_set(data_set, tmp_path, tmp_path / "work")
    assert not (tmp_path / "photos").exists()


@pytest.mark.shared("apparel")
def test_the_apparel_data_are_recognised(tmp_path):
    only = ["annotations", "labels", "samples/samples-1.zip"]
    opened = sources.open_source(str(APPAREL), None, only, tmp_path / "work")
    data_set = dataset.find_data_set(opened.entries)
    assert data_set.counts() == {
        "photos": 910,
        "annotations": 920,
        "lists": 10,
        "repeated": 0,
        "others": 0,
        "left_out": 0,
    }
    assert {"labels.csv", "test_labels.csv", "one_class/train_labels.csv", "summary.csv"} < data_set.lists.keys()
    assert len(opened.origin["archives"]) == 4


BOX = (2, 1, 6, 4)
XML = "<annotation><filename>{}</filename><size><width>8</width><height>6</height></size>"
XML += "<object><name>red</name><bndbox><xmin>2</xmin><ymin>1</ymin><xmax>6</xmax>"
XML += "<ymax>4</ymax></bndbox></object></annotation>"
YOLO = f"0 {4 / 8} {2.5 / 6} {4 / 8} {3 / 6}\n"
ROW = "{},8,6,red,2,1,6,4\n"


def coco(*names):
    return json.dumps(
        {
            "images": [{"id": number, "file_name": name, "width": 8, "height": 6} for number, name in enumerate(names)],
            "annotations": [{"image_id": n, "category_id": 3, "bbox": [2, 1, 4, 3]} for n in range(len(names))],
            "categories": [{"id": 3, "name": "red"}],
        }
    )


LAYOUTS = {
    "XML beside the photos": {"train/1.xml": XML.format("1.jpg"), "test/1.xml": XML.format("1.jpg")},
    "XML in folders of its own": {"xml/train/1.xml": XML.format("1.jpg"), "xml/test/1.xml": XML.format("1.jpg")},
    "YOLO": {"labels/train/1.txt": YOLO, "labels/test/1.txt": YOLO, "data.yaml": "names: [red]\n"},
    "COCO in each folder": {
        "train/_annotations.coco.json": coco("1.jpg"),
        "test/_annotations.coco.json": coco("1.jpg"),
    },
    "COCO by name": {"json/instances_train.json": coco("1.jpg"), "json/instances_test.json": coco("1.jpg")},
    "COCO with folders": {"all.json": coco("train/1.jpg", "test/1.jpg")},
    "labels.csv in each folder": {
        "train/l.csv": LABELS + ROW.format("1.jpg"),
        "test/l.csv": LABELS + ROW.format("1.jpg"),
    },
    "one labels.csv": {"labels.csv": LABELS + ROW.format("train/1.jpg") + ROW.format("test/1.jpg")},
    "keras-retinanet": {"a.csv": "train/1.jpg,2,1,6,4,red\ntest/1.jpg,2,1,6,4,red\n"},
    "FIAT": {"fiat.csv": "train/1.jpg,red,2,1,4,3\ntest/1.jpg,red,2,1,4,3\n"},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_photos_of_one_name_come_in_with_their_own_boxes_and_their_folders_as_lists(tmp_path, layout):
    """In every format, boxes and photos fit each other without a repair, also when the import is imported again."""
    files = {"train/1.jpg": RED, "test/1.jpg": BLUE} | LAYOUTS[layout]
    for name in ("first", "second"):
        folder, work = tmp_path / name, tmp_path / f"{name} work"
        folder.mkdir(), work.mkdir()
        found = (
            entries(work, files)
            if name == "first"
            else sources.open_source(str(tmp_path / "first"), None, [], work).entries
        )
        dataset.stage_data_set(found, folder, folder)
        assert {path.name: path.read_bytes() for path in (folder / "photos").iterdir()} == {
            "train_1.jpg": RED,
            "test_1.jpg": BLUE,
        }
        assert (folder / "lists" / "train.txt").read_text() == "train_1.jpg\n"
        assert (folder / "lists" / "test.txt").read_text() == "test_1.jpg\n"
        converted = convert_data_set(folder / "photos", folder / "annotations", None)
        assert converted.labels[["filename", "class", "xmin", "ymin", "xmax", "ymax"]].to_numpy().tolist() == [
            ["test_1.jpg", "red", *BOX],
            ["train_1.jpg", "red", *BOX],
        ]
        assert {outcome: converted.report[outcome] for outcome in ("dropped", "repaired")} == {
            "dropped": {},
            "repaired": {},
        }
        shutil.rmtree(work)


def test_the_order_of_yolos_classes_comes_in_or_is_given(tmp_path):
    files = {"1.jpg": RED, "1.txt": YOLO}
    with pytest.raises(UserError, match="--classes"):
        find_data_set(tmp_path, files)
    assert find_data_set(tmp_path, files, ["red", "blue"]).texts == {"annotations/classes.txt": "red\nblue\n"}
    data_set = find_data_set(tmp_path, files | {"obj.names": "blue\n"})
    assert data_set.texts == {"annotations/classes.txt": "blue\n"} and data_set.others == data_set.repeated == 0
    with pytest.raises(UserError, match="--classes is for YOLO"):
        find_data_set(tmp_path, {"1.jpg": RED, "1.xml": "<annotation/>"}, ["red"])


def test_lists_of_pascal_and_darknet_come_in(tmp_path):
    files = {"JPEGImages/1.jpg": RED, "JPEGImages/2.jpg": BLUE, "Annotations/1.xml": XML}
    files |= {f"ImageSets/Main/{name}.txt": "1\n2\n" for name in ("train", "val")}
    files |= {"ImageSets/Main/red_train.txt": "1  1\n2 -1\n", "paths.txt": "data/1.jpg\n"}
    data_set = find_data_set(tmp_path, files)
    names = ["ImageSets/Main/red_train.txt", "ImageSets/Main/train.txt", "ImageSets/Main/val.txt", "paths.txt"]
    assert sorted(data_set.lists) == names and not data_set.texts and data_set.others == 0


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"1.xml": "<annotation><filename>1.jpg</filename></annotation>"},
        {"9.xml": XML.format("9.jpg")},
        {"1.xml": "<annotation"},
        {"1.txt": "\n"},
        {"labels.csv": LABELS},
        {"a.json": coco("9.jpg")},
    ],
)
def test_an_import_without_one_label_is_refused(tmp_path, files):
    found = entries(tmp_path, {"1.jpg": RED, "a.tfrecord": "x"} | files)
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(UserError, match=r"not one label.*1 TFRecord, such as a\.tfrecord.*--without-labels"):
        dataset.stage_data_set(found, target, target)
    assert not list(target.iterdir())
    dataset.stage_data_set(found, target, target, without_labels=True)
    assert (target / "photos" / "1.jpg").exists()


def test_what_is_not_read_is_named(tmp_path):
    files = {"1.jpg": RED, "a/1.json": '{"shapes": [], "imagePath": ""}', "a/2.json": '{"shapes": [], "imagePath": ""}'}
    description = dataset.describe_data_set(find_data_set(tmp_path, files))
    assert "not read, LabelMe JSON: 2, such as a/1.json\n" in description
    with pytest.raises(UserError, match=r"no photos among 1 files.*1 video, such as a\.mp4"):
        find_data_set(tmp_path, {"a.mp4": b"x"})

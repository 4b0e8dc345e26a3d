import io

import pytest
from PIL import Image

from apparel.data.ingest import archives, dataset, sources
from apparel.data.ingest.archives import Entry
from apparel.errors import UserError
from tests.support.repository import APPAREL

LABELS = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


def photo(colour="red", kind="JPEG"):
    data = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(data, kind)
    return data.getvalue()


RED, BLUE = photo(), photo("blue")


def find(folder, files):
    """What is found among files, given as their content by their name."""
    entries = []
    for number, (name, data) in enumerate(files.items()):
        path = folder / f"entry {number}"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        entries.append(Entry(name, path))
    return dataset.find(entries)


def test_files_are_sorted_out_by_what_they_hold(tmp_path):
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
    found = find(tmp_path, files)
    assert sorted(found.photos) == ["1.jpg", "bare", "photo.txt"]
    csv = ["bare.csv", "fiat.csv", "quoted.csv", "s.csv", "tabs.csv"]
    assert sorted(found.annotations) == ["1.xml", "2.XML", *csv[:1], "empty.xml", *csv[1:]]
    assert sorted(found.lists) == ["names.txt", "one/train.csv", "predefined_classes.txt", "train.csv"]
    assert found.counts() | {"others": 3, "left_out": 2, "repeated": 0} == found.counts()
    assert "note.jpg is not a JPEG" in dataset.summary(found) and "phone.HEIC is not" in dataset.summary(found)


def test_archives_that_are_not_unpacked_are_named(tmp_path):
    for name in ("a/s.rar", "s.TAR.XZ", "one.zip/two.zip/three.zip"):
        found = find(tmp_path, {name: b"packed", "1.jpg": RED})
        assert found.counts()["left_out"] == 1 and found.counts()["others"] == 0
        assert f"  {name} is an archive" in dataset.summary(found)
        with pytest.raises(UserError, match=f"no photos among 1 files.*{name} is an archive"):
            find(tmp_path, {name: b"packed"})


def test_a_table_that_is_no_list_of_photos_is_told_apart(tmp_path):
    files = {"1.jpg": RED, "boxes.csv": "path|class\n", "test.csv": LABELS, "utf16.csv": LABELS.encode("utf-16")}
    said = dataset.summary(find(tmp_path, files))
    assert "  list boxes.csv, which cannot pin photos: no column 'filename'; known are path|class\n" in said
    assert "  list utf16.csv, which cannot pin photos: is not UTF-8" in said and "  list test.csv\n" in said


def test_the_same_file_twice_is_taken_once(tmp_path):
    found = find(tmp_path, {"a/1.jpg": RED, "b/1.jpg": RED, "a/1.xml": "<annotation/>", "b/1.xml": "<annotation/>"})
    assert len(found.photos) == len(found.annotations) == 1 and found.repeated == 2
    assert found.counts()["others"] == 0


@pytest.mark.parametrize(
    ("files", "messages"),
    [
        ({"a/1.jpg": RED, "b/1.jpg": BLUE}, ["a/1.jpg and b/1.jpg", "differ", "--only"]),
        ({"a/x.jpg": RED, "b/X.JPG": RED}, ["a/x.jpg and b/X.JPG"]),
        ({"a/\u00e9.jpg": RED, "b/e\u0301.jpg": RED}, ["a/\u00e9.jpg"]),
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
def test_what_cannot_be_laid_out_is_refused(tmp_path, files, messages):
    with pytest.raises(UserError) as error:
        find(tmp_path, files)
    assert all(message in str(error.value) for message in messages) and str(error.value).isprintable()


def test_moved_where_it_may_be_and_copied_where_not(tmp_path):
    loose, work, target = tmp_path / "loose", tmp_path / "work", tmp_path / "target"
    for folder in (loose, work, target):
        folder.mkdir()
    (loose / "a").write_bytes(RED)
    (work / "b").write_bytes(BLUE)
    (work / "c").write_text(LABELS)
    found = dataset.find(
        [Entry("b.jpg", work / "b"), Entry("a.jpg", loose / "a"), Entry("x/c.csv", work / "c"), Entry("y", work / "c")]
    )
    dataset.lay_out(found, target, work)
    assert {path.relative_to(target).as_posix() for path in target.rglob("*")} == {
        *("photos", "photos/a.jpg", "photos/b.jpg", "annotations"),
        *("lists", "lists/c.csv", "lists/photos.txt", "lists/annotations.txt"),
    }
    assert (target / "lists" / "photos.txt").read_bytes() == b"a.jpg\nb.jpg\n"
    assert (loose / "a").exists() and not (work / "b").exists()


def test_the_longest_name_that_is_taken_can_be_written(tmp_path):
    found = find(tmp_path, {(name := "é" * 125 + "x.jpg"): RED})
    dataset.lay_out(found, tmp_path, tmp_path)
    assert [path.name for path in (tmp_path / "photos").iterdir()] == [name]


def test_a_list_of_photos_of_an_earlier_import_is_written_anew(tmp_path):
    found = find(tmp_path, {"lists/photos.txt": "1.jpg\n", "lists/test.csv": LABELS, "photos/1.jpg": RED})
    assert list(found.lists) == ["test.csv"]


def test_no_disk_space_is_said_before_anything_is_copied(tmp_path, monkeypatch):
    found = find(tmp_path, {"1.jpg": RED})
    usage = type("Usage", (), {"free": archives.RESERVE + 2 * len(RED) - 1})
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(UserError, match="no disk space"):
        dataset.lay_out(found, tmp_path, tmp_path / "work")
    assert not (tmp_path / "photos").exists()


@pytest.mark.shared("apparel")
def test_the_apparel_data_as_it_lies(tmp_path):
    only = ["annotations", "labels", "samples/samples-1.zip"]
    opened = sources.read(str(APPAREL), None, only, tmp_path / "work")
    found = dataset.find(opened.entries)
    assert found.counts() == {
        "photos": 910,
        "annotations": 920,
        "lists": 10,
        "repeated": 0,
        "others": 0,
        "left_out": 0,
    }
    assert {"labels.csv", "test_labels.csv", "one_class/train_labels.csv", "summary.csv"} < found.lists.keys()
    assert len(opened.origin["archives"]) == 4

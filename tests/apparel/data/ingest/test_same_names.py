import pytest

from apparel.data.ingest.same_names import name_files
from apparel.errors import UserError
from tests.support.source_files import entries, photo

RED, BLUE, GREEN = photo(), photo("blue"), photo("green")


def names(folder, files):
    """The names that photos and annotation files get, with the source of each."""
    found = entries(folder, files)
    photos = [entry for entry in found if entry.base.endswith((".jpg", ".JPG", ".png"))]
    tables = [entry for entry in found if entry.base.endswith(".csv")]
    named = name_files(photos, [entry for entry in found if entry not in photos + tables], tables)
    return {name: entry.name for part in (named.photos, named.annotations) for name, entry in part.items()}, named


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["images/train/1", "images/test/1"], ["train_1", "test_1"]),
        (["train/images/1", "test/images/1"], ["train_1", "test_1"]),
        (["a/b/1", "a/c/1", "d/b/1"], ["a_b_1", "a_c_1", "d_b_1"]),
        (["1", "sub/1"], ["top_1", "sub_1"]),
        (["a/1", "a/b/1"], ["a_1", "b_1"]),
        (["train.zip/1", "test.tar.gz/1"], ["train_1", "test_1"]),
        (["shop.zip/train/1", "shop.zip/test/1"], ["train_1", "test_1"]),
    ],
)
def test_the_prefix_is_the_shortest_part_that_distinguishes(tmp_path, files, expected):
    colours = [RED, BLUE, GREEN]
    found, _ = names(tmp_path, {f"{name}.jpg": colour for name, colour in zip(files, colours, strict=False)})
    assert found == {f"{new}.jpg": f"{old}.jpg" for new, old in zip(expected, files, strict=True)}


def test_only_names_that_clash_change(tmp_path):
    found, named = names(tmp_path, {"a/1.jpg": RED, "b/1.jpg": BLUE, "a/2.jpg": RED, "b/3.jpg": RED, "a/2.xml": "x"})
    assert sorted(found) == ["2.jpg", "2.xml", "3.jpg", "a_1.jpg", "b_1.jpg"]
    assert named.renamed == [("photos", "a_1.jpg", "a/1.jpg"), ("photos", "b_1.jpg", "b/1.jpg")]


def test_a_prefix_makes_no_new_clash(tmp_path):
    found, _ = names(tmp_path, {"x/a/1.jpg": RED, "x/b/1.jpg": BLUE, "x/A_1.png": GREEN, "x/x_a_1.xml": "<a/>"})
    assert len(found) == 4 and not {"a_1.jpg", "x_a_1.jpg"} & set(found)
    assert names(tmp_path, {"x/a/1.jpg": RED, "x/b/1.jpg": BLUE, "x/A_1.png": GREEN, "x/x_a_1.xml": "<a/>"})[0] == found


@pytest.mark.parametrize(
    "layout", ["{}/1", "{}_xml/1", "labels/{}/1", "{}/labels/1", "Annotations/{}/voc/1", "{}-annotations.zip/1"]
)
def test_each_photo_keeps_the_annotation_of_its_folder(tmp_path, layout):
    files = {"train/1.jpg": RED, "test/1.jpg": BLUE}
    files |= {f"{layout.format(split)}.xml": f"<{split}/>" for split in ("train", "test")}
    found, _ = names(tmp_path, files)
    assert (
        found["train_1.xml"] == f"{layout.format('train')}.xml"
        and found["test_1.xml"] == f"{layout.format('test')}.xml"
    )


def test_annotations_of_the_same_content_belong_to_different_photos(tmp_path):
    files = {
        "images/a/1.jpg": RED,
        "images/b/1.png": BLUE,
        "labels/a/1.txt": "0 .5 .5 1 1",
        "labels/b/1.txt": "0 .5 .5 1 1",
    }
    assert sorted(names(tmp_path, files)[0]) == ["a_1.jpg", "a_1.txt", "b_1.png", "b_1.txt"]


def test_a_photo_that_is_there_twice_with_two_annotations_is_two(tmp_path):
    files = {"a/1.jpg": RED, "b/1.jpg": RED, "a/1.xml": "<x/>", "b/1.xml": "<y/>"}
    assert sorted(names(tmp_path, files)[0]) == ["a_1.jpg", "a_1.xml", "b_1.jpg", "b_1.xml"]
    files = {"a/1.jpg": RED, "b/1.jpg": RED, "c/1.jpg": BLUE, "b/1.xml": "<y/>", "c/1.xml": "<z/>"}
    assert sorted(names(tmp_path, files)[0]) == ["b_1.jpg", "b_1.xml", "c_1.jpg", "c_1.xml"]


@pytest.mark.parametrize(
    "text",
    [
        "<annotation><filename>1.jpg</filename></annotation>",
        "<annotation><folder>photos</folder><filename>1.bmp</filename></annotation>",
        "<annotation><size><width>8</width><height>6</height></size></annotation>",
    ],
)
def test_the_content_tells_the_photo_where_folders_do_not(tmp_path, text):
    from io import BytesIO

    from PIL import Image

    small = BytesIO()
    Image.new("RGB", (4, 3)).save(small, "PNG")
    files = {"photos/1.jpg": RED, "thumbs/1.png": small.getvalue(), "thumbs/2.png": small.getvalue()}
    files |= {"more/1.png": small.getvalue()[:-1] + b"x", "annotations/1.xml": text}
    found, _ = names(tmp_path, files)
    assert found["photos_1.xml"] == "annotations/1.xml" and found["photos_1.jpg"] == "photos/1.jpg"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a/1.jpg": RED, "b/1.jpg": BLUE, "labels/1.txt": "0 .5 .5 1 1"}, "labels/1.txt may belong to any of.*--only"),
        ({"1.jpg": RED, "a/1.xml": "<x/>", "b/1.xml": "<y/>"}, "a/1.xml and b/1.xml"),
        ({"a/x.jpg": RED, "a/X.JPG": BLUE}, "two different files have the name"),
        ({"a" * 250 + "/1234567890.jpg": RED, "b" * 250 + "/1234567890.jpg": BLUE, "c .jpg ": RED}, "cannot be used"),
    ],
)
def test_what_cannot_be_told_is_refused(tmp_path, files, message):
    with pytest.raises(UserError, match=message):
        names(tmp_path, files)


def test_tables_of_one_name_get_the_name_of_their_folder(tmp_path):
    found, named = names(
        tmp_path, {"1.jpg": RED, "a/labels.csv": "x", "b/labels.csv": "y", "c/labels.csv": "y", "d.csv": "z"}
    )
    assert set(found) - {"1.jpg"} == {"a_labels.csv", "b_labels.csv", "c_labels.csv", "d.csv"}
    assert named.renamed == []  # no photo was: they name them as they are called

"""Unlabelled photos: which are left out and why, and the boxes beside them."""

import numpy as np
import pandas as pd
import pytest

from apparel import boxes
from apparel.analysis.predictions.voc_xml import annotation_xml
from apparel.data import duplicates, unlabelled
from apparel.errors import UserError
from apparel.utils import csv_tables
from tests.apparel.data.test_duplicates import garment
from tests.support.detection_tables import detections

SPLITS = {"train.png": "train", "val.png": "val", "test.png": "test", "unused.png": None}
SIZE = (320, 320)


@pytest.fixture
def labelled(tmp_path):
    """Hashes of four labelled photos, of which one is in no split."""
    folder = tmp_path / "labelled"
    folder.mkdir()
    for seed, name in enumerate(SPLITS):
        garment(seed).save(folder / name)
    return duplicates.hash_photos(folder, list(SPLITS))[0]


@pytest.fixture
def shop(tmp_path):
    """Unlabelled photos: two new ones, copies of each labelled one, and a damaged one; of one name with labelled ones.

    `mirrored.png` shows the garment of train the other way round.
    """
    folder = tmp_path / "shop"
    folder.mkdir()
    garment(10).save(folder / "test.png")
    garment(11, (160, 200)).save(folder / "new.jpg")
    garment(0).resize((160, 160)).save(folder / "a.png")
    garment(0).transpose(0).save(folder / "mirrored.png")
    garment(1).save(folder / "b.png")
    garment(2).transpose(0).save(folder / "c.png")
    garment(3).save(folder / "d.png")
    (folder / "noise.jpg").write_bytes(b"\xff\xd8 no photo")
    (folder / "new.xml").write_text("<annotation/>")
    (folder / "labelled_by.json").write_text("{}")
    return folder


def test_photos_too_near_to_labelled_ones_are_left_out_by_name(labelled, shop):
    assigned = {name: split for name, split in SPLITS.items() if split}
    table = unlabelled.choose_photos(shop, labelled, assigned)
    rows = {row.filename: (row.use, row.reason, row.other) for row in table.itertuples()}
    assert rows == {
        "a.png": ("left out", "copy of one in train: same picture", "train.png"),
        "b.png": ("left out", "near duplicate of one in val: same file", "val.png"),
        "c.png": ("left out", "near duplicate of one in test: mirrored", "test.png"),
        "d.png": ("used", "", ""),
        "mirrored.png": ("used", "", ""),
        "new.jpg": ("used", "", ""),
        "noise.jpg": ("left out", "cannot be read", ""),
        "test.png": ("used", "", ""),
    }
    assert unlabelled.describe(table) == (
        "unlabelled photos: 4 of 8 used; left out: cannot be read 1, copy of one in train: same picture 1, near "
        "duplicate of one in test: mirrored 1, near duplicate of one in val: same file 1"
    )
    csv_tables.write(table, shop / "unlabelled.csv")
    photos = unlabelled.read_table(shop / "unlabelled.csv")
    assert photos["filename"].tolist() == ["d.png", "mirrored.png", "new.jpg", "test.png"]
    assert photos.loc[2, ["width", "height"]].tolist() == [160, 200]


def test_a_photo_of_test_goes_before_one_of_train(labelled, shop):
    assigned = {"train.png": "train", "val.png": "val", "test.png": "train"}
    labelled = labelled | {"unused.png": labelled["test.png"]}
    table = unlabelled.choose_photos(shop, labelled, assigned | {"unused.png": "test"})
    other = table.set_index("filename").loc["c.png"]
    assert (other["reason"], other["other"]) == ("near duplicate of one in test: mirrored", "unused.png")


def test_a_folder_in_which_nothing_is_left_is_refused(labelled, tmp_path):
    folder = tmp_path / "copies"
    folder.mkdir()
    with pytest.raises(UserError, match=r"no photos in .*copies"):
        unlabelled.choose_photos(folder, labelled, {"val.png": "val"})
    garment(1).save(folder / "b.png")
    with pytest.raises(UserError, match="is left to learn from: unlabelled photos: 0 of 1 used"):
        unlabelled.choose_photos(folder, labelled, {"val.png": "val"})


def photo_table(*names):
    return pd.DataFrame([(name, *SIZE) for name in names], columns=boxes.PHOTO_COLUMNS)


def test_boxes_beside_photos_are_cut_at_the_edges_and_of_the_classes(tmp_path):
    found = detections(("Tops", 0.9, (10, 20, 60, 80)), ("Skirts", 0.3, (0, 0, 320, 300)), ("Hats", 0.9, (1, 1, 9, 9)))
    xml = annotation_xml("a.jpg", SIZE, found).replace(b"<xmax>60", b"<xmax>999")
    (tmp_path / "a.xml").write_bytes(xml)
    for name in ("b.xml", "c.xml"):
        (tmp_path / name).write_bytes(annotation_xml(name, SIZE, []))
    with_boxes, empty, *others = unlabelled.gather(tmp_path, photo_table("a.jpg", "b.jpg", "d.jpg"), ["Skirts", "Tops"])
    np.testing.assert_array_equal(with_boxes.boxes, [[10, 20, 320, 80], [0, 0, 320, 300]])
    assert (with_boxes.class_ids.tolist(), with_boxes.difficult.tolist()) == ([2, 1], [False, True])
    assert all(photo.boxes.shape == (0, 4) and len(photo.class_ids) == 0 for photo in (empty, *others))
    assert unlabelled.describe_labels([with_boxes, empty, *others]) == (
        "labels beside unlabelled photos: 2 boxes on 1 of 3 photos"
    )


def test_labels_of_two_photos_that_differ_in_the_suffix_are_nobodys(tmp_path):
    (tmp_path / "a.xml").write_bytes(annotation_xml("a.jpg", SIZE, detections(("Tops", 0.9, (0, 0, 9, 9)))))
    photos = unlabelled.gather(tmp_path, photo_table("a.jpg", "a.png"), ["Tops"])
    assert [len(photo.boxes) for photo in photos] == [0, 0]


def test_labels_for_another_size_are_refused_by_name(tmp_path):
    (tmp_path / "a.xml").write_bytes(annotation_xml("a.jpg", (640, 320), []))
    with pytest.raises(UserError, match=r"a\.xml is for 640 x 320 pixels, but its photo has 320 x 320"):
        unlabelled.gather(tmp_path, photo_table("a.jpg"), ["Tops"])

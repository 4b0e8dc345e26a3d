"""Label tables are validated, and the geometry of boxes is right, by hand and by counting pixels."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from apparel import boxes
from apparel.errors import UserError
from apparel.images import UPRIGHT
from tests.support.repository import LABELS

PUBLISHED = LABELS / "labels.csv"
GOOD = {"filename": "a.jpg", "width": 10, "height": 20, "class": "Tops", "xmin": 0, "ymin": 1.5, "xmax": 10, "ymax": 20}


def label_table(*changes):
    return pd.DataFrame([GOOD | change for change in changes], columns=boxes.LABEL_COLUMNS)


def test_a_table_is_sorted_typed_and_numbered():
    table = boxes.validate_labels(
        label_table({"filename": "b.jpg"}, {"class": "Skirts", "xmin": 5}, {"class": "Skirts", "xmin": "4"})
    )
    assert table.index.tolist() == [0, 1, 2]
    assert table["filename"].tolist() == ["a.jpg", "a.jpg", "b.jpg"]
    assert table["xmin"].tolist() == [4, 5, 0]
    assert [str(kind) for kind in table.dtypes] == ["str", "int64", "int64", "str"] + ["float64"] * 4


def test_an_empty_table_keeps_its_columns(tmp_path):
    boxes.write_labels(boxes.empty(), tmp_path / "labels.csv")
    table = boxes.read_labels(tmp_path / "labels.csv")
    assert table.columns.tolist() == boxes.LABEL_COLUMNS
    assert len(table) == 0
    assert str(table["xmin"].dtype) == "float64"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"filename": ""}, "plain file name"),
        ({"filename": "../a.jpg"}, "plain file name"),
        ({"filename": "c\\a.jpg"}, "plain file name"),
        ({"filename": "a\n.jpg"}, "plain file name"),
        ({"class": ""}, "class name"),
        ({"class": " Tops"}, "class name"),
        ({"width": 0}, "width or height"),
        ({"width": 10.5}, "width or height"),
        ({"height": "tall"}, "width or height"),
        ({"height": float("inf")}, "width or height"),
        ({"height": "1" + "0" * 400}, "width or height"),
        ({"xmin": float("nan")}, "not a number"),
        ({"xmax": "inf"}, "not a number"),
        ({"xmax": None}, "not a number"),
        ({"xmin": 10}, "no area"),
        ({"ymax": 1}, "no area"),
        ({"xmin": -0.1}, "outside"),
        ({"ymax": 20.1}, "outside"),
        ({"width": 30}, "another size"),
    ],
)
def test_a_bad_row_is_refused_and_named(change, message):
    with pytest.raises(UserError, match=f"label table, row 1 .*{message}"):
        boxes.validate_labels(label_table({}, change))


def test_missing_and_unknown_columns_are_refused():
    table = label_table({})
    with pytest.raises(UserError, match="expected the columns"):
        boxes.validate_labels(table.drop(columns="class"))
    with pytest.raises(UserError, match="expected the columns"):
        boxes.validate_labels(table.assign(score=1.0))


def test_a_bad_line_of_a_file_is_named(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(",".join(boxes.LABEL_COLUMNS) + "\na.jpg,10,10,Tops,0,0,5,5\n\na.jpg,10,10,Tops,0,0,11,5\n")
    with pytest.raises(UserError, match=r"labels.csv, line 4 \('a.jpg'\) reaches outside"):
        boxes.read_labels(path)


def test_photo_tables_are_validated_and_have_each_photo_once(tmp_path):
    table = pd.DataFrame({"filename": ["b.jpg", "a.jpg"], "width": [1, 2], "height": [3, 4]})
    boxes.write_photos(table, tmp_path / "photos.csv")
    assert boxes.read_photos(tmp_path / "photos.csv")["width"].tolist() == [2, 1]
    with pytest.raises(UserError, match=r"row 1 .*repeats a photo"):
        boxes.validate_photos(table.assign(filename="a.jpg"))


@pytest.mark.shared("apparel/labels")
def test_the_published_labels_are_written_as_they_were_published(tmp_path):
    boxes.write_labels(boxes.read_labels(PUBLISHED), tmp_path / "labels.csv")
    published, written = (path.read_text().splitlines() for path in (PUBLISHED, tmp_path / "labels.csv"))
    assert published[0] == written[0]
    assert sorted(published) == sorted(written)


def test_class_ids_follow_the_list():
    table = boxes.validate_labels(label_table({"class": "Tops"}, {"class": "Skirts"}))
    assert boxes.class_ids(table, ["Tops", "Dresses", "Skirts"]).tolist() == [3, 1]
    assert boxes.class_ids(boxes.empty(), ["Tops"]).tolist() == []
    with pytest.raises(UserError, match=r"'Skirts' is not in data.classes"):
        boxes.class_ids(table, ["Tops"])


def test_iou_by_hand():
    a = np.array([[0, 0, 10, 10], [5, 5, 5, 5]], dtype=float)
    b = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [5, 5, 5, 5]], dtype=float)
    np.testing.assert_allclose(boxes.iou(a, b), [[1, 1 / 3, 0, 0], [0, 0, 0, 0]])
    assert boxes.iou(a[:0], b).shape == (0, 4)


CORNERS = st.tuples(*[st.integers(0, 40)] * 4).map(
    lambda c: [min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3])]
)


@given(CORNERS, CORNERS)
def test_iou_counts_pixels(a, b):
    canvas = np.zeros((2, 40, 40), dtype=bool)
    for layer, (xmin, ymin, xmax, ymax) in zip(canvas, (a, b), strict=True):
        layer[ymin:ymax, xmin:xmax] = True
    union = (canvas[0] | canvas[1]).sum()
    expected = (canvas[0] & canvas[1]).sum() / union if union else 0
    np.testing.assert_allclose(boxes.iou(np.array([a], float), np.array([b], float)), [[expected]])


def test_hull_by_hand():
    np.testing.assert_allclose(boxes.hull(10, 20, 4, 6, 0), [8, 17, 12, 23])
    np.testing.assert_allclose(boxes.hull(10, 20, 4, 6, 90), [7, 18, 13, 22])
    np.testing.assert_allclose(boxes.hull(10, 20, 4, 6, -90), [7, 18, 13, 22])
    half = 1 / np.sqrt(2)
    np.testing.assert_allclose(boxes.hull(0, 0, 2, 0, 45), [-half, -half, half, half])


@given(*[st.floats(-100, 100)] * 2, *[st.floats(0, 100)] * 2, st.floats(-720, 720))
def test_hull_is_that_of_the_four_corners(center_x, center_y, width, height, degrees):
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = np.array([[x * width / 2, y * height / 2] for x in (-1, 1) for y in (-1, 1)]) @ turn.T + [
        center_x,
        center_y,
    ]
    expected = [*corners.min(axis=0), *corners.max(axis=0)]
    np.testing.assert_allclose(boxes.hull(center_x, center_y, width, height, degrees), expected, atol=1e-6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_turn_with_their_photo(orientation):
    photo = Image.new("L", (40, 30))
    ImageDraw.Draw(photo).rectangle((3, 5, 11, 25), fill=255)
    turned = photo.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else photo
    found = boxes.upright(np.array([[3, 5, 12, 26]]), orientation, 40, 30)
    assert tuple(found[0]) == turned.getbbox()


def test_clip_keeps_what_lies_inside():
    np.testing.assert_array_equal(
        boxes.clip(np.array([[-5, 2, 50, 9], [50, 2, 60, 9]]), 10, 20), [[0, 2, 10, 9], [10, 2, 10, 9]]
    )

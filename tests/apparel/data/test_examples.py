"""TFRecord examples parsed again: by this project, and by the Object Detection API's own decoder."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apparel.data import example_writer
from tests.support import photo_files
from tests.support.labelled_photo import parsed, photo_of

CLASSES = ("Dresses", "Tops", 'Été & "co"')


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "plain.jpg"
    photo_files.garment().save(path)
    return path


@pytest.fixture(scope="module")
def api_decoder():
    from tests.support.tfod_decoder import example_decoder

    return example_decoder()


def some_boxes():
    def box(x, y, width, height):
        return (x, y, min(x + width, photo_files.SIZE[0]), min(y + height, photo_files.SIZE[1]))

    starts = st.floats(0, photo_files.SIZE[0] - 1), st.floats(0, photo_files.SIZE[1] - 1)
    corners = st.builds(box, *starts, st.floats(0.5, photo_files.SIZE[0]), st.floats(0.5, photo_files.SIZE[1]))
    return st.lists(st.tuples(corners, st.integers(1, len(CLASSES)), st.booleans()), max_size=20)


@given(rows=some_boxes())
def test_boxes_come_back_from_our_parser_and_from_the_api_s_decoder(plain, api_decoder, rows):
    boxes, class_ids, difficult = ([row[part] for row in rows] for part in range(3))
    serialized = example_writer.encode(photo_of(plain, boxes, class_ids, difficult), CLASSES)
    values, api = parsed(serialized), api_decoder.decode(serialized)
    expected = np.array(boxes).reshape(-1, 4)[:, [1, 0, 3, 2]]
    for corners in (values["boxes"], api["groundtruth_boxes"].numpy()):
        assert corners.shape == expected.shape
        np.testing.assert_allclose(corners * (*photo_files.SIZE[::-1], *photo_files.SIZE[::-1]), expected, atol=1e-4)
        assert ((corners >= 0) & (corners <= 1)).all()
    assert values["classes"].tolist() == api["groundtruth_classes"].numpy().tolist() == class_ids
    assert values["difficult"].tolist() == api["groundtruth_difficult"].numpy().astype(bool).tolist() == difficult
    assert values["filename"].decode() == api["filename"].numpy().decode() == plain.name
    assert api["image"].shape == (*photo_files.SIZE[::-1], 3)


def test_a_photo_without_boxes_has_none(plain):
    values = parsed(example_writer.encode(photo_of(plain, []), CLASSES))
    assert (values["boxes"].shape, values["classes"].shape, values["difficult"].shape) == ((0, 4), (0,), (0,))

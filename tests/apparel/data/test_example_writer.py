import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from apparel import images
from apparel.data import example_writer, examples
from apparel.data.example_writer import Photo
from apparel.errors import UserError
from tests.support import photo_files

CLASSES = ("Dresses", "Tops", 'Été & "co"')


def photo_of(path, boxes=(photo_files.BOX,), class_ids=None, difficult=None, size=photo_files.SIZE):
    count = len(boxes)
    return Photo(
        path,
        *size,
        np.array(boxes, dtype=float).reshape(-1, 4),
        np.array([1] * count if class_ids is None else class_ids, dtype=int),
        np.array([False] * count if difficult is None else difficult, dtype=bool),
    )


def parsed(serialized):
    return {key: value.numpy() for key, value in examples.parse_example(serialized).items()}


def features_of(serialized):
    import tensorflow as tf

    return tf.train.Example.FromString(serialized).features.feature


@pytest.mark.parametrize("name", photo_files.IN_COLOUR | photo_files.IN_GREY)
def test_the_box_stays_on_the_garment(tmp_path, name):
    import tensorflow as tf

    (photo_files.IN_COLOUR | photo_files.IN_GREY)[name](tmp_path / name)
    values = parsed(example_writer.encode(photo_of(tmp_path / name), CLASSES))
    pixels = tf.io.decode_image(values["image"], channels=3).numpy().astype(int)
    height, width = pixels.shape[:2]
    assert (width, height) == (values["width"], values["height"]) == photo_files.SIZE
    ymin, xmin, ymax, xmax = np.rint(values["boxes"][0] * [height, width, height, width]).astype(int)
    colour = photo_files.RED if name in photo_files.IN_COLOUR else 3 * (photo_files.GREY_OF_RED,)
    assert np.abs(pixels[ymin + 4 : ymax - 4, xmin + 4 : xmax - 4] - colour).max() <= 30
    around = (pixels[: ymin - 8], pixels[ymax + 8 :], pixels[:, : xmin - 8], pixels[:, xmax + 8 :])
    assert min(part.min() for part in around) >= 225


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


def test_the_standard_keys_are_filled(plain):
    features = features_of(example_writer.encode(photo_of(plain, class_ids=[3]), CLASSES))
    assert features["image/object/class/text"].bytes_list.value[0].decode() == CLASSES[2]
    assert features["image/source_id"].bytes_list.value == [b"plain.jpg"]
    assert features["image/format"].bytes_list.value == [b"jpeg"]
    assert features["image/key/sha256"].bytes_list.value[0].decode() == hashlib.sha256(plain.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["plain.jpg", "progressive.jpg", "ycbcr.jpg", "two-in-one.jpg", "turned-1.jpg"])
def test_an_upright_rgb_jpeg_is_kept_as_it_is(tmp_path, name):
    photo_files.IN_COLOUR[name](tmp_path / name)
    assert parsed(example_writer.encode(photo_of(tmp_path / name), CLASSES))["image"] == (tmp_path / name).read_bytes()


@pytest.mark.parametrize("name", ["cmyk.jpg", "turned-6.jpg", "grey.jpg", "see-through.webp", "16-bit.png"])
def test_all_else_becomes_png_without_loss(tmp_path, name):
    import tensorflow as tf

    (photo_files.IN_COLOUR | photo_files.IN_GREY)[name](tmp_path / name)
    serialized = example_writer.encode(photo_of(tmp_path / name), CLASSES)
    assert features_of(serialized)["image/format"].bytes_list.value == [b"png"]
    decoded = tf.io.decode_image(parsed(serialized)["image"]).numpy()
    np.testing.assert_array_equal(decoded, np.asarray(images.read(tmp_path / name)))


def test_the_same_photo_gives_the_same_bytes(plain):
    first, second = (example_writer.encode(photo_of(plain, [photo_files.BOX] * 5), CLASSES) for _ in range(2))
    assert first == second


def test_a_photo_without_boxes_has_none(plain):
    values = parsed(example_writer.encode(photo_of(plain, []), CLASSES))
    assert (values["boxes"].shape, values["classes"].shape, values["difficult"].shape) == ((0, 4), (0,), (0,))


@pytest.mark.parametrize("name", ["plain.jpg", "progressive.jpg", "plain.png", "turned-6.jpg"])
@settings(max_examples=20)
@given(share=st.floats(0, 0.6))
def test_a_truncated_photo_stops_by_name(tmp_path_factory, name, share):
    path = tmp_path_factory.mktemp("photo") / name
    photo_files.IN_COLOUR[name](path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(UserError, match=name):
        example_writer.encode(photo_of(path), CLASSES)


def test_a_photo_that_changed_its_size_stops_by_name(tmp_path):
    Image.new("RGB", (50, 60)).save(tmp_path / "a.jpg")
    with pytest.raises(UserError, match=r"a\.jpg has 50 x 60 pixels, but its boxes are for 120 x 80"):
        example_writer.encode(photo_of(tmp_path / "a.jpg"), CLASSES)

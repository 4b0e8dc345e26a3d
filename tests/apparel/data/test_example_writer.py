import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from apparel import images
from apparel.data import example_writer
from apparel.errors import UserError
from tests.support import photo_files
from tests.support.labelled_photo import parsed, photo_of

CLASSES = ("Dresses", "Tops", 'Été & "co"')


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


def test_the_standard_keys_are_filled(plain):
    features = features_of(example_writer.encode(photo_of(plain, class_ids=[3]), CLASSES))
    assert features["image/object/class/text"].bytes_list.value[0].decode() == CLASSES[2]
    assert features["image/source_id"].bytes_list.value == [b"plain.jpg"]
    assert features["image/format"].bytes_list.value == [b"jpeg"]
    assert features["image/key/sha256"].bytes_list.value[0].decode() == hashlib.sha256(plain.read_bytes()).hexdigest()


KEPT = ["plain.jpg", "progressive.jpg", "ycbcr.jpg", "two-in-one.jpg", "turned-1.jpg", "grey.jpg", "plain.png"]


@pytest.mark.parametrize("name", KEPT)
def test_an_upright_jpeg_or_rgb_png_is_kept_as_it_is(tmp_path, name):
    (photo_files.IN_COLOUR | photo_files.IN_GREY)[name](tmp_path / name)
    assert parsed(example_writer.encode(photo_of(tmp_path / name), CLASSES))["image"] == (tmp_path / name).read_bytes()


@pytest.mark.parametrize("name", ["grey.jpg", "plain.png"])
def test_tensorflow_decodes_what_is_kept_as_a_viewer_does(tmp_path, name):
    import tensorflow as tf

    (photo_files.IN_COLOUR | photo_files.IN_GREY)[name](tmp_path / name)
    image = parsed(example_writer.encode(photo_of(tmp_path / name), CLASSES))["image"]
    decoded = tf.io.decode_image(image, channels=3).numpy().astype(int)
    assert np.abs(decoded - np.asarray(images.read(tmp_path / name))).mean() <= (0 if name == "plain.png" else 0.5)


def test_an_rgb_png_with_a_transparent_colour_is_no_plain_one(tmp_path):
    photo_files.garment().save(tmp_path / "a.png", transparency=photo_files.RED)
    image = parsed(example_writer.encode(photo_of(tmp_path / "a.png"), CLASSES))["image"]
    assert image != (tmp_path / "a.png").read_bytes()


@pytest.mark.parametrize("name", ["plain.jpg", "plain.png"])
def test_a_damaged_photo_among_others_is_named(tmp_path, name):
    photos = []
    for number in range(3):
        path = tmp_path / f"{number} {name}"
        photo_files.IN_COLOUR[name](path)
        photos.append(photo_of(path))
    expected = [example_writer.encode(photo, CLASSES) for photo in photos]
    assert example_writer.encode_all(photos, CLASSES) == expected
    data = photos[1].path.read_bytes()
    photos[1].path.write_bytes(data[: len(data) - 200])
    with pytest.raises(UserError, match=f"1 {name} is damaged"):
        example_writer.encode_all(photos, CLASSES)


@pytest.mark.parametrize("name", ["cmyk.jpg", "turned-6.jpg", "palette.png", "see-through.webp", "16-bit.png"])
def test_all_else_becomes_png_without_loss(tmp_path, name):
    import tensorflow as tf

    (photo_files.IN_COLOUR | photo_files.IN_GREY)[name](tmp_path / name)
    serialized = example_writer.encode(photo_of(tmp_path / name), CLASSES)
    assert features_of(serialized)["image/format"].bytes_list.value == [b"png"]
    decoded = tf.io.decode_image(parsed(serialized)["image"]).numpy()
    np.testing.assert_array_equal(decoded, np.asarray(images.read(tmp_path / name)))


@pytest.mark.parametrize("boxes", [0, 1, 5, 200])
def test_the_bytes_are_those_of_tensorflow(plain, boxes):
    import tensorflow as tf

    serialized = example_writer.encode(photo_of(plain, [photo_files.BOX] * boxes, [3] * boxes), CLASSES)
    assert tf.train.Example.FromString(serialized).SerializeToString(deterministic=True) == serialized
    assert len(parsed(serialized)["boxes"]) == len(parsed(serialized)["classes"]) == boxes


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

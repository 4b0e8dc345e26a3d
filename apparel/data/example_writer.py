"""A photo and its boxes <-> `tf.train.Example`, under the Object Detection API's standard keys.

The keys are those of its `data_decoders/tf_example_decoder.py`, so that its own tools read the records, too.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from apparel import images
from apparel.errors import UserError

if TYPE_CHECKING:
    import tensorflow as tf

CORNERS = [f"image/object/bbox/{corner}" for corner in ("ymin", "xmin", "ymax", "xmax")]
"""The keys of a box's corners, in the Object Detection API's order."""


@dataclass(frozen=True)
class Photo:
    """One photo and its boxes.

    `width` and `height` are those of the upright photo, in pixels. `boxes` is `(N, 4)`: xmin, ymin, xmax, ymax in
    pixels; `class_ids` is `(N,)`, whole numbers from 1; `difficult` is `(N,)`, bool. N is 0 without garments.
    """

    path: Path
    width: int
    height: int
    boxes: np.ndarray
    class_ids: np.ndarray
    difficult: np.ndarray


def encode(photo: Photo, classes: Sequence[str]) -> bytes:
    """Packs one photo and its boxes; `classes` are the class names, that of id 1 first.

    Returns:
        A serialised `tf.train.Example`, the same bytes for the same input.

    Raises:
        UserError: the photo is missing, damaged, of another size, or not decodable by TensorFlow; names it.
    """
    return pack(photo, *_upright_bytes(photo), classes)


def pack(photo: Photo, image: bytes, format_name: str, classes: Sequence[str]) -> bytes:
    """`encode` with the bytes to keep in place of the photo's file: `image`, which is a `jpeg` or `png`."""
    name = photo.path.name.encode()
    texts = {
        "image/encoded": [image],
        "image/format": [format_name.encode()],
        "image/filename": [name],
        "image/source_id": [name],
        "image/key/sha256": [hashlib.sha256(image).hexdigest().encode()],
        "image/object/class/text": [classes[number - 1].encode() for number in photo.class_ids],
    }
    whole_numbers = {
        "image/width": [photo.width],
        "image/height": [photo.height],
        "image/object/class/label": photo.class_ids.tolist(),
        "image/object/difficult": photo.difficult.astype(int).tolist(),
    }
    xmin, ymin, xmax, ymax = photo.boxes.T
    sides = (ymin / photo.height, xmin / photo.width, ymax / photo.height, xmax / photo.width)
    fractions = {key: side.tolist() for key, side in zip(CORNERS, sides, strict=True)}
    return _serialize(texts, whole_numbers, fractions)


def features() -> dict[str, "tf.io.FixedLenFeature | tf.io.FixedLenSequenceFeature"]:
    """What `parse_example` reads, for `tf.io.parse_single_example`."""
    import tensorflow as tf

    def per_box(dtype: "tf.DType") -> "tf.io.FixedLenSequenceFeature":
        return tf.io.FixedLenSequenceFeature([], dtype, allow_missing=True)

    return {key: per_box(tf.float32) for key in CORNERS} | {
        "image/encoded": tf.io.FixedLenFeature([], tf.string),
        "image/filename": tf.io.FixedLenFeature([], tf.string),
        "image/width": tf.io.FixedLenFeature([], tf.int64),
        "image/height": tf.io.FixedLenFeature([], tf.int64),
        "image/object/class/label": per_box(tf.int64),
        "image/object/difficult": per_box(tf.int64),
    }


def parse_example(serialized: "tf.Tensor") -> dict[str, "tf.Tensor"]:
    """Unpacks what `encode` packed, in TensorFlow's own operations; for `tf.data.Dataset.map`.

    Returns:
        `image` (scalar string: the photo's JPEG or PNG bytes, upright RGB), `filename` (scalar string), `width` and
        `height` (scalar int64, pixels), `boxes` (`(N, 4)` float32 in 0..1 of the photo's sides, in the Object
        Detection API's order ymin, xmin, ymax, xmax), `classes` (`(N,)` int64, from 1), `difficult` (`(N,)` bool).
    """
    import tensorflow as tf

    values = tf.io.parse_single_example(serialized, features())
    return {
        "image": values["image/encoded"],
        "filename": values["image/filename"],
        "width": values["image/width"],
        "height": values["image/height"],
        "boxes": tf.stack([values[key] for key in CORNERS], axis=1),
        "classes": values["image/object/class/label"],
        "difficult": tf.cast(values["image/object/difficult"], tf.bool),
    }


def _upright_bytes(photo: Photo) -> tuple[bytes, str]:
    """Bytes that any decoder, also one that ignores EXIF, turns into the upright RGB photo; and their format.

    An upright RGB JPEG is kept as it is. All else becomes PNG, which loses nothing: a second JPEG coding would blur
    the photo, and TensorFlow reads neither WebP and TIFF nor orientation, alpha and CMYK the way a viewer does.
    """
    path, size = photo.path, (photo.width, photo.height)
    data = images.read_bytes(path)
    header = images.parse_header(data, path)
    found = (header.upright_width, header.upright_height)
    if found != size:
        sizes = "{} x {} pixels, but its boxes are for {} x {}".format(*found, *size)
        raise UserError(f"{path} has {sizes}: it changed since `convert`; run `dvc repro`")
    if header.format == "JPEG" and header.mode == "RGB" and header.orientation == 1:
        _check_jpeg(data, path)
        return data, "jpeg"
    buffer = io.BytesIO()
    images.decode(data, path).save(buffer, "PNG")
    return buffer.getvalue(), "png"


def _check_jpeg(data: bytes, path: Path) -> None:
    """Lets TensorFlow decode the photo now, by name, instead of in the middle of a training, without.

    At an eighth of the size, since all compressed data is read for that as well: on 2,400 damaged photos this found
    what a full decoding finds, by TensorFlow or by Pillow, in two thirds of the time.
    """
    import tensorflow as tf

    try:
        tf.io.decode_jpeg(data, channels=3, ratio=8)
    except tf.errors.InvalidArgumentError:
        problem = "TensorFlow cannot decode it; replace it, or remove it and its annotation, in lists/ too"
        raise UserError(f"{path} is damaged: {problem}") from None


def _serialize(
    texts: dict[str, list[bytes]], whole_numbers: dict[str, list[int]], fractions: dict[str, list[float]]
) -> bytes:
    from tensorflow import train

    features = {
        **{key: train.Feature(bytes_list=train.BytesList(value=values)) for key, values in texts.items()},
        **{key: train.Feature(int64_list=train.Int64List(value=values)) for key, values in whole_numbers.items()},
        **{key: train.Feature(float_list=train.FloatList(value=values)) for key, values in fractions.items()},
    }
    example = train.Example(features=train.Features(feature=features))
    # Without `deterministic` the order of the keys may differ from one process to the next.
    return example.SerializeToString(deterministic=True)

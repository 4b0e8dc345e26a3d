"""A photo and its boxes as a serialised `tf.train.Example`; `examples.parse_example` reads it back."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from apparel import images
from apparel.data.examples import CORNERS
from apparel.errors import UserError


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
    """Packs one photo like `encode`, but with the given bytes, `image`, a `jpeg` or `png`, in place of its file."""
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


def _upright_bytes(photo: Photo) -> tuple[bytes, str]:
    """JPEG or PNG bytes that every decoder, also one that ignores EXIF, turns into the upright RGB photo; the format.

    An upright RGB JPEG is kept as it is. Everything else becomes PNG, which is lossless: a second JPEG coding would
    blur the photo, and TensorFlow does not read WebP and TIFF, nor orientation, alpha and CMYK as a viewer does.
    """
    path, size = photo.path, (photo.width, photo.height)
    data = images.read_bytes(path)
    header = images.parse_header(data, path)
    actual_size = (header.upright_width, header.upright_height)
    if actual_size != size:
        sizes = "{} x {} pixels, but its boxes are for {} x {}".format(*actual_size, *size)
        raise UserError(f"{path} has {sizes}: it changed since `convert`; run `dvc repro`")
    if header.format == "JPEG" and header.mode == "RGB" and header.orientation == 1:
        _check_jpeg(data, path)
        return data, "jpeg"
    buffer = io.BytesIO()
    images.decode(data, path).save(buffer, "PNG")
    return buffer.getvalue(), "png"


def _check_jpeg(data: bytes, path: Path) -> None:
    """Decodes the photo with TensorFlow, so that a damaged one is named here and does not stop a training.

    An eighth of the size is enough, since all compressed data is read for that as well: on 2,400 damaged photos this
    detected the same ones as a full decoding by TensorFlow or Pillow, in two thirds of the time.

    Raises:
        UserError: TensorFlow cannot decode it.
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

"""A photo and its boxes as a serialised `tf.train.Example`; `examples.parse_example` reads it back."""

import hashlib
import io
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
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
    """Packs one photo and its boxes, as `encode_all` does several."""
    return encode_all([photo], classes)[0]


def encode_all(photos: Sequence[Photo], classes: Sequence[str]) -> list[bytes]:
    """Packs a few photos, each with its boxes; `classes` are the class names, that of id 1 first.

    Returns:
        A serialised `tf.train.Example` for each, the same bytes for the same input.

    Raises:
        UserError: a photo is missing, damaged, of another size, or not decodable by TensorFlow; names it.
    """
    files = [_upright_bytes(photo) for photo in photos]
    for format_name in ("jpeg", "png"):
        unchanged = [
            (data, photo.path)
            for photo, (data, name, is_new) in zip(photos, files, strict=True)
            if name == format_name and not is_new
        ]
        _check_decodable(unchanged, format_name)
    return [pack(photo, data, name, classes) for photo, (data, name, _) in zip(photos, files, strict=True)]


def pack(photo: Photo, image: bytes, format_name: str, classes: Sequence[str]) -> bytes:
    """Packs one photo like `encode`, but with the given bytes, `image`, a `jpeg` or `png`, in place of its file."""
    name = photo.path.name.encode()
    texts = {
        "image/encoded": [image],
        "image/format": [format_name.encode()],
        "image/filename": [name],
        "image/source_id": [name],
        "image/key/sha256": [hashlib.sha256(image).hexdigest().encode()],
        "image/object/class/text": [classes[number - 1].encode() for number in photo.class_ids.tolist()],
    }
    whole_numbers = {
        "image/width": [photo.width],
        "image/height": [photo.height],
        "image/object/class/label": photo.class_ids.tolist(),
        "image/object/difficult": list(map(int, photo.difficult.tolist())),
    }
    sides = (photo.width, photo.height, photo.width, photo.height)
    xmin, ymin, xmax, ymax = (photo.boxes / sides).T.tolist()
    return _serialize(texts, whole_numbers, dict(zip(CORNERS, (ymin, xmin, ymax, xmax), strict=True)))


def _upright_bytes(photo: Photo) -> tuple[bytes, str, bool]:
    """JPEG or PNG bytes that every decoder, also one that ignores EXIF, turns into the upright RGB photo; the format;
    whether they are another file's than the photo's own.

    An upright JPEG in colour or grey and an upright RGB PNG are kept as they are. Everything else becomes PNG, which is
    lossless: a second JPEG coding would blur the photo, and TensorFlow does not read WebP and TIFF, nor orientation,
    alpha and CMYK as a viewer does.
    """
    path, size = photo.path, (photo.width, photo.height)
    data = images.read_bytes(path)
    header = images.parse_header(data, path)
    actual_size = (header.upright_width, header.upright_height)
    if actual_size != size:
        sizes = "{} x {} pixels, but its boxes are for {} x {}".format(*actual_size, *size)
        raise UserError(f"{path} has {sizes}: it changed since `convert`; run `dvc repro`")
    if header.orientation == 1 and header.format == "JPEG" and header.mode in ("RGB", "L"):
        return data, "jpeg", False
    if header.orientation == 1 and header.format == "PNG" and header.mode == "RGB" and b"tRNS" not in data:
        return data, "png", False
    buffer = io.BytesIO()
    images.decode(data, path).save(buffer, "PNG")
    return buffer.getvalue(), "png", True


def _check_decodable(files: Sequence[tuple[bytes, Path]], format_name: str) -> None:
    """Decodes photos with TensorFlow, so that a damaged one is named here and does not stop a training.

    All are decoded in one call, outside Python's lock: a call for each takes longer than a small photo's decoding.

    Args:
        files: the bytes of each, and its path.
        format_name: `jpeg` or `png`, of all.

    Raises:
        UserError: TensorFlow cannot decode one; names the first.
    """
    import tensorflow as tf

    try:
        if files:
            _decoder(format_name)([data for data, _ in files])
    except tf.errors.InvalidArgumentError:
        if len(files) == 1:
            problem = "TensorFlow cannot decode it; replace it, or remove it and its annotation, in lists/ too"
            raise UserError(f"{files[0][1]} is damaged: {problem}") from None
        for file in files:
            _check_decodable([file], format_name)


@cache
def _decoder(format_name: str) -> Callable[[list[bytes]], object]:
    """A function of TensorFlow's that decodes photos and returns how many values each has, which nobody needs.

    Of a JPEG an eighth of the size is enough, since all compressed data is read for that as well: on 2,400 damaged
    photos this detected the same ones as a full decoding by TensorFlow or Pillow, in two thirds of the time.
    """
    import tensorflow as tf

    decode = partial(tf.io.decode_jpeg, ratio=8) if format_name == "jpeg" else tf.io.decode_png

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def decode_all(files: tf.Tensor) -> tf.Tensor:
        sizes = partial(tf.map_fn, fn_output_signature=tf.int32, parallel_iterations=1)
        return sizes(lambda data: tf.size(decode(data, channels=3)), files)

    return decode_all


def _serialize(
    texts: dict[str, list[bytes]], whole_numbers: dict[str, list[int]], fractions: dict[str, list[float]]
) -> bytes:
    """The bytes that `tf.train.Example.SerializeToString(deterministic=True)` gives: its keys are sorted.

    Written here, since protobuf's objects take four times as long, under Python's lock, which lets one core do the work
    for small photos. The format: protobuf.dev/programming-guides/encoding, tensorflow/core/example/feature.proto.
    """
    features = {key: _field(1, b"".join(_field(1, value) for value in values)) for key, values in texts.items()}
    for key, values in fractions.items():
        features[key] = _field(2, _field(1, struct.pack(f"<{len(values)}f", *values)) if values else b"")
    for key, values in whole_numbers.items():
        features[key] = _field(3, _field(1, b"".join(map(_varint, values))) if values else b"")
    entries = [_field(1, _field(1, key.encode()) + _field(2, features[key])) for key in sorted(features)]
    return _field(1, b"".join(entries))


def _field(number: int, content: bytes) -> bytes:
    """A field of protobuf's with a length: text, bytes, a message or packed numbers."""
    return bytes((number << 3 | 2,)) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """A whole number, 0 or more: seven bits a byte, the lowest first."""
    if number < 0x80:
        return bytes((number,))
    return bytes((number & 0x7F | 0x80,)) + _varint(number >> 7)

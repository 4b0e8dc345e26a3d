"""Speed of the stage tfrecord, beside the writer of tensorflow_datasets and two plain loops in one thread."""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from apparel import images
from apparel.data import example_writer, shards
from apparel.data.example_writer import Photo
from apparel.errors import UserError
from benchmarks import side_by_side
from benchmarks.side_by_side import Row

CLASSES = ("garment",)
PHOTOS_PER_SHARD = 100


def measure(folder: Path, count: int, rounds: int) -> list[Row]:
    """Writes the photos of a folder, each with one box, as TFRecords; returns photos per second.

    tensorflow_datasets copies the files' bytes as the stage does, and looks at no photo; "checked" has each decoded, as
    the stage does, so that a damaged one is found. The loop that decodes does what a careful script does: it decodes
    each photo with Pillow, then writes it. The loop that only copies shows what the disk and the page cache allow.

    Args:
        folder: of photos.
        count: at most so many photos.
        rounds: how often each way is run.

    Raises:
        UserError: the folder is missing, has no photos, or has a damaged one.
    """
    from benchmarks import tfds_writer

    photos = _photos(folder, count)
    megabytes = sum(photo.path.stat().st_size for photo in photos) / 1e6
    with tempfile.TemporaryDirectory() as temporary:
        output = Path(temporary)
        ways = {
            "tfrecord": lambda: shards.write_shards({"train": photos}, CLASSES, PHOTOS_PER_SHARD, output / "tfrecord"),
            "tensorflow_datasets": lambda: tfds_writer.write(photos, output, checked=False),
            "tensorflow_datasets, checked": lambda: tfds_writer.write(photos, output, checked=True),
            "loop that decodes": lambda: _loop(photos, output / "decoded.tfrecord", _decode),
            "loop that only copies": lambda: _loop(photos, output / "copied.tfrecord", lambda data: None),
        }
        seconds, _ = side_by_side.time_in_turns(ways, rounds)
    return side_by_side.rows(seconds, f"{len(photos)} photos of {folder}, {megabytes:.1f} MB", len(photos))


def _photos(folder: Path, count: int) -> list[Photo]:
    """The first photos of the folder, by name, each with a box around the whole photo."""
    paths = sorted(path for path in folder.glob("*") if path.is_file())[:count]
    if not paths:
        raise UserError(f"{folder} has no photos; run `dvc repro` first, or name another data set with --name")
    headers = [images.read_header(path) for path in paths]
    sizes = [(header.upright_width, header.upright_height) for header in headers]
    class_id, difficult = np.ones(1, dtype=int), np.zeros(1, dtype=bool)
    return [
        Photo(path, *size, np.array([[0.0, 0.0, *size]]), class_id, difficult)
        for path, size in zip(paths, sizes, strict=True)
    ]


def _decode(data: bytes) -> None:
    with Image.open(io.BytesIO(data), formats=images.FORMATS) as image:
        image.load()


def _loop(photos: list[Photo], path: Path, inspect: Callable[[bytes], object]) -> None:
    """Reads, inspects and writes one photo after the other, its bytes unchanged."""
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for photo in photos:
            data = photo.path.read_bytes()
            inspect(data)
            writer.write(example_writer.pack(photo, data, "jpeg", CLASSES))

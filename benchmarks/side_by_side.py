"""Measures by running two ways of the same thing in turn: on a busy machine only their ratio means much."""

import io
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image
from tqdm import tqdm

from apparel import images
from apparel.data import example_writer, shards
from apparel.data.example_writer import Photo
from apparel.errors import UserError

CLASSES = ("garment",)


def in_turn(ways: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds that each way took in each round, run A B A B ..., after one call of each that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    turns = [name for _ in range(1 + rounds) for name in ways]
    for name in tqdm(turns, desc="measuring", unit=" runs", leave=False, disable=None):
        start = time.perf_counter()
        ways[name]()
        seconds[name].append(time.perf_counter() - start)
    return {name: taken[1:] for name, taken in seconds.items()}


def report(title: str, seconds: dict[str, list[float]], amount: float, unit: str) -> str:
    """A small table: how many `unit` a second each way does, and how many times faster or slower than the first.

    Args:
        title: what is compared.
        seconds: by way, the seconds of each round; the first way is the one that the others are compared with.
        amount: how many `unit` one run handles.
        unit: such as `photos`.
    """
    first, *others = seconds
    width = max(map(len, seconds))
    lines = [title]
    for name, taken in seconds.items():
        line = f"  {name:<{width}}  {amount / median(taken):9,.0f} {unit}/s"
        if name in others:
            ratios = [theirs / ours for ours, theirs in zip(seconds[first], taken, strict=True)]
            line += f"   {first} is {median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f})"
        lines.append(line)
    return "\n".join(lines)


def tfrecord(folder: Path, count: int, rounds: int) -> str:
    """The tfrecord stage beside plain loops in one thread, on the photos of `folder`, one box each.

    One loop does what a careful script does: it decodes each photo with Pillow, then packs it. The other looks at
    nothing but the bytes, so it shows what the disk and the page cache allow.

    Raises:
        UserError: the folder is missing, holds no photos, or holds a damaged one.
    """
    packed = _photos(folder, count)
    size = sum(photo.path.stat().st_size for photo in packed) / 1e6
    with tempfile.TemporaryDirectory() as made:
        ways = {
            "tfrecord": lambda: shards.write({"train": packed}, CLASSES, 100, Path(made) / "tfrecord"),
            "loop that decodes": lambda: _loop(packed, Path(made) / "decoded.tfrecord", _decode),
            "loop that only copies": lambda: _loop(packed, Path(made) / "copied.tfrecord", lambda data: None),
        }
        seconds = in_turn(ways, rounds)
    title = f"tfrecord: {len(packed)} photos of {folder}, {size:.1f} MB, {rounds} rounds, {os.cpu_count()} cores"
    return report(title, seconds, len(packed), "photos")


def _photos(folder: Path, count: int) -> list[Photo]:
    paths = sorted(path for path in folder.glob("*") if path.is_file())[:count]
    if not paths:
        raise UserError(f"{folder} holds no photos; run `dvc repro` first, or name another data set with --name")
    headers = [images.header(path) for path in paths]
    sizes = [(header.upright_width, header.upright_height) for header in headers]
    one, easy = np.ones(1, dtype=int), np.zeros(1, dtype=bool)
    return [
        Photo(path, *size, np.array([[0.0, 0.0, *size]]), one, easy) for path, size in zip(paths, sizes, strict=True)
    ]


def _decode(data: bytes) -> None:
    with Image.open(io.BytesIO(data), formats=images.FORMATS) as image:
        image.load()


def _loop(packed: list[Photo], path: Path, look: Callable[[bytes], object]) -> None:
    """Photo after photo: reads it, looks at it, packs its bytes as they are, writes the record."""
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for photo in packed:
            data = photo.path.read_bytes()
            look(data)
            writer.write(example_writer.pack(photo, data, "jpeg", CLASSES))

"""TFRecord shards of all splits, written with their label map and their index."""

import errno
import json
import os
import random
import shutil
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from apparel import boxes
from apparel.data import example_writer
from apparel.data.example_writer import Photo
from apparel.data.index import Index, Shard, SplitIndex, write_index
from apparel.errors import UserError, some_of
from apparel.utils import files
from apparel.versioning import dvc_hash

if TYPE_CHECKING:
    from tqdm import tqdm

LABEL_MAP = "label_map.pbtxt"

PHOTOS_A_TURN, BYTES_A_TURN = 32, 1_000_000
"""What a thread encodes in one turn, at most: with one photo a turn, threads would wait for each other more than for
small photos; of large ones, a turn has one or two."""

TURNS_AHEAD = 32
"""Turns that are encoded ahead of the one being written: enough for many cores, and a bound on memory."""


def gather(
    folder: Path, photos: pd.DataFrame, labels: pd.DataFrame, difficult: pd.DataFrame, classes: Sequence[str]
) -> list[Photo]:
    """Collects every photo of a photo table with its boxes, sorted by filename.

    Args:
        folder: where the photos lie.
        photos: a photo table, photos without boxes included.
        labels: a label table; its photos are all in `photos`.
        difficult: the rows of `labels` that are marked difficult; other rows are ignored.
        classes: class names; a class's id is its position in them, counted from 1.

    Raises:
        UserError: a photo in `labels` is not in `photos`, or a class not in `classes`.
    """
    unlisted = labels.loc[~labels["filename"].isin(photos["filename"]), "filename"]
    if len(unlisted):
        raise UserError(f"{unlisted.iloc[0]} has boxes, but is not among the split's photos; run `dvc repro split`")
    merged = labels.merge(difficult.drop_duplicates(), on=list(labels.columns), how="left", indicator="found_in")
    is_difficult = (merged["found_in"] == "both").to_numpy()
    columns = labels[boxes.CORNERS].to_numpy(), boxes.class_ids(labels, classes), is_difficult
    rows = labels.groupby("filename").indices
    none = np.array([], dtype=int)
    return [
        Photo(folder / name, width, height, *(column[rows.get(name, none)] for column in columns))
        for name, width, height in photos.sort_values("filename")[boxes.PHOTO_COLUMNS].itertuples(index=False)
    ]


def shuffled(photos: list[Photo], seed: int) -> list[Photo]:
    """The photos in random order, the same for the same seed, so that no shard holds a single shop or class."""
    return random.Random(seed).sample(photos, len(photos))


def write_shards(splits: dict[str, list[Photo]], classes: Sequence[str], photos_per_shard: int, folder: Path) -> Index:
    """Writes the shards of all splits, the label map and the index: the same bytes with any number of cores.

    A folder of that name is replaced once everything is written.

    Args:
        splits: the photos of each split, in the order in which they are written.
        classes: class names; a class's id is its position in them, counted from 1.
        photos_per_shard: most photos in one file.
        folder: where the files go.

    Returns:
        The index, as `read_index` returns it.

    Raises:
        UserError: the disk is too full, or a photo is missing, damaged or of another size; names it.
    """
    from tqdm import tqdm

    all_photos = [photo for photos in splits.values() for photo in photos]
    folder.parent.mkdir(parents=True, exist_ok=True)
    _check_space(all_photos, folder.parent)
    import tensorflow  # noqa: F401 - takes seconds, which would lower the bar's photos a second

    with (
        files.replace_folder(folder) as unfinished,
        tqdm(total=len(all_photos), unit=" photos", desc="tfrecord") as progress,
    ):
        written = {
            split: _write_split(split, photos, classes, photos_per_shard, unfinished, progress)
            for split, photos in splits.items()
        }
        index = Index(tuple(classes), written)
        files.write_text(unfinished / LABEL_MAP, label_map(classes))
        write_index(index, unfinished)
    return index


def label_map(classes: Sequence[str]) -> str:
    """Class names and ids as the Object Detection API reads them: `StringIntLabelMap` in protobuf's text format."""
    # A JSON string is a valid string of protobuf's text format as well.
    names = [json.dumps(name, ensure_ascii=False) for name in classes]
    return "".join(f"item {{\n  id: {number}\n  name: {name}\n}}\n" for number, name in enumerate(names, start=1))


def _write_split(
    split: str, photos: list[Photo], classes: Sequence[str], photos_per_shard: int, folder: Path, progress: "tqdm"
) -> SplitIndex:
    parts = [photos[start : start + photos_per_shard] for start in range(0, len(photos), photos_per_shard)]
    records = _encode(photos, classes)
    shards = []
    for number, part in enumerate(parts):
        path = folder / f"{split}-{number:05}-of-{len(parts):05}.tfrecord"
        _write_shard(path, islice(records, len(part)), progress)
        shards.append(Shard(path.name, *_counts(part, classes), dvc_hash.file_md5(path)))
    most_boxes = max((len(photo.boxes) for photo in photos), default=0)
    return SplitIndex(*_counts(photos, classes), most_boxes, tuple(shards))


def _encode(photos: list[Photo], classes: Sequence[str]) -> Iterator[bytes]:
    """The photos' records in order; threads prepare the next ones, and decode them outside Python's lock."""
    with ThreadPoolExecutor() as threads:
        waiting: deque[Future[list[bytes]]] = deque()
        for turn in _turns(photos):
            waiting.append(threads.submit(example_writer.encode_all, turn, classes))
            if len(waiting) > TURNS_AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _turns(photos: Sequence[Photo]) -> Iterator[list[Photo]]:
    turn: list[Photo] = []
    size = 0
    for photo in photos:
        turn.append(photo)
        size += photo.path.stat().st_size
        if len(turn) == PHOTOS_A_TURN or size >= BYTES_A_TURN:
            yield turn
            turn, size = [], 0
    if turn:
        yield turn


def _write_shard(path: Path, records: Iterable[bytes], progress: "tqdm") -> None:
    import tensorflow as tf

    try:
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in records:
                writer.write(record)
                progress.update()
    except tf.errors.ResourceExhaustedError:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from None


def _counts(photos: list[Photo], classes: Sequence[str]) -> tuple[int, int, dict[str, int]]:
    """How many photos and boxes, and how many boxes of each class."""
    counts = Counter(class_id for photo in photos for class_id in photo.class_ids.tolist())
    per_class = {name: counts[class_id] for class_id, name in enumerate(classes, start=1)}
    return len(photos), counts.total(), per_class


def _check_space(photos: list[Photo], folder: Path) -> None:
    """Raises before anything is written where the disk cannot hold the photos as they are; names missing ones."""
    missing = [str(photo.path) for photo in photos if not photo.path.is_file()]
    if missing:
        raise UserError(f"missing: {some_of(missing, 1)}; import the photos again, or remove their annotations")
    needed = sum(photo.path.stat().st_size for photo in photos)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(f"{folder}: the TFRecords need {needed / 1e6:,.0f} MB, the disk has {free / 1e6:,.0f} MB free")

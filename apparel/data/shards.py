"""TFRecord shards of all splits, written with their label map and their index."""

import errno
import json
import os
import random
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from apparel import boxes
from apparel.data import example_writer
from apparel.data.example_writer import Photo
from apparel.data.index import Index, Shard, SplitIndex, write_index
from apparel.errors import UserError, some_of
from apparel.utils import beam, files, shard_files
from apparel.versioning import dvc_hash

LABEL_MAP = "label_map.pbtxt"

BEAM_WORK = "tfrecord"
"""Name of the progress bar, and of the folder of shards that are not finished."""

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
    all_photos = [photo for photos in splits.values() for photo in photos]
    folder.parent.mkdir(parents=True, exist_ok=True)
    _check_space(all_photos, folder.parent)
    with files.replace_folder(folder) as unfinished:
        planned = {split: _plan(split, photos, photos_per_shard, unfinished) for split, photos in splits.items()}
        all_shards = {path: part for of_split in planned.values() for path, part in of_split.items()}
        md5s = (_write_by_beam if beam.is_asked() else _write_here)(all_shards, classes)
        index = Index(tuple(classes), {split: _index(splits[split], planned[split], classes, md5s) for split in splits})
        files.write_text(unfinished / LABEL_MAP, label_map(classes))
        write_index(index, unfinished)
    beam.forget(BEAM_WORK)
    return index


def label_map(classes: Sequence[str]) -> str:
    """Class names and ids as the Object Detection API reads them: `StringIntLabelMap` in protobuf's text format."""
    # A JSON string is a valid string of protobuf's text format as well.
    names = [json.dumps(name, ensure_ascii=False) for name in classes]
    return "".join(f"item {{\n  id: {number}\n  name: {name}\n}}\n" for number, name in enumerate(names, start=1))


def _plan(split: str, photos: list[Photo], photos_per_shard: int, folder: Path) -> dict[Path, list[Photo]]:
    """The photos of each shard of a split, by its path."""
    parts = [photos[start : start + photos_per_shard] for start in range(0, len(photos), photos_per_shard)]
    return {folder / f"{split}-{number:05}-of-{len(parts):05}.tfrecord": part for number, part in enumerate(parts)}


def _index(
    photos: list[Photo], planned: dict[Path, list[Photo]], classes: Sequence[str], md5s: dict[Path, str]
) -> SplitIndex:
    written = tuple(Shard(path.name, *_counts(part, classes), md5s[path]) for path, part in planned.items())
    most_boxes = max((len(photo.boxes) for photo in photos), default=0)
    return SplitIndex(*_counts(photos, classes), most_boxes, written)


def _write_here(planned: dict[Path, list[Photo]], classes: Sequence[str]) -> dict[Path, str]:
    """Writes shards in this process; returns their MD5s."""
    import tensorflow  # noqa: F401 - takes seconds, which would lower the bar's photos a second
    from tqdm import tqdm

    photos = [photo for part in planned.values() for photo in part]
    with tqdm(total=len(photos), unit=" photos", desc=BEAM_WORK) as progress:
        records = _encode(photos, classes)
        md5s = {}
        for path, part in planned.items():
            _write_shard(path, islice(records, len(part)), progress.update)
            md5s[path] = dvc_hash.file_md5(path)
    return md5s


def _write_by_beam(planned: dict[Path, list[Photo]], classes: Sequence[str]) -> dict[Path, str]:
    """Has shards written by Beam's workers; returns their MD5s."""
    work = partial(_write_part, tuple(classes))
    results = beam.map_shards(work, list(planned.values()), BEAM_WORK, lambda photo: shard_files.file_state(photo.path))
    for path, (result, _) in zip(planned, results, strict=True):
        shard_files.link_or_copy(result, path)
    return {path: md5 for path, (_, md5) in zip(planned, results, strict=True)}


def _write_part(classes: Sequence[str], photos: list[Photo], path: Path) -> None:
    """Writes one shard, in a worker."""
    _write_shard(path, _encode(photos, classes), lambda: None)


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


def _write_shard(path: Path, records: Iterable[bytes], progress: Callable[[], object]) -> None:
    import tensorflow as tf

    try:
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in records:
                writer.write(record)
                progress()
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

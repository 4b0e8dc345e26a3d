"""Index of the TFRecord shards: what each file holds, and the checksum by which a damaged one is detected."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from apparel.errors import UserError
from apparel.utils import files, limits
from apparel.versioning import dvc_hash

FILE_NAME = "index.json"

UNLABELLED = "unlabelled"
"""The split of photos that nobody labelled, with the boxes that a teacher wrote beside them; only where there are any.
"""

MAX_BYTES = 10_000_000
"""Bytes of an index; a shard of a hundred photos takes a few hundred."""

MAX_BOXES = 100_000
"""Boxes on one photo: the batches are padded to the photo that has most, which takes some kilobytes a box."""


@dataclass(frozen=True)
class Shard:
    """One TFRecord file.

    Attributes:
        file: its name in the folder of the index.
        photos: how many photos it holds, those without boxes included.
        boxes: how many boxes they have.
        boxes_per_class: boxes by class name; 0 for a class without boxes.
        md5: checksum of the file, as DVC computes it.
    """

    file: str
    photos: int
    boxes: int
    boxes_per_class: Mapping[str, int]
    md5: str


@dataclass(frozen=True)
class SplitIndex:
    """One split: train, val or test, or `UNLABELLED`.

    Attributes:
        photos: how many photos it has, those without boxes included.
        boxes: how many boxes they have.
        boxes_per_class: boxes by class name; 0 for a class without boxes.
        most_boxes: boxes of the photo that has most of them; 0 in a split without boxes.
        shards: its files, in the order in which they are read.
    """

    photos: int
    boxes: int
    boxes_per_class: Mapping[str, int]
    most_boxes: int
    shards: tuple[Shard, ...]


@dataclass(frozen=True)
class Index:
    """What the stage tfrecord wrote.

    Attributes:
        classes: class names; a class's id is its position among them, counted from 1.
        splits: by name, in the order in which they were written.
    """

    classes: tuple[str, ...]
    splits: Mapping[str, SplitIndex]


def write_index(index: Index, folder: Path) -> None:
    """Writes `index.json`; its keys are the names of the fields, in their order."""
    files.write_json(folder / FILE_NAME, asdict(index))


def read_index(folder: Path) -> Index:
    """Reads `index.json` and compares every shard with its checksum.

    TensorFlow's own checksums are of single records: they show neither a missing nor a shortened file.

    Raises:
        UserError: the index or a shard is missing, is not the one that was written, or declares more than it holds;
            names it.
    """
    path = folder / FILE_NAME
    try:
        index = _from_json(json.loads(limits.read_bytes(path, MAX_BYTES)))
    except FileNotFoundError:
        raise UserError(f"{path} not found; run `dvc repro tfrecord`") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise UserError(f"{path} is damaged; run `dvc repro --force tfrecord`") from None
    for split in index.splits.values():
        if split.most_boxes > MAX_BOXES:
            raise UserError(
                f"{path}: {split.most_boxes:,} boxes on one photo are more than the {MAX_BOXES:,} that it may have"
            )
        for shard in split.shards:
            _check_shard(folder / shard.file, shard)
    return index


def summary(index: Index) -> str:
    """One line a split, for the terminal."""
    return "\n".join(
        f"{name}: photos {split.photos}, boxes {split.boxes}, shards {len(split.shards)}"
        for name, split in index.splits.items()
    )


def _from_json(values: dict[str, Any]) -> Index:
    splits = {
        name: SplitIndex(**{**split, "shards": tuple(Shard(**shard) for shard in split["shards"])})
        for name, split in values["splits"].items()
    }
    return Index(tuple(values["classes"]), splits)


def _check_shard(path: Path, shard: Shard) -> None:
    if not path.is_file():
        raise UserError(f"{path} is missing; run `dvc repro --force tfrecord`")
    if dvc_hash.file_md5(path) != shard.md5:
        raise UserError(f"{path} is damaged: its content changed; run `dvc repro --force tfrecord`")
    if _count_records(path) != shard.photos:
        raise UserError(f"{path} does not hold {shard.photos:,} records; run `dvc repro --force tfrecord`")


def _count_records(path: Path) -> int | None:
    """How many records a TFRecord file holds; None if the lengths that it declares do not add up.

    TensorFlow takes memory for the length that a record declares before it reads any of it. The format: length (8
    bytes) and its checksum (4), the record, its checksum (4); tensorflow/core/lib/io/record_writer.h.
    """
    size, place, records = path.stat().st_size, 0, 0
    with path.open("rb") as file:
        while place < size:
            file.seek(place)
            place += 12 + int.from_bytes(file.read(8), "little") + 4
            records += 1
    return records if place == size else None

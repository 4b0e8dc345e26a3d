"""Index of the TFRecord shards: what each file holds, and the checksum by which a damaged one is detected."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from apparel.errors import UserError
from apparel.utils import files
from apparel.versioning import dvc_hash

FILE_NAME = "index.json"


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
    """One split: train, val or test.

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
        UserError: the index or a shard is missing, or is not the one that was written; names it.
    """
    path = folder / FILE_NAME
    try:
        index = _from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError(f"{path} not found; run `dvc repro tfrecord`") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise UserError(f"{path} is damaged; run `dvc repro --force tfrecord`") from None
    for split in index.splits.values():
        for shard in split.shards:
            _check_shard(folder / shard.file, shard.md5)
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


def _check_shard(path: Path, md5: str) -> None:
    if not path.is_file():
        raise UserError(f"{path} is missing; run `dvc repro --force tfrecord`")
    if dvc_hash.file_md5(path) != md5:
        raise UserError(f"{path} is damaged: its content changed; run `dvc repro --force tfrecord`")

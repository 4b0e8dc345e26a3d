"""Photos without labels: which of them may be learnt from, and what a teacher wrote beside them.

A photo that is a near duplicate of one in test or val would make the figures measured there too good, so it is left
out; a copy of a photo in train says nothing new.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from apparel import boxes, images
from apparel.annotations import pascal_voc
from apparel.annotations.records import Box
from apparel.data import duplicates
from apparel.data.duplicates import PhotoHash
from apparel.data.example_writer import Photo
from apparel.data.pinned_split import SPLITS
from apparel.errors import UserError
from apparel.utils import csv_tables

NONE = "none"
"""The name in params.yaml for no such photos."""

LABEL_SUFFIXES = (".xml", ".json")
"""Labels, and the record of the model that wrote them."""

COLUMNS = [*boxes.PHOTO_COLUMNS, "use", "reason", "other"]

USED, LEFT_OUT = "used", "left out"

COPIES = ("same file", "same picture")
"""Kinds of near duplicates that say nothing new beside a photo of train; a mirrored or cropped one is another view."""


def photo_names(folder: Path) -> list[str]:
    """The photos in a folder of unlabelled ones, sorted: all files but labels and hidden ones.

    Raises:
        UserError: there is none.
    """
    files = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    names = [path.name for path in files if path.suffix.lower() not in LABEL_SUFFIXES]
    names = sorted(name for name in names if not name.startswith("."))
    if not names:
        raise UserError(
            f"no photos in {folder.as_posix()}; `apparel import SOURCE --unlabelled --name NAME` brings some"
        )
    return names


def choose_photos(folder: Path, labelled: Mapping[str, PhotoHash], assigned: Mapping[str, str]) -> pd.DataFrame:
    """Says of every unlabelled photo whether it is used, and if not, why.

    Args:
        folder: of the unlabelled photos.
        labelled: hashes of the data set's photos, by name.
        assigned: their splits, by name; photos in none are not compared.

    Returns:
        A table with `COLUMNS`, sorted by filename: width and height are those of the upright photo, 0 where it cannot
        be read; `use` is `USED` or `LEFT_OUT`; `other` names the photo of the data set that is the reason, or is empty.

    Raises:
        UserError: there is no photo, or none is left.
    """
    names = photo_names(folder)
    hashes, unreadable = duplicates.hash_photos(folder, names)
    of_splits = {name: photo for name, photo in labelled.items() if name in assigned}
    pairs = duplicates.compare_folders(hashes, of_splits)
    reasons = _reasons(pairs, assigned) | dict.fromkeys(unreadable, ("cannot be read", ""))
    rows = []
    for name in names:
        sides = (0, 0) if name in unreadable else _size(folder / name)
        reason, other = reasons.get(name, ("", ""))
        rows.append((name, *sides, LEFT_OUT if name in reasons else USED, reason, other))
    table = pd.DataFrame(rows, columns=COLUMNS)
    if not (table["use"] == USED).any():
        raise UserError(f"no photo of {folder.as_posix()} is left to learn from: {describe(table)}")
    return table


def describe(table: pd.DataFrame) -> str:
    """How many photos are used, and how many are left out for which reason, in one line."""
    counts = Counter(table.loc[table["use"] == LEFT_OUT, "reason"])
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(counts.items()))
    used = int((table["use"] == USED).sum())
    return f"unlabelled photos: {used:,} of {len(table):,} used" + (f"; left out: {reasons}" if reasons else "")


def read_table(path: Path) -> pd.DataFrame:
    """The photos that are used, of the table that the stage split wrote: a photo table.

    Raises:
        UserError: the table is missing or damaged.
    """
    table = csv_tables.read(path, COLUMNS)
    return boxes.validate_photos(table.loc[table["use"] == USED, boxes.PHOTO_COLUMNS], str(path), "line")


def gather(folder: Path, photos: pd.DataFrame, classes: Sequence[str]) -> list[Photo]:
    """Collects photos with the boxes of the PASCAL VOC XML beside each, none where there is no such file.

    Boxes of other classes are left out. `difficult` marks boxes that the teacher was not sure of.

    Args:
        folder: of the photos.
        photos: a photo table, sorted by filename.
        classes: class names; a class's id is its position in them, counted from 1.

    Raises:
        UserError: an XML file is damaged, or gives its photo another size; names it.
    """
    stems = Counter(Path(name).stem for name in photos["filename"])
    gathered = []
    for name, width, height in photos[boxes.PHOTO_COLUMNS].itertuples(index=False):
        labels = (folder / name).with_suffix(".xml")
        own = labels.is_file() and stems[labels.stem] == 1  # `a.xml` could be that of `a.jpg` or of `a.png`
        found = _boxes(labels, (width, height), classes) if own else []
        corners = np.array([box.corners for box in found], np.float64).reshape(-1, 4)
        gathered.append(
            Photo(
                folder / name,
                width,
                height,
                boxes.clip(corners, width, height),
                np.array([classes.index(box.label) + 1 for box in found], np.int64),
                np.array([box.difficult for box in found], bool),
            )
        )
    return gathered


def describe_labels(photos: Sequence[Photo]) -> str:
    """How many boxes there are, and on how many of the photos, in one line."""
    counts = [len(photo.boxes) for photo in photos if len(photo.boxes)]
    return f"labels beside unlabelled photos: {sum(counts):,} boxes on {len(counts):,} of {len(photos):,} photos"


def _reasons(pairs: pd.DataFrame, assigned: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Why photos are left out, and because of which other photo: one of test goes before one of val, and of train."""
    found: dict[str, tuple[str, str]] = {}
    for split in reversed(SPLITS):  # test, val, train
        for first, second, kind in pairs.itertuples(index=False):
            if assigned[second] == split and (split != "train" or kind in COPIES):
                relation = "copy of one in train" if split == "train" else f"near duplicate of one in {split}"
                found.setdefault(first, (f"{relation}: {kind}", second))
    return found


def _size(path: Path) -> tuple[int, int]:
    header = images.read_header(path)
    return header.upright_width, header.upright_height


def _boxes(path: Path, size: tuple[int, int], classes: Sequence[str]) -> list[Box]:
    """The boxes of an XML file that lie in the photo and are of one of the classes."""
    annotation, _ = pascal_voc.read(path, path.name)
    if annotation.size not in (None, size):
        sizes = "{} x {} pixels, but its photo has {} x {}".format(*annotation.size, *size)
        raise UserError(f"{path} is for {sizes}; delete it, and label the photo again")
    width, height = size
    return [
        box
        for box in annotation.boxes
        if box.label in classes
        and min(box.corners[2], width) > max(box.corners[0], 0)
        and min(box.corners[3], height) > max(box.corners[1], 0)
    ]

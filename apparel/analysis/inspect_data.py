"""What a careful person looks at before training: what a data set holds, and what is odd about it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from apparel import paths
from apparel.analysis import anchors
from apparel.annotations import convert
from apparel.annotations.convert import Converted
from apparel.data import duplicates, split
from apparel.errors import UserError
from apparel.models.tfod import pipeline_file
from apparel.params import Params
from apparel.utils import csv_tables


@dataclass(frozen=True)
class Division:
    """A division of photos into train and test.

    `source` says where it comes from, `sides` is each photo's side by name, `straddling` are the pairs of near
    duplicates with one photo in test and one not, `twice` the photos that are in both.
    """

    source: str
    sides: dict[str, str]
    straddling: pd.DataFrame
    twice: list[str]


@dataclass(frozen=True)
class Inspection:
    """What was found in a data set.

    Attributes:
        name: of the data set.
        converted: its labels of all classes, its photos with an annotation, and what convert would repair or drop.
        boxes: the labels as `measure` returns them.
        classes: `by_class` of them.
        unreadable: why photos cannot be decoded, by name.
        pairs: near duplicates, from `duplicates.compare_hashes`.
        divisions: of the photos into train and test.
        strangers: names in a published list that are not photos here, by list.
        detector: whose anchors the boxes were held against.
        anchors: their shapes, from `anchors.shapes`; None where they are not SSD's.
        matched_threshold: the IoU from which training takes an anchor for a box, 0 to 1.
    """

    name: str
    converted: Converted
    boxes: pd.DataFrame
    classes: pd.DataFrame
    unreadable: dict[str, str]
    pairs: pd.DataFrame
    divisions: list[Division]
    strangers: dict[str, list[str]]
    detector: str
    anchors: np.ndarray | None
    matched_threshold: float


def inspect(name: str, config: Params) -> Inspection:
    """Looks at every photo and annotation of a data set.

    Args:
        name: of the data set; the one in `config` does not matter, nor do its classes.
        config: how annotations are read, and which detector's anchors count.

    Raises:
        UserError: there is no such data set, or nothing in it can be read.
    """
    folder, detector = paths.photos(name), config.train.detector
    converted = convert.convert(folder, paths.annotations(name), None, config.convert.first_pixel)
    model = pipeline_file.read(paths.CONFIGS / f"{detector}.config")
    shapes, threshold = anchors.shapes(model), anchors.matched_threshold(model)
    measured = measure(converted.labels, shapes)
    names = [path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    hashes, unreadable = duplicates.hash_photos(folder, names)
    pairs = duplicates.compare_hashes(hashes)
    return Inspection(
        name=name,
        converted=converted,
        boxes=measured,
        classes=by_class(measured, threshold),
        unreadable={photo: reason.replace(str(folder / photo), photo) for photo, reason in unreadable.items()},
        pairs=pairs,
        divisions=[_division(*found, pairs) for found in _divided(name, set(names))],
        strangers=_strangers(paths.lists(name), set(names)),
        detector=detector,
        anchors=shapes,
        matched_threshold=threshold,
    )


def measure(labels: pd.DataFrame, shapes: np.ndarray | None) -> pd.DataFrame:
    """A label table with further columns.

    `relative_width` and `relative_height` are shares of the photo's, `share` is that of its area, `aspect` is width by
    height in pixels, `best_iou` is from `anchors.best_iou` (nan without anchors).
    """
    width, height = labels["xmax"] - labels["xmin"], labels["ymax"] - labels["ymin"]
    relative = pd.DataFrame({"width": width / labels["width"], "height": height / labels["height"]})
    best = np.nan if shapes is None else anchors.best_iou(relative.to_numpy(), shapes)
    return labels.assign(
        share=relative["width"] * relative["height"],
        relative_width=relative["width"],
        relative_height=relative["height"],
        aspect=width / height,
        best_iou=best,
    )


def by_class(measured: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """A row a class, and one for all: photos, boxes, `reached` (the share of boxes whose `best_iou` is `threshold` or
    more), the mean of `best_iou`, and the medians of the other columns of `measure`, called `width` and `height` where
    relative."""
    rows = [(name, table) for name, table in measured.groupby("class")] + [("all", measured)]
    medians = {"width": "relative_width", "height": "relative_height", "share": "share", "aspect": "aspect"}
    return pd.DataFrame(
        {
            "photos": [table["filename"].nunique() for _, table in rows],
            "boxes": [len(table) for _, table in rows],
            **{name: [table[column].median() for _, table in rows] for name, column in medians.items()},
            "best_iou": [table["best_iou"].mean() for _, table in rows],
            "reached": [_reached(table["best_iou"], threshold) for _, table in rows],
        },
        index=pd.Index([name for name, _ in rows], name="class"),
    )


def _reached(best_iou: pd.Series, threshold: float) -> float:
    return float("nan") if best_iou.isna().all() else float((best_iou >= threshold).mean())


def findings(found: Inspection) -> list[str]:
    """What is odd about a data set and not in convert's report, a line each."""
    lines = []
    if found.unreadable:
        lines.append(f"photos that cannot be decoded: {len(found.unreadable)} ({split.some_photos(found.unreadable)})")
    for name, strangers in found.strangers.items():
        lines.append(f"photos in lists/{name} that are not there: {len(strangers)} ({split.some_photos(strangers)})")
    lines.append(f"pairs of near duplicates: {len(found.pairs)}, byte for byte the same: {found.pairs['exact'].sum()}")
    for each in found.divisions:
        lines.append(f"pairs that straddle train and test in {each.source}: {len(each.straddling)}")
        if each.twice:
            lines.append(f"photos on both sides in {each.source}: {len(each.twice)} ({split.some_photos(each.twice)})")
    if found.anchors is None:
        lines.append(f"anchors of {found.detector}: not plain SSD anchors, so boxes were not held against them")
    else:
        short = int((found.boxes["best_iou"] < found.matched_threshold).sum())
        lines.append(
            f"boxes whose shape fits no anchor of {found.detector} with an IoU of {found.matched_threshold:.2f}: "
            f"{short} of {len(found.boxes)} (were their centres the same; the anchors' places cost some more)"
        )
    return lines


def _divided(name: str, known: set[str]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Photos and sides as the split stage has them, if it is of these photos, and as published train and test lists."""
    table = paths.SPLIT / "photos.csv"
    if table.exists():
        found = csv_tables.read(table, ["filename", "split"])
        if set(found["filename"]) <= known:
            yield paths.SPLIT.as_posix(), list(found.itertuples(index=False, name=None))
    lists = _lists(paths.lists(name), known)
    for train, photos in lists.items():
        test = train.replace("train", "test")
        if test != train and test in lists:
            yield (
                f"lists/{train} and {test}",
                [
                    *((photo, "train") for photo in sorted(photos)),
                    *((photo, "test") for photo in sorted(lists[test])),
                ],
            )


def _division(source: str, rows: list[tuple[str, str]], pairs: pd.DataFrame) -> Division:
    sides = dict(rows)
    counts = Counter(photo for photo, _ in rows)
    twice = sorted(photo for photo, count in counts.items() if count > 1)
    return Division(source, sides, split.straddling_pairs(pairs, sides), twice)


def _lists(folder: Path, known: set[str]) -> dict[str, set[str]]:
    """The photos in each published list, by its name."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".csv", ".txt")):
        try:
            found[path.relative_to(folder).as_posix()] = split.read_photo_list(path, known)
        except UserError:  # a table of something else, such as counts by class
            continue
    return found


def _strangers(folder: Path, known: set[str]) -> dict[str, list[str]]:
    """Names in each list that are not photos; a text without any photo, such as the list of classes, is no list."""
    lists = {name: photos for name, photos in _lists(folder, known).items() if photos & known}
    return {name: sorted(photos - known) for name, photos in lists.items() if photos - known}

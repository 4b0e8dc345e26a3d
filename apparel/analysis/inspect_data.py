"""Inspection of a data set before training: classes, box sizes, fit of anchors, near duplicates, damaged photos."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from apparel import paths
from apparel.annotations.convert import Converted, convert_data_set
from apparel.data import duplicates, pinned_split, split
from apparel.errors import UserError
from apparel.models import anchors
from apparel.models.anchor_fields import check_anchors
from apparel.models.tfod import pipeline_file
from apparel.params import Params
from apparel.utils import csv_tables


@dataclass(frozen=True)
class Division:
    """A division of photos into train and test, by the stage split or by published lists.

    Attributes:
        source: the folder or the lists that it is from.
        splits: `train`, `val` or `test` by name of photo.
        straddling: pairs of near duplicates with one photo in test and the other not.
        in_several: photos that are in more than one split.
    """

    source: str
    splits: dict[str, str]
    straddling: pd.DataFrame
    in_several: list[str]


@dataclass(frozen=True)
class Inspection:
    """What a data set holds, and what is unusual about it.

    Attributes:
        name: of the data set.
        converted: labels of all classes, annotated photos, and what convert would repair or drop.
        boxes: the labels with the columns of `measure_boxes`.
        classes: figures by class, from `class_figures`.
        unreadable: reason by name of the photos that cannot be decoded.
        pairs: near duplicates, from `duplicates.compare_hashes`.
        divisions: divisions of the photos into train and test.
        missing_photos: names in a published list without a photo, by list.
        detector: the detector whose anchors are compared with the boxes.
        anchors: their shapes, from `anchor_shapes`; None if they are of a kind that is not compared.
        matched_threshold: IoU from which training matches an anchor to a box, 0 to 1.
    """

    name: str
    converted: Converted
    boxes: pd.DataFrame
    classes: pd.DataFrame
    unreadable: dict[str, str]
    pairs: pd.DataFrame
    divisions: list[Division]
    missing_photos: dict[str, list[str]]
    detector: str
    anchors: np.ndarray | None
    matched_threshold: float


def inspect(name: str, config: Params) -> Inspection:
    """Inspects every photo and annotation of a data set.

    Args:
        name: of the data set; the data set and the classes of `config` are not used.
        config: how annotations are read, and the detector with its anchors.

    Raises:
        UserError: there is no such data set, or nothing in it can be read.
    """
    folder, detector = paths.photos(name), config.train.detector
    converted = convert_data_set(folder, paths.annotations(name), None, **config.convert.model_dump(exclude={"strict"}))
    file = paths.CONFIGS / f"{detector}.config"
    model = pipeline_file.read(file)
    if not model.model.ssd.anchor_generator.HasField("grid_anchor_generator"):  # which is not compared
        check_anchors(model, file.as_posix())
    shapes, threshold = anchors.anchor_shapes(model, config.train.resolution), anchors.matched_threshold(model)
    measured = measure_boxes(converted.labels, shapes)
    names = [path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    hashes, unreadable = duplicates.hash_photos(folder, names)
    pairs = duplicates.compare_hashes(hashes, names)
    return Inspection(
        name=name,
        converted=converted,
        boxes=measured,
        classes=class_figures(measured, threshold),
        unreadable={photo: reason.replace(str(folder / photo), photo) for photo, reason in unreadable.items()},
        pairs=pairs,
        divisions=[_division(source, rows, pairs) for source, rows in _find_divisions(name, set(names))],
        missing_photos=_missing_photos(paths.lists(name), set(names)),
        detector=detector,
        anchors=shapes,
        matched_threshold=threshold,
    )


def measure_boxes(labels: pd.DataFrame, shapes: np.ndarray | None) -> pd.DataFrame:
    """A label table with the sizes of boxes and their fit to anchors.

    Returns:
        The table with `relative_width`, `relative_height` and `share` (fractions of the photo's width, height and
        area), `aspect` (width / height in pixels) and `best_iou` from `anchors.best_iou` (nan without anchors).
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


def class_figures(measured: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Figures by class, and of all classes in the last row.

    Returns:
        `photos` and `boxes` (counts), `width`, `height`, `share` and `aspect` (medians, sizes as fractions of the
        photo's), `best_iou` (mean), and `reached` (fraction of boxes whose `best_iou` is at least `threshold`).
    """
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


def findings(inspection: Inspection) -> list[str]:
    """Lines on what is unusual about a data set and not in convert's report."""
    lines = []
    if inspection.unreadable:
        names = pinned_split.some_photos(inspection.unreadable)
        lines.append(f"photos that cannot be decoded: {len(inspection.unreadable)} ({names})")
    for name, missing in inspection.missing_photos.items():
        lines.append(f"photos in lists/{name} that are missing: {len(missing)} ({pinned_split.some_photos(missing)})")
    lines.append(f"near duplicates: {duplicates.summary(inspection.pairs)}")
    for division in inspection.divisions:
        kinds = f" ({duplicates.count_kinds(division.straddling)})" if len(division.straddling) else ""
        lines.append(f"pairs that straddle train and test in {division.source}: {len(division.straddling)}{kinds}")
        if division.in_several:
            names = pinned_split.some_photos(division.in_several)
            lines.append(f"photos in both train and test of {division.source}: {len(division.in_several)} ({names})")
    if inspection.anchors is None:
        lines.append(f"anchors of {inspection.detector}: of another kind than those that boxes are compared with")
    else:
        threshold = inspection.matched_threshold
        unmatched = int((inspection.boxes["best_iou"] < threshold).sum())
        lines.append(
            f"boxes whose shape fits no anchor of {inspection.detector} with an IoU of {threshold:.2f}: "
            f"{unmatched} of {len(inspection.boxes)} (with the same centres; real anchors are off by a little)"
        )
    return lines


def _find_divisions(name: str, photos: set[str]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Source and rows of photo and split: of the stage split, if it ran on these photos, and of published lists."""
    table = paths.SPLIT / "photos.csv"
    if table.exists():
        assigned = csv_tables.read(table, ["filename", "split"])
        if set(assigned["filename"]) <= photos:
            yield paths.SPLIT.as_posix(), list(assigned.itertuples(index=False, name=None))
    lists = _read_lists(paths.lists(name), photos)
    for train, train_photos in lists.items():
        test = train.replace("train", "test")
        if test != train and test in lists:
            rows = [(photo, "train") for photo in sorted(train_photos)]
            rows += [(photo, "test") for photo in sorted(lists[test])]
            yield f"lists/{train} and {test}", rows


def _division(source: str, rows: list[tuple[str, str]], pairs: pd.DataFrame) -> Division:
    splits, counts = dict(rows), Counter(photo for photo, _ in rows)
    in_several = sorted(photo for photo, count in counts.items() if count > 1)
    return Division(source, splits, split.straddling_pairs(pairs, splits), in_several)


def _read_lists(folder: Path, photos: set[str]) -> dict[str, set[str]]:
    """The names in each published list of photos, by name of the list."""
    lists = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".csv", ".txt")):
        try:
            lists[path.relative_to(folder).as_posix()] = pinned_split.read_photo_list(path, photos)
        except UserError:  # another table, such as counts by class
            continue
    return lists


def _missing_photos(folder: Path, photos: set[str]) -> dict[str, list[str]]:
    """Names without a photo in each list. A text without any photo, such as a list of classes, is no list of photos."""
    lists = {name: listed for name, listed in _read_lists(folder, photos).items() if listed & photos}
    return {name: sorted(listed - photos) for name, listed in lists.items() if listed - photos}

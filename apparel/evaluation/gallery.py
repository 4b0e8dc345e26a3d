"""Gallery of the results page: every test photo with its boxes, found by each number of the page.

The photos are plain JPEGs within the page, and the boxes are SVG above them: a photo is in the page once, however many
numbers lead to it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from apparel import images
from apparel.boxes import CORNERS
from apparel.classes import BACKGROUND
from apparel.errors import plain
from apparel.evaluation import drawing, evaluate, html, metrics
from apparel.evaluation.evaluate import SplitMetrics
from apparel.evaluation.metrics import FALSE_POSITIVE, TRUE_POSITIVE

SIDE = 320
"""Longer side of a photo in the gallery, in pixels: some 15 kB."""

LIMIT = 1000
"""Photos on the page at most: some 20 MB, which browsers open at once. Those with the lowest F1 are shown."""


@dataclass(frozen=True)
class Mark:
    """A box on a photo of the gallery.

    `left`, `top`, `width` and `height` are in pixels of the small photo; `state` is `right`, `wrong` or `missed`.
    """

    left: float
    top: float
    width: float
    height: float
    colour: str
    label: str
    state: str


@dataclass(frozen=True)
class GalleryPhoto:
    """A photo of the gallery: `source` is a data URI, `tags` are those of `photo_tags`, separated by spaces."""

    name: str
    source: str
    width: int
    height: int
    marks: list[Mark]
    tags: str
    caption: str

    @property
    def alt(self) -> str:
        """The boxes in words."""
        return "; ".join(f"{mark.label} {mark.state}" for mark in self.marks) or "no boxes"


def photo_tags(results: SplitMetrics) -> dict[str, list[str]]:
    """What each photo has, by its name: the tags that the numbers of the page lead to.

    `boxes-C` is ground truth of the class with index C; `found-C`, `wrong-C` and `missed-C` are verdicts at the
    thresholds; without `-C` they are those of any class. `pair-A-P` is a pair of the confusion matrix, where the index
    of background is the number of classes.
    """
    names = [*results.curves, BACKGROUND]
    index = {name: number for number, name in enumerate(names)}
    kept = metrics.above_threshold(results.matched, results.thresholds)
    truth = results.ground_truth.reset_index(drop=True)
    tables = {
        "boxes": truth,
        "found": kept[kept["verdict"] == TRUE_POSITIVE],
        "wrong": kept[kept["verdict"] == FALSE_POSITIVE],
        "missed": truth[~metrics.is_detected(truth, kept)],
    }
    tags: dict[str, set[str]] = {}
    for tag, table in tables.items():
        for photo, name in zip(table["filename"], table["class"], strict=True):
            tags.setdefault(photo, set()).update((tag, f"{tag}-{index[name]}"))
    for photo, actual, predicted in results.pairs[["filename", "actual", "predicted"]].itertuples(index=False):
        tags.setdefault(photo, set()).add(f"pair-{index[actual]}-{index[predicted]}")
    return {photo: sorted(found) for photo, found in tags.items()}


def select_photos(results: SplitMetrics) -> list[str]:
    """The names of the photos to show, lowest F1 first, those without boxes and detections last; at most `LIMIT`."""
    scored = evaluate.photo_scores(results).sort_values(["F1", "all", "filename"], ascending=[True, False, True])
    others = sorted(set(results.photos["filename"]) - set(scored["filename"]))
    return [*scored["filename"], *others][:LIMIT]


def make_gallery(results: SplitMetrics, encoded: Iterable[tuple[str, bytes]], names: list[str]) -> list[GalleryPhoto]:
    """The photos of the gallery, in the order of `names`.

    Args:
        results: metrics of the test split.
        encoded: name and JPEG or PNG of each test photo, in any order, also of photos that are not shown.
        names: what `select_photos` returned.
    """
    shown, tags = set(names), photo_tags(results)
    boxes = dict(_boxes_by_photo(results))
    photos = {
        name: _gallery_photo(results, name, data, boxes[name], " ".join(tags.get(name, [])))
        for name, data in encoded
        if name in shown
    }
    return [photos[name] for name in names]


def _boxes_by_photo(results: SplitMetrics) -> Iterator[tuple[str, tuple[pd.DataFrame, pd.DataFrame]]]:
    """Ground truth and detections of each photo, as `evaluate.boxes_with_outcome` has them."""
    truth, detections = evaluate.boxes_with_outcome(results)
    truth_rows, detection_rows = truth.groupby("filename").indices, detections.groupby("filename").indices
    nothing = np.array([], dtype=int)
    for name in results.photos["filename"]:
        yield name, (truth.iloc[truth_rows.get(name, nothing)], detections.iloc[detection_rows.get(name, nothing)])


def _gallery_photo(
    results: SplitMetrics, name: str, data: bytes, boxes: tuple[pd.DataFrame, pd.DataFrame], tags: str
) -> GalleryPhoto:
    photo = images.decode(data, Path(name))
    scale = SIDE / max(photo.size)
    small = photo.resize([max(1, round(side * scale)) for side in photo.size])
    truth, detections = boxes
    colours = drawing.class_colours(list(results.curves))
    missed = truth[~truth["matched"]]
    rows = [(row, plain(row["class"]), "missed") for _, row in missed.iterrows()]
    for _, row in detections.sort_values("score", kind="stable").iterrows():
        rows.append((row, f"{plain(row['class'])} {row['score']:.2f}", "right" if row["matched"] else "wrong"))
    marks = [_mark(row[CORNERS].to_numpy(float) * scale, colours[row["class"]], *words) for row, *words in rows]
    caption = evaluate.outcome_text(truth, detections)
    return GalleryPhoto(name, html.image_data_uri(small), *small.size, marks, tags, caption)


def _mark(corners: np.ndarray, colour: str, label: str, state: str) -> Mark:
    xmin, ymin, xmax, ymax = (round(float(corner), 1) for corner in corners)
    return Mark(xmin, ymin, round(xmax - xmin, 1), round(ymax - ymin, 1), colour, label, state)

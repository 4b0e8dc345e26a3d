"""Average precision by size of the garment and by number of garments on the photo: where a detector is weak.

Not by whether a garment is worn or lies flat: no annotation says so. PASCAL VOC's `pose` is the only field that might,
and LabelImg writes `Unspecified` into it, as in all boxes of the published photos.

Sizes follow COCO's rule (https://cocodataset.org/#detection-eval): for a range of sizes the boxes of other sizes are
ignored like difficult ones, and so is a detection that matches no box and has another size itself. Why not pycocotools:
it computes COCO's average precision; the figures here are PASCAL's, comparable with all others (see `metrics`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from apparel.evaluation import intervals, metrics
from apparel.evaluation.metrics import FALSE_POSITIVE, IGNORED

INFINITE = float("inf")

PIXELS = {
    "small, below 32² pixels": (0, 32**2),
    "medium, 32² to 96² pixels": (32**2, 96**2),
    "large, 96² pixels and more": (96**2, INFINITE),
}
"""COCO's ranges of areas in square pixels of the photo, lower limit included."""

SHARES = {
    "below 5% of the photo": (0, 0.05),
    "5% to 20% of the photo": (0.05, 0.2),
    "20% of the photo and more": (0.2, INFINITE),
}
"""Ranges of areas as a share of the photo's, lower limit included. Ours: on a photo of a shop nearly every garment is
large by COCO's ranges. A twentieth is a garment on a model seen whole, a fifth one that the photo was made for."""

GARMENTS = {
    "no garment": (0, 1),
    "1 garment": (1, 2),
    "2 garments": (2, 3),
    "3 garments": (3, 4),
    "4 garments and more": (4, INFINITE),
}
"""Ranges of the number of boxes on a photo, difficult ones included, lower limit included."""

COLUMNS = ["photos", "boxes", "AP50", "AP50_low", "AP50_high", "precision", "recall", "false_positives", "missed"]


@dataclass(frozen=True)
class Stratum:
    """The boxes and detections of one range.

    Attributes:
        kind: `size` (area in pixels), `share` (of the photo's area) or `garments` (boxes on the photo).
        name: of the range, a key of PIXELS, SHARES or GARMENTS.
        photos: names of the photos that are scored.
        ground_truth: the ground truth table, boxes out of the range marked difficult.
        matched: the detections with their verdicts in the range.
    """

    kind: str
    name: str
    photos: Sequence[str]
    ground_truth: pd.DataFrame
    matched: pd.DataFrame


def strata(photos: pd.DataFrame, ground_truth: pd.DataFrame, matched: pd.DataFrame) -> Iterator[Stratum]:
    """Each range of sizes, of shares, and of numbers of garments; the latter without those that no photo has.

    Args:
        photos: a photo table of all photos that were scored.
        ground_truth: a ground truth table.
        matched: what `metrics.match_detections` returned for it.
    """
    yield from _sizes(photos, ground_truth, matched)
    yield from _garments(photos, ground_truth, matched)


def _sizes(photos: pd.DataFrame, ground_truth: pd.DataFrame, matched: pd.DataFrame) -> Iterator[Stratum]:
    sizes = photos.set_index("filename")
    areas = (sizes["width"] * sizes["height"]).astype(float)
    compared = matched["ground_truth"].to_numpy()
    # The box that a detection is compared with does not depend on the range, so nothing is matched again.
    false = (matched["verdict"] == FALSE_POSITIVE).to_numpy()
    reached = (matched["iou"].to_numpy() >= 0.5) & (compared >= 0)
    for kind, ranges, scale in (("size", PIXELS, None), ("share", SHARES, areas)):
        truth_sizes, detected_sizes = _areas(ground_truth, scale), _areas(matched, scale)
        for name, (low, high) in ranges.items():
            outside = ~((truth_sizes >= low) & (truth_sizes < high)).to_numpy()
            ignored = reached & np.append(outside, False)[compared]
            ignored |= false & ~((detected_sizes >= low) & (detected_sizes < high)).to_numpy()
            truth = ground_truth.assign(difficult=ground_truth["difficult"].to_numpy(bool) | outside)
            verdicts = matched.assign(verdict=matched["verdict"].where(~ignored, IGNORED))
            yield Stratum(kind, name, photos["filename"].tolist(), truth, verdicts)


def _garments(photos: pd.DataFrame, ground_truth: pd.DataFrame, matched: pd.DataFrame) -> Iterator[Stratum]:
    counts = ground_truth.groupby("filename").size().reindex(photos["filename"], fill_value=0)
    for name, (low, high) in GARMENTS.items():
        names = counts.index[(counts >= low) & (counts < high)]
        if len(names):
            truth, detected = (table[table["filename"].isin(names)] for table in (ground_truth, matched))
            yield Stratum("garments", name, names.tolist(), truth, detected)


def table(
    photos: pd.DataFrame, ground_truth: pd.DataFrame, matched: pd.DataFrame, thresholds: dict[str, float]
) -> pd.DataFrame:
    """Figures of all `strata`.

    Args:
        photos: a photo table of all photos that were scored.
        ground_truth: a ground truth table.
        matched: what `metrics.match_detections` returned for it.
        thresholds: score threshold by class; its keys are all classes.

    Returns:
        One row a range, by its name, with `kind` and COLUMNS: `photos` (with boxes in the range; of `garments`, with
        that many boxes) and `boxes`; `AP50` with its 95% interval, the mean over the classes that have boxes in the
        range; at the thresholds `precision`, `recall` (of all classes together), `false_positives` and `missed`.
        Figures are 0 to 1, nan where undefined.
    """
    rows = {}
    for stratum in strata(photos, ground_truth, matched):
        truth = stratum.ground_truth
        boxes_in = truth.loc[~truth["difficult"].astype(bool), "filename"].nunique()
        photo_count = len(stratum.photos) if stratum.kind == "garments" else boxes_in
        figures = _figures(stratum.photos, truth, stratum.matched, thresholds)
        rows[stratum.name] = {"kind": stratum.kind, "photos": photo_count} | figures
    return pd.DataFrame.from_dict(rows, orient="index", columns=["kind", *COLUMNS]).rename_axis("range")


def by_size(
    photos: pd.DataFrame, ground_truth: pd.DataFrame, detections: pd.DataFrame, thresholds: dict[str, float]
) -> pd.DataFrame:
    """The rows of `table` by COCO's ranges of areas and by the share of the photo, of a detections table."""
    figures = table(photos, ground_truth, metrics.match_detections(ground_truth, detections), thresholds)
    return figures.loc[figures["kind"] != "garments", COLUMNS]


def by_garments(
    photos: pd.DataFrame, ground_truth: pd.DataFrame, detections: pd.DataFrame, thresholds: dict[str, float]
) -> pd.DataFrame:
    """The rows of `table` by the number of boxes on the photo, of a detections table.

    On photos without garments only the false positives mean something.
    """
    figures = table(photos, ground_truth, metrics.match_detections(ground_truth, detections), thresholds)
    return figures.loc[figures["kind"] == "garments", COLUMNS]


def _areas(table: pd.DataFrame, of_photos: pd.Series | None) -> pd.Series:
    """The area of each box, in square pixels, or as a share of its photo's area."""
    areas = (table["xmax"] - table["xmin"]) * (table["ymax"] - table["ymin"])
    return areas if of_photos is None else areas / table["filename"].map(of_photos).astype(float)


def _figures(
    names: Sequence[str], truth: pd.DataFrame, matched: pd.DataFrame, thresholds: dict[str, float]
) -> dict[str, float]:
    scored = intervals.average_precision(names, truth, matched, list(thresholds))
    low, high = intervals.mean_interval(scored)
    counts = metrics.metrics_at_thresholds(truth, matched, thresholds)
    true, false, missed = (int(counts[name].sum()) for name in ("true_positives", "false_positives", "missed"))
    return {
        "boxes": true + missed,
        "AP50": metrics.nan_mean(scored.values),
        "AP50_low": low,
        "AP50_high": high,
        "precision": true / (true + false) if true + false else float("nan"),
        "recall": true / (true + missed) if true + missed else float("nan"),
        "false_positives": false,
        "missed": missed,
    }

"""Average precision by size of the garment and by number of garments on the photo: where a detector is weak.

Sizes follow COCO's rule (https://cocodataset.org/#detection-eval): for a range of sizes the boxes of other sizes are
ignored like difficult ones, and so is a detection that matches no box and has another size itself. Why not pycocotools:
it computes COCO's average precision; the figures here are PASCAL's, comparable with all others (see `metrics`).
"""

from collections.abc import Sequence

import pandas as pd

from apparel.evaluation import intervals, metrics
from apparel.evaluation.metrics import FALSE_POSITIVE

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


def by_size(
    photos: pd.DataFrame, ground_truth: pd.DataFrame, detections: pd.DataFrame, thresholds: dict[str, float]
) -> pd.DataFrame:
    """Figures by COCO's ranges of areas and by the share of the photo.

    Args:
        photos: a photo table of all photos that were scored.
        ground_truth: a ground truth table.
        detections: a detections table.
        thresholds: score threshold by class; its keys are all classes.

    Returns:
        One row a range, by its name, with COLUMNS: `photos` (with boxes in the range) and `boxes`; `AP50` with its 95%
        interval, the mean over the classes that have boxes in the range; at the thresholds `precision`, `recall` (of
        all classes together), `false_positives` and `missed`. Figures are 0 to 1, nan where undefined.
    """
    sizes = photos.set_index("filename")
    areas = (sizes["width"] * sizes["height"]).astype(float)
    rows = {}
    for ranges, scale in ((PIXELS, None), (SHARES, areas)):
        truth_sizes, detected_sizes = _areas(ground_truth, scale), _areas(detections, scale)
        for name, (low, high) in ranges.items():
            outside = ~((truth_sizes >= low) & (truth_sizes < high))
            truth = ground_truth.assign(difficult=ground_truth["difficult"].astype(bool) | outside)
            matched = metrics.match_detections(truth, detections.assign(size=detected_sizes))
            ignored = (matched["verdict"] == FALSE_POSITIVE) & ~((matched["size"] >= low) & (matched["size"] < high))
            row = _figures(photos["filename"], truth, matched[~ignored], thresholds)
            rows[name] = row | {"photos": truth.loc[~truth["difficult"], "filename"].nunique()}
    return _table(rows)


def by_garments(
    photos: pd.DataFrame, ground_truth: pd.DataFrame, detections: pd.DataFrame, thresholds: dict[str, float]
) -> pd.DataFrame:
    """Figures by the number of boxes on the photo; arguments and result as `by_size`, ranges without photos left out.

    On photos without garments only the false positives mean something.
    """
    counts = ground_truth.groupby("filename").size().reindex(photos["filename"], fill_value=0)
    rows = {}
    for name, (low, high) in GARMENTS.items():
        names = counts.index[(counts >= low) & (counts < high)]
        if len(names):
            truth, detected = (table[table["filename"].isin(names)] for table in (ground_truth, detections))
            truth = truth.reset_index(drop=True)
            matched = metrics.match_detections(truth, detected)
            rows[name] = _figures(names, truth, matched, thresholds) | {"photos": len(names)}
    return _table(rows)


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


def _table(rows: dict[str, dict[str, float]]) -> pd.DataFrame:
    return pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS).rename_axis("range")

"""Confusion matrix of a detector: boxes are paired one to one, whatever their class.

Detections above the threshold of their class are taken in the order of their scores, highest first: each is paired with
the free ground truth box of its photo with the highest IoU, if that IoU is at least 0.5. What remains on either side is
paired with the background. A detection paired with a difficult box is not counted, nor is a difficult box without a
detection. At equal scores or IoUs the values in the tables decide, never the order of rows.

Why not a library: `supervision.ConfusionMatrix` and others have no difficult boxes, break ties by the order of rows,
and return counts without the photos, which the report needs.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from apparel import boxes
from apparel.boxes import CORNERS
from apparel.classes import BACKGROUND


def pair_boxes(ground_truth: pd.DataFrame, detections: pd.DataFrame, iou_threshold: float = 0.5) -> pd.DataFrame:
    """Pairs ground truth boxes with detections of any class.

    Args:
        ground_truth: a ground truth table.
        detections: a detections table: the detections above the threshold of their class.
        iou_threshold: lowest IoU of a pair, above 0 to 1.

    Returns:
        One row a pair, a missed box or a false positive: the columns `filename`, `actual` and `predicted`, which are
        classes or `background`; sorted.
    """
    truth = ground_truth.sort_values(["filename", *CORNERS, "class", "difficult"])
    detections = detections.sort_values(["filename", "score", *CORNERS, "class"], ascending=[True, False] + [True] * 5)
    truth_rows, detection_rows = truth.groupby("filename").indices, detections.groupby("filename").indices
    rows = []
    for photo in sorted(truth_rows.keys() | detection_rows.keys()):
        photo_truth = truth.iloc[truth_rows.get(photo, [])]
        photo_detections = detections.iloc[detection_rows.get(photo, [])]
        rows += [(photo, *pair) for pair in _pairs_of_photo(photo_truth, photo_detections, iou_threshold)]
    return pd.DataFrame(rows, columns=["filename", "actual", "predicted"]).sort_values(
        ["filename", "actual", "predicted"], ignore_index=True
    )


def _pairs_of_photo(truth: pd.DataFrame, detections: pd.DataFrame, iou_threshold: float) -> list[tuple[str, str]]:
    """The pairs of actual and predicted class on one photo."""
    actual, difficult = truth["class"].tolist(), truth["difficult"].tolist()
    overlaps = boxes.iou(detections[CORNERS].to_numpy(float), truth[CORNERS].to_numpy(float))
    free = np.ones(len(actual), dtype=bool)
    pairs = []
    for overlap, predicted in zip(overlaps, detections["class"], strict=True):
        reached = free & (overlap >= iou_threshold)
        if not reached.any():
            pairs.append((BACKGROUND, predicted))
            continue
        best = int(np.argmax(np.where(reached, overlap, -1.0)))
        free[best] = False
        if not difficult[best]:
            pairs.append((actual[best], predicted))
    return pairs + [(actual[row], BACKGROUND) for row in np.flatnonzero(free) if not difficult[row]]


def confusion_matrix(pairs: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Counts of what `pair_boxes` returned: a row for each actual class, a column for each predicted one, background
    last."""
    names = [*classes, BACKGROUND]
    counts = np.zeros((len(names), len(names)), dtype=int)
    index = {name: number for number, name in enumerate(names)}
    np.add.at(counts, (pairs["actual"].map(index).to_numpy(int), pairs["predicted"].map(index).to_numpy(int)), 1)
    return pd.DataFrame(counts, index=pd.Index(names, name="actual"), columns=pd.Index(names, name="predicted"))

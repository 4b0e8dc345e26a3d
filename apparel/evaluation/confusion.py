"""Which class is taken for which: boxes matched one to one across classes.

Detections above the threshold of their class choose in the order of their scores, highest first: each takes the free
ground truth of its photo with the highest IoU, whatever its class, if that IoU is at least 0.5. What is left over on
either side is paired with the background. A detection that takes a difficult box is not counted, nor is a difficult box
that nothing takes. At equal scores or IoUs the order of the tables' values decides, never that of their rows.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from apparel import boxes
from apparel.boxes import CORNERS
from apparel.classes import BACKGROUND


def pairs(ground_truth: pd.DataFrame, detections: pd.DataFrame, iou_threshold: float = 0.5) -> pd.DataFrame:
    """Every box, with what it was taken for.

    Args:
        ground_truth: a ground truth table.
        detections: the detections that a user would be shown: those above their threshold.
        iou_threshold: lowest IoU of a pair, above 0 to 1.

    Returns:
        One row a pair, a missed box or an invented one: the columns `filename`, `actual` and `predicted`, classes or
        `background`; sorted.
    """
    truth = ground_truth.sort_values(["filename", *CORNERS, "class", "difficult"])
    found = detections.sort_values(["filename", "score", *CORNERS, "class"], ascending=[True, False] + [True] * 5)
    truth_of, found_of = truth.groupby("filename").indices, found.groupby("filename").indices
    rows = []
    for photo in sorted(truth_of.keys() | found_of.keys()):
        mine, theirs = truth.iloc[truth_of.get(photo, [])], found.iloc[found_of.get(photo, [])]
        rows += [(photo, *pair) for pair in _pairs_of_photo(mine, theirs, iou_threshold)]
    return pd.DataFrame(rows, columns=["filename", "actual", "predicted"]).sort_values(
        ["filename", "actual", "predicted"], ignore_index=True
    )


def _pairs_of_photo(truth: pd.DataFrame, found: pd.DataFrame, iou_threshold: float) -> list[tuple[str, str]]:
    actual, difficult = truth["class"].tolist(), truth["difficult"].tolist()
    overlaps = boxes.iou(found[CORNERS].to_numpy(float), truth[CORNERS].to_numpy(float))
    free = np.ones(len(actual), dtype=bool)
    result = []
    for overlap, predicted in zip(overlaps, found["class"], strict=True):
        reached = free & (overlap >= iou_threshold)
        if not reached.any():
            result.append((BACKGROUND, predicted))
            continue
        best = int(np.argmax(np.where(reached, overlap, -1.0)))
        free[best] = False
        if not difficult[best]:
            result.append((actual[best], predicted))
    return result + [(actual[place], BACKGROUND) for place in np.flatnonzero(free) if not difficult[place]]


def matrix(pairs: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """How often each actual class (rows) was taken for each predicted one (columns), background last: whole numbers."""
    names = [*classes, BACKGROUND]
    counts = np.zeros((len(names), len(names)), dtype=int)
    place = {name: number for number, name in enumerate(names)}
    np.add.at(counts, (pairs["actual"].map(place).to_numpy(int), pairs["predicted"].map(place).to_numpy(int)), 1)
    return pd.DataFrame(counts, index=pd.Index(names, name="actual"), columns=pd.Index(names, name="predicted"))

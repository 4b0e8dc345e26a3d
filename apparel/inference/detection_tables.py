"""Detections on all photos of a table: arrays, as networks give them, and rows, as files have them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from apparel.boxes import CORNERS
from apparel.inference.predictor import DETECTION_COLUMNS
from apparel.models.detections import Detections

LEAST_WIDTH = 100
"""Detections a photo that arrays have room for at least: `max_total_detections` of the pipeline files. A fusion gives
no more than its views have room for, and few detections in a table must not make it give fewer."""


def to_table(photos: pd.DataFrame, detections: Detections, classes: Sequence[str]) -> pd.DataFrame:
    """Detections on all photos of a table, in its order, as a `ScoredSplit` has them."""
    row, position = np.nonzero(np.arange(detections.scores.shape[1]) < np.asarray(detections.count)[:, np.newaxis])
    width, height = (photos[side].to_numpy()[row] for side in ("width", "height"))
    ymin, xmin, ymax, xmax = np.asarray(detections.boxes, float)[row, position].T
    names = np.array(classes, dtype=object)[detections.classes[row, position].astype(int)]
    table = pd.DataFrame(
        {
            "filename": photos["filename"].to_numpy()[row],
            "class": names,
            "score": detections.scores[row, position].astype(float),
            "xmin": xmin * width,
            "ymin": ymin * height,
            "xmax": xmax * width,
            "ymax": ymax * height,
        }
    )[["filename", *DETECTION_COLUMNS]].astype({"filename": "str", "class": "str"})
    return table.sort_values(["filename", "score"], ascending=[True, False], kind="stable", ignore_index=True)


def from_table(photos: pd.DataFrame, table: pd.DataFrame, classes: Sequence[str]) -> Detections:
    """A detections table as arrays of all photos (B = P), in the order of a photo table; D is `LEAST_WIDTH` or more."""
    rows = pd.Series(np.arange(len(photos)), index=photos["filename"])
    table = table.sort_values("score", ascending=False, kind="stable")
    row = table["filename"].map(rows).to_numpy(int)
    position = table.groupby("filename").cumcount().to_numpy()
    most = max(LEAST_WIDTH, int(position.max(initial=0)) + 1)
    boxes = np.zeros((len(photos), most, 4), np.float32)
    numbers, scores = np.zeros((2, len(photos), most), np.float32)
    sides = photos[["width", "height"]].to_numpy(float)[row]
    xmin, ymin, xmax, ymax = (table[corner].to_numpy(float) for corner in CORNERS)
    width, height = sides.T
    boxes[row, position] = np.stack([ymin / height, xmin / width, ymax / height, xmax / width], axis=1)
    numbers[row, position] = table["class"].map({name: number for number, name in enumerate(classes)})
    scores[row, position] = table["score"]
    return Detections(boxes, numbers, scores, np.bincount(row, minlength=len(photos)).astype(np.float32))

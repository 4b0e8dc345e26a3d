"""COCO average precision, computed by pycocotools.

It differs from PASCAL's (see `metrics`): a detection is matched with the best ground truth box that no other detection
has; precision is read at 101 recalls; the 100 detections with the highest scores count, for each photo and class.
Difficult boxes are passed as COCO's crowd regions: detections on them are ignored. A class without ground truth has
nan.
Source: https://cocodataset.org/#detection-eval
"""

import contextlib
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from apparel.boxes import CORNERS

if TYPE_CHECKING:
    from pycocotools.coco import COCO


def average_precision(
    photos: pd.DataFrame, ground_truth: pd.DataFrame, detections: pd.DataFrame, classes: Sequence[str]
) -> pd.DataFrame:
    """COCO AP of each class.

    Args:
        photos: a photo table of all photos that were scored, with boxes or without.
        ground_truth: a ground truth table.
        detections: a detections table.
        classes: the classes to score, in order.

    Returns:
        One row a class, in order, with the columns `AP` (the mean over IoU thresholds 0.50, 0.55, ... 0.95), `AP50` and
        `AP75`: 0 to 1, nan without ground truth.
    """
    from pycocotools.cocoeval import COCOeval

    names = sorted(photos["filename"])
    with contextlib.redirect_stdout(io.StringIO()):
        truth_set, detection_set = (_coco_data_set(names, classes, table) for table in (ground_truth, detections))
        evaluation = COCOeval(truth_set, detection_set, "bbox")
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, np.inf]], ["all"]
        evaluation.params.maxDets = [100]
        evaluation.evaluate()
        evaluation.accumulate()
    # Shape: IoU thresholds, recalls, classes, 1 range of areas, 1 limit of detections; -1 without ground truth.
    precision = evaluation.eval["precision"][:, :, :, 0, 0]
    by_threshold = np.where(precision < 0, np.nan, precision).mean(axis=1)
    values = {"AP": by_threshold.mean(axis=0), "AP50": by_threshold[0], "AP75": by_threshold[5]}
    return pd.DataFrame(values, index=pd.Index(classes, name="class"))


def _coco_data_set(names: list[str], classes: Sequence[str], table: pd.DataFrame) -> "COCO":
    """A label or detections table as pycocotools takes it."""
    from pycocotools.coco import COCO

    photo_ids = {name: number for number, name in enumerate(names, start=1)}
    class_ids = {name: number for number, name in enumerate(classes, start=1)}
    table = table.sort_values(CORNERS, kind="stable")  # pycocotools breaks ties by order
    difficult = table.get("difficult", pd.Series(False, table.index))
    scores = table.get("score", pd.Series(0.0, table.index))
    rows = zip(table["filename"], table["class"], table[CORNERS].to_numpy(float), difficult, scores, strict=True)
    data_set = COCO()
    data_set.dataset = {
        "images": [{"id": number} for number in photo_ids.values()],
        "categories": [{"id": number, "name": name} for name, number in class_ids.items()],
        # From 1: pycocotools uses the id 0 for "not matched" (cocoapi issue 332).
        "annotations": [
            {
                "id": number,
                "image_id": photo_ids[photo],
                "category_id": class_ids[name],
                "bbox": [xmin, ymin, xmax - xmin, ymax - ymin],
                "area": (xmax - xmin) * (ymax - ymin),
                "iscrowd": int(crowd),
                "score": score,
            }
            for number, (photo, name, (xmin, ymin, xmax, ymax), crowd, score) in enumerate(rows, start=1)
        ],
    }
    data_set.createIndex()
    return data_set

"""COCO average precision, by pycocotools.

It differs from PASCAL's: a detection takes the best ground truth that is still free; precision is read at 101 recalls;
100 detections a photo and class count, those of the highest score. Difficult boxes are COCO's crowd regions: what lies
on them is ignored. A class without ground truth has nan, and is left out of means.
Source: https://cocodataset.org/#detection-eval
"""

import contextlib
import io
from collections.abc import Sequence

import numpy as np
import pandas as pd

from apparel.boxes import CORNERS


def average_precision(
    photos: pd.DataFrame, ground_truth: pd.DataFrame, detections: pd.DataFrame, classes: Sequence[str]
) -> pd.DataFrame:
    """COCO AP of each class.

    Args:
        photos: a photo table: every photo that is scored, with boxes or without.
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
        evaluation = COCOeval(_data_set(names, classes, ground_truth), _data_set(names, classes, detections), "bbox")
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, np.inf]], ["all"]
        evaluation.params.maxDets = [100]
        evaluation.evaluate()
        evaluation.accumulate()
    # IoU thresholds x recalls x classes x one range of areas x one cap; -1 where there is no ground truth.
    precision = evaluation.eval["precision"][:, :, :, 0, 0]
    by_threshold = np.where(precision < 0, np.nan, precision).mean(axis=1)
    values = {"AP": by_threshold.mean(axis=0), "AP50": by_threshold[0], "AP75": by_threshold[5]}
    return pd.DataFrame(values, index=pd.Index(classes, name="class"))


def _data_set(names: list[str], classes: Sequence[str], table: pd.DataFrame):
    from pycocotools.coco import COCO

    photo_ids = {name: number for number, name in enumerate(names, start=1)}
    class_ids = {name: number for number, name in enumerate(classes, start=1)}
    table = table.sort_values(CORNERS, kind="stable")  # equal scores and overlaps are settled by order
    difficult = table.get("difficult", pd.Series(False, table.index))
    scores = table.get("score", pd.Series(0.0, table.index))
    rows = zip(table["filename"], table["class"], table[CORNERS].to_numpy(float), difficult, scores, strict=True)
    data_set = COCO()
    data_set.dataset = {
        "images": [{"id": number} for number in photo_ids.values()],
        "categories": [{"id": number, "name": name} for name, number in class_ids.items()],
        # Numbered from 1: pycocotools takes the id 0 for "matched to nothing".
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

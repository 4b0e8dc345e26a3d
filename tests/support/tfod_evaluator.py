"""The Object Detection API's own PASCAL evaluator, against which tests compare `apparel/evaluation/metrics.py`.

Patched: `object_detection/utils/metrics.py` uses `np.float` and `np.NAN`, which NumPy dropped in 1.24 and 2.0. Both
are set in that one module, not in NumPy. The patch can go once `compute_precision_recall` runs without it.
"""

import os
import types

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import numpy as np
import pandas as pd
from object_detection.utils import metrics, object_detection_evaluation


class _OldNumPy(types.ModuleType):
    """NumPy with the two names that `metrics.py` still asks for."""

    float = float
    NAN = np.nan

    def __getattr__(self, name: str):
        return getattr(np, name)


metrics.np = _OldNumPy("numpy")


def average_precision(
    photos: list[str], ground_truth: pd.DataFrame, detections: pd.DataFrame, classes: list[str], iou_threshold: float
) -> tuple[dict[str, float], float]:
    """AP by class and their mean as the API computes them, from tables as `apparel.evaluation.metrics` takes them."""
    categories = [{"id": number, "name": name} for number, name in enumerate(classes, start=1)]
    evaluator = object_detection_evaluation.PascalDetectionEvaluator(categories, iou_threshold)
    for photo in photos:
        truth = ground_truth[ground_truth["filename"] == photo]
        found = detections[detections["filename"] == photo]
        evaluator.add_single_ground_truth_image_info(
            photo,
            {
                "groundtruth_boxes": _corners(truth),
                "groundtruth_classes": _ids(truth, classes),
                "groundtruth_difficult": truth["difficult"].to_numpy(bool),
            },
        )
        evaluator.add_single_detected_image_info(
            photo,
            {
                "detection_boxes": _corners(found),
                "detection_classes": _ids(found, classes),
                "detection_scores": found["score"].to_numpy(float),
            },
        )
    by_name = evaluator.evaluate()
    prefix = f"PascalBoxes_PerformanceByCategory/AP@{iou_threshold}IOU/"
    by_class = {name: float(by_name[prefix + name]) for name in classes}
    return by_class, float(by_name[f"PascalBoxes_Precision/mAP@{iou_threshold}IOU"])


def _corners(table: pd.DataFrame) -> np.ndarray:
    return table[["ymin", "xmin", "ymax", "xmax"]].to_numpy(float)


def _ids(table: pd.DataFrame, classes: list[str]) -> np.ndarray:
    return np.array([classes.index(name) + 1 for name in table["class"]], dtype=int)

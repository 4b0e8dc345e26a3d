"""Score thresholds of the classes, chosen on a split: the best F1, or the lowest score for a precision."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from apparel.evaluation.metrics import PrecisionRecallCurve, precision_recall_curve, precision_recall_curves
from apparel.models.thresholds import PRECISIONS, Thresholds


def choose_thresholds(
    ground_truth: pd.DataFrame, matched: pd.DataFrame, classes: Sequence[str], min_precision: float | None = None
) -> Thresholds:
    """The score threshold of each class that gives the highest F1, or a precision.

    A class without true positives gets the best threshold of all classes together; where no class has any, it is 0.5.
    Rounded down to six decimals, so that the threshold written is the threshold applied.

    Args:
        ground_truth: a ground truth table.
        matched: what `metrics.match_detections` returned.
        classes: the classes, in order.
        min_precision: None for the highest F1; or one of `PRECISIONS`, as `Thresholds.at_precision` takes it.
    """
    overall = precision_recall_curve(ground_truth, matched).best_threshold()
    fallback = 0.5 if overall is None else overall
    curves = precision_recall_curves(ground_truth, matched, classes)
    best = {name: curve.best_threshold() for name, curve in curves.items()}
    by_class = {name: _rounded(fallback if score is None else score) for name, score in best.items()}
    chosen = Thresholds(by_class, None, {name: _by_precision(curve) for name, curve in curves.items()})
    return chosen if min_precision is None else chosen.at_precision(min_precision)


def _by_precision(curve: PrecisionRecallCurve) -> dict[str, float]:
    scores = {f"{precision:.2f}": curve.threshold_at(precision) for precision in PRECISIONS}
    return {key: _rounded(score) for key, score in scores.items() if score is not None}


def _rounded(score: float) -> float:
    return float(np.floor(score * 1e6) / 1e6)

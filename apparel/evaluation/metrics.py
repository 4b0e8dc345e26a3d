"""Detection metrics: PASCAL VOC average precision, precision, recall, F1 and the counts behind them.

Why not a library: pycocotools computes COCO's AP (see `coco`), not PASCAL's; torchmetrics wraps it and needs PyTorch;
the API's own evaluator gives AP without verdicts by detection, and breaks ties by the order of rows. A test compares
this module with that evaluator.

Conventions, those of the Object Detection API (`object_detection/utils/per_image_evaluation.py` and `metrics.py`)
where it has one:

- Boxes are [xmin, xmax) x [ymin, ymax) in pixels, floats: no +1 in widths and heights, nothing is rounded.
- A detection is compared with the ground truth box of its photo and class with the highest IoU, whether or not another
  detection has matched that box. If the IoU reaches the threshold (>=), the detection with the highest score is a true
  positive, all others of that box are false positives. If the box is difficult, the detection is ignored.
- Every detection counts: no lowest score, no limit per photo. Those without area are left out, as in the API.
- At equal scores false positives come first: no threshold can separate them, and the result can't depend on the order
  of photos or rows. (The API leaves that order to its sort.)
- A class whose ground truth is empty or all difficult has AP nan, and means leave it out. Its false positives are still
  counted.

Tables are those of `apparel.boxes`. A *ground truth table* is a label table with the column `difficult`; a *detections
table* has `filename`, `class`, `score` (0 to 1) and the corners in pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from apparel import boxes
from apparel.boxes import CORNERS
from apparel.errors import UserError

TRUE_POSITIVE, FALSE_POSITIVE, IGNORED = "true positive", "false positive", "ignored"


def match_detections(ground_truth: pd.DataFrame, detections: pd.DataFrame, iou_threshold: float = 0.5) -> pd.DataFrame:
    """Matches detections with ground truth and gives each a verdict.

    Args:
        ground_truth: a ground truth table; `difficult` boxes are neither found nor missed.
        detections: a detections table.
        iou_threshold: lowest IoU of a match, above 0 to 1.

    Returns:
        The detections with an area, with the columns `verdict` (`true positive`, `false positive` or `ignored`), `iou`
        (with the best ground truth box of photo and class; 0 without any) and `ground_truth` (the row number of that
        box in the ground truth table, or -1), sorted by falling score; at equal scores false positives come first.

    Raises:
        UserError: a score or a coordinate of a detection is not a finite number.
    """
    detections = _sorted_with_area(detections)
    verdict = np.full(len(detections), FALSE_POSITIVE, dtype=object)
    best, iou = _best_ground_truth(ground_truth, detections)
    reached = np.flatnonzero(iou >= iou_threshold)
    difficult = ground_truth["difficult"].to_numpy(bool)[best[reached]]
    verdict[reached[difficult]] = IGNORED
    candidates = reached[~difficult]
    verdict[candidates[~pd.Series(best[candidates]).duplicated().to_numpy()]] = TRUE_POSITIVE
    matched = detections.assign(verdict=verdict, iou=iou, ground_truth=best)
    # The verdicts sort by name as needed: false positive, ignored, true positive.
    keys = ["score", "verdict", "filename", "class", *CORNERS]
    return matched.sort_values(keys, ascending=[False] + [True] * 7, ignore_index=True)


def _sorted_with_area(detections: pd.DataFrame) -> pd.DataFrame:
    """Detections with an area, sorted by photo, class and falling score; the order of the rows given has no effect.

    Raises:
        UserError: a score or a coordinate is not a finite number.
    """
    numbers = detections[["score", *CORNERS]].to_numpy(float)
    finite = np.isfinite(numbers).all(axis=1)
    if not finite.all():
        raise UserError(
            f"the detector's scores or boxes are not finite numbers on {detections['filename'][~finite].iloc[0]!r}: "
            "its weights are broken, as after a diverged training; train again with a lower train.learning_rate"
        )
    has_area = (detections["xmin"] < detections["xmax"]) & (detections["ymin"] < detections["ymax"])
    keys = ["filename", "class", "score", *CORNERS]
    order = [True, True, False, True, True, True, True]
    return detections[has_area].sort_values(keys, ascending=order, ignore_index=True)


def _best_ground_truth(ground_truth: pd.DataFrame, detections: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The ground truth box of the same photo and class with the highest IoU, for each of N sorted detections.

    Returns:
        Its row number in the ground truth table, shape (N,), -1 without any; and the IoU, shape (N,), 0 to 1.
    """
    best = np.full(len(detections), -1)
    iou = np.zeros(len(detections))
    positions = ground_truth.reset_index(drop=True)
    positions = positions.sort_values(["filename", "class", *CORNERS, "difficult"]).index.to_numpy()
    truth = ground_truth.iloc[positions]
    truth_rows = truth.groupby(["filename", "class"]).indices
    truth_boxes, detected_boxes = truth[CORNERS].to_numpy(float), detections[CORNERS].to_numpy(float)
    for key, rows in detections.groupby(["filename", "class"]).indices.items():
        if key in truth_rows:
            candidates = truth_rows[key]
            overlaps = boxes.iou(detected_boxes[rows], truth_boxes[candidates])
            best[rows] = positions[candidates[overlaps.argmax(axis=1)]]
            iou[rows] = overlaps.max(axis=1)
    return best, iou


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """Precision and recall at each detection, best score first.

    Attributes:
        score: shape (N,), falling.
        precision: shape (N,), 0 to 1: share of the detections so far that are true.
        recall: shape (N,), 0 to 1, rising: share of the ground truth found so far; nan without ground truth.
        boxes: number of ground truth boxes that are not difficult.
    """

    score: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    boxes: int

    @property
    def envelope(self) -> np.ndarray:
        """Interpolated precision, shape (N,): the highest precision at this recall or a higher one."""
        return np.maximum.accumulate(self.precision[::-1])[::-1]

    @property
    def average_precision(self) -> float:
        """Area under the envelope over recall (all-point interpolation); 0 to 1, nan without ground truth.

        Source: Everingham et al., "The PASCAL Visual Object Classes Challenge 2012 Development Kit", 3.4.1.
        """
        if not self.boxes:
            return float("nan")
        return float(np.sum(np.diff(self.recall, prepend=0.0) * self.envelope))

    def precision_at(self, recall: np.ndarray) -> np.ndarray:
        """Interpolated precision at the recalls given, 0 to 1: 0 above the highest recall, nan without ground truth."""
        if not self.boxes:
            return np.full(len(recall), np.nan)
        # 3/10 and 0.3 may differ in the last bit, which must not shift a point to the next detection.
        reached = np.searchsorted(self.recall, recall - 1e-12)
        return np.append(self.envelope, 0.0)[reached]

    def best_threshold(self) -> float | None:
        """The score threshold with the highest F1 (the highest of several); None without true positives.

        F1 = 2 TP / (detections + boxes), the harmonic mean of precision and recall; van Rijsbergen, "Information
        Retrieval" (1979), chapter 7.
        """
        true_positives = self.recall * self.boxes
        f1 = 2 * true_positives / (np.arange(1, len(true_positives) + 1) + self.boxes)
        # Of equal scores the last row has the highest F1, since `match_detections` puts false positives first there:
        # so the maximum never lies between scores that no threshold can separate.
        return float(self.score[np.argmax(f1)]) if np.any(f1 > 0) else None

    def threshold_at(self, precision: float) -> float | None:
        """The lowest score threshold with this precision, 0 to 1, or a higher one; None where there is none."""
        # A threshold takes all detections of its score: their last row has its precision.
        last_of_score = np.append(self.score[1:] != self.score[:-1], True)[: len(self.score)]
        reached = np.flatnonzero(last_of_score & (self.precision >= precision - 1e-12))
        return float(self.score[reached[-1]]) if len(reached) else None


def precision_recall_curve(ground_truth: pd.DataFrame, matched: pd.DataFrame) -> PrecisionRecallCurve:
    """The curve over all rows, whatever their class; for the curve of one class, pass the rows of that class.

    Args:
        ground_truth: a ground truth table.
        matched: what `match_detections` returned.
    """
    counted = matched[matched["verdict"] != IGNORED]
    true_positives = np.cumsum((counted["verdict"] == TRUE_POSITIVE).to_numpy())
    box_count = int((~ground_truth["difficult"].to_numpy(bool)).sum())
    recall = true_positives / box_count if box_count else np.full(len(true_positives), np.nan)
    precision = true_positives / np.arange(1, len(true_positives) + 1)
    return PrecisionRecallCurve(counted["score"].to_numpy(float), precision, recall, box_count)


def precision_recall_curves(
    ground_truth: pd.DataFrame, matched: pd.DataFrame, classes: Sequence[str]
) -> dict[str, PrecisionRecallCurve]:
    """The curve of each class, by class.

    Raises:
        ValueError: a table holds a class that is not among `classes`; its boxes would silently not count.
    """
    for table in (ground_truth, matched):
        if unknown := set(table["class"]) - set(classes):
            raise ValueError(f"boxes of classes that are not scored: {sorted(unknown)}")
    return {
        name: precision_recall_curve(ground_truth[ground_truth["class"] == name], matched[matched["class"] == name])
        for name in classes
    }


def average_precision(
    ground_truth: pd.DataFrame, detections: pd.DataFrame, classes: Sequence[str], iou_threshold: float = 0.5
) -> dict[str, float]:
    """PASCAL VOC average precision of each class, as the Object Detection API computes it.

    Args:
        ground_truth: a ground truth table.
        detections: a detections table.
        classes: the classes to score, in order.
        iou_threshold: lowest IoU of a match, above 0 to 1; 0.5 gives AP50.

    Returns:
        0 to 1 by class; nan for a class without ground truth, 0 for one without detections.

    Raises:
        UserError: a score or a coordinate of a detection is not a finite number.
        ValueError: a table holds a class that is not among `classes`.
    """
    matched = match_detections(ground_truth, detections, iou_threshold)
    curves = precision_recall_curves(ground_truth, matched, classes)
    return {name: curve.average_precision for name, curve in curves.items()}


def nan_mean(values: Sequence[float] | np.ndarray) -> float:
    """The mean of the values that are not nan; nan where all are. The mean of the classes' AP50 is mAP50.

    As `numpy.nanmean`, which warns where all values are nan: here that is a split without boxes, which is allowed.
    """
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def above_threshold(detections: pd.DataFrame, thresholds: dict[str, float]) -> pd.DataFrame:
    """The detections whose score is at least the threshold of their class."""
    return detections[detections["score"] >= detections["class"].map(thresholds).astype(float)]


def is_detected(ground_truth: pd.DataFrame, matched: pd.DataFrame) -> pd.Series:
    """Whether a detection matches each ground truth box, by the index of `ground_truth`.

    Args:
        ground_truth: a ground truth table; difficult boxes count as detected.
        matched: rows that `match_detections` returned, such as those above the thresholds.
    """
    rows = matched.loc[matched["verdict"] == TRUE_POSITIVE, "ground_truth"]
    is_matched = np.isin(np.arange(len(ground_truth)), rows)
    return pd.Series(is_matched | ground_truth["difficult"].to_numpy(bool), index=ground_truth.index)


def metrics_at_thresholds(
    ground_truth: pd.DataFrame, matched: pd.DataFrame, thresholds: dict[str, float]
) -> pd.DataFrame:
    """Precision, recall, F1 and counts of each class at its score threshold.

    Args:
        ground_truth: a ground truth table.
        matched: what `match_detections` returned.
        thresholds: score threshold by class.

    Returns:
        One row a class, in the order of `thresholds`, with the columns `threshold`; `precision`, `recall`, `F1` and
        `mean_IoU` (of the true positives), 0 to 1, nan where undefined; and the counts `true_positives`,
        `false_positives` and `missed`.
    """
    kept = above_threshold(matched, thresholds)
    countable = ground_truth[~ground_truth["difficult"].astype(bool)]
    rows = {}
    for name, threshold in thresholds.items():
        verdicts = kept.loc[kept["class"] == name, "verdict"]
        true, false = int((verdicts == TRUE_POSITIVE).sum()), int((verdicts == FALSE_POSITIVE).sum())
        missed = int((countable["class"] == name).sum()) - true
        rows[name] = {
            "threshold": threshold,
            "precision": _ratio(true, true + false),
            "recall": _ratio(true, true + missed),
            "F1": _ratio(2 * true, 2 * true + false + missed),
            "mean_IoU": nan_mean(kept.loc[verdicts.index[verdicts == TRUE_POSITIVE], "iou"]),
            "true_positives": true,
            "false_positives": false,
            "missed": missed,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("class")


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")

"""How good detections are: PASCAL VOC average precision, precision, recall and the counts behind them.

Conventions, those of the Object Detection API (`object_detection/utils/per_image_evaluation.py` and `metrics.py`)
where it has one:

- Boxes are [xmin, xmax) x [ymin, ymax) in pixels, floats: no +1 in widths and heights, nothing is rounded.
- A detection is compared with the ground truth of its photo and class of the highest IoU, taken or not. If that IoU
  reaches the threshold (>=), the first detection by score that asks for that box is a true positive, later ones are
  false positives. If that box is difficult, the detection is ignored: neither true nor false.
- Every detection counts: no lowest score, no cap per photo. Those without area are left out, as the API does.
- At equal scores false positives come first: no threshold can separate them, and the result can't depend on the order
  of photos or rows. (The API leaves that order to its sort.)
- A class without ground truth that counts has AP nan, and is left out of means. Its false positives are still counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from apparel import boxes
from apparel.boxes import CORNERS
from apparel.errors import UserError

TRUE, FALSE, IGNORED = "true positive", "false positive", "ignored"


def match(ground_truth: pd.DataFrame, detections: pd.DataFrame, iou_threshold: float = 0.5) -> pd.DataFrame:
    """Decides for every detection whether it is right.

    Args:
        ground_truth: a ground truth table; `difficult` boxes neither count nor harm.
        detections: a detections table.
        iou_threshold: lowest IoU of a match, above 0 to 1.

    Returns:
        The detections with an area, with the columns `verdict` (`true positive`, `false positive` or `ignored`), `iou`
        (with the best ground truth of photo and class; 0 without any) and `ground_truth` (that box's position in the
        ground truth table, or -1), sorted by score, highest first; at equal scores false positives come first.

    Raises:
        UserError: a score or a coordinate of a detection is not a finite number.
    """
    detections = _in_order(detections)
    verdict = np.full(len(detections), FALSE, dtype=object)
    best, iou = _best_ground_truth(ground_truth, detections)
    reached = np.flatnonzero(iou >= iou_threshold)
    difficult = ground_truth["difficult"].to_numpy(bool)[best[reached]]
    verdict[reached[difficult]] = IGNORED
    asking = reached[~difficult]
    verdict[asking[~pd.Series(best[asking]).duplicated().to_numpy()]] = TRUE
    matched = detections.assign(verdict=verdict, iou=iou, ground_truth=best)
    # The three verdicts happen to sort as needed: false, ignored, true.
    keys = ["score", "verdict", "filename", "class", *CORNERS]
    return matched.sort_values(keys, ascending=[False] + [True] * 7, ignore_index=True)


def _in_order(detections: pd.DataFrame) -> pd.DataFrame:
    """Detections with an area, by photo and class, best score first, the same whatever the order they came in."""
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
    """For each detection, the position of the ground truth of its photo and class of the highest IoU, and that IoU."""
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
class Curve:
    """Precision and recall at each detection, best score first.

    Attributes:
        score: shape (N,), falling.
        precision: shape (N,), 0 to 1: share of the detections so far that are true.
        recall: shape (N,), 0 to 1, rising: share of the ground truth found so far; nan without ground truth.
        boxes: ground truth boxes that count.
    """

    score: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    boxes: int

    @property
    def envelope(self) -> np.ndarray:
        """Shape (N,): the highest precision at this recall or a higher one, which all-point interpolation uses."""
        return np.maximum.accumulate(self.precision[::-1])[::-1]

    @property
    def average_precision(self) -> float:
        """Area under the envelope over recall; 0 to 1, nan without ground truth.

        Source: Everingham et al., "The PASCAL Visual Object Classes Challenge 2012 Development Kit", 3.4.1.
        """
        if not self.boxes:
            return float("nan")
        return float(np.sum(np.diff(self.recall, prepend=0.0) * self.envelope))

    def on_grid(self, recall: np.ndarray) -> np.ndarray:
        """The envelope at given recalls, 0 to 1: 0 where recall is never reached, nan without ground truth."""
        if not self.boxes:
            return np.full(len(recall), np.nan)
        # Shares such as 3/10 and 0.3 differ in the last bit, which must not move a point by a whole box.
        reached = np.searchsorted(self.recall, recall - 1e-12)
        return np.append(self.envelope, 0.0)[reached]

    def best_threshold(self) -> float | None:
        """The score from which on F1 is highest (the highest such score), or None where nothing true was found."""
        found = self.recall * self.boxes
        f1 = 2 * found / (np.arange(1, len(found) + 1) + self.boxes)
        # Never highest amid equal scores, which no threshold splits: `match` puts the false before the true there.
        return float(self.score[np.argmax(f1)]) if np.any(f1 > 0) else None


def curve(ground_truth: pd.DataFrame, matched: pd.DataFrame) -> Curve:
    """The curve of what `match` returned, all classes as one; give it one class's rows for that class's curve."""
    counted = matched[matched["verdict"] != IGNORED]
    found = np.cumsum((counted["verdict"] == TRUE).to_numpy())
    boxes_that_count = int((~ground_truth["difficult"].to_numpy(bool)).sum())
    recall = found / boxes_that_count if boxes_that_count else np.full(len(found), np.nan)
    precision = found / np.arange(1, len(found) + 1)
    return Curve(counted["score"].to_numpy(float), precision, recall, boxes_that_count)


def curves(ground_truth: pd.DataFrame, matched: pd.DataFrame, classes: Sequence[str]) -> dict[str, Curve]:
    """The curve of each class.

    Raises:
        ValueError: a table holds a class that is not among `classes`; its boxes would silently not count.
    """
    for table in (ground_truth, matched):
        if unknown := set(table["class"]) - set(classes):
            raise ValueError(f"boxes of classes that are not scored: {sorted(unknown)}")
    return {
        name: curve(ground_truth[ground_truth["class"] == name], matched[matched["class"] == name]) for name in classes
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
    matched = match(ground_truth, detections, iou_threshold)
    return {name: each.average_precision for name, each in curves(ground_truth, matched, classes).items()}


def mean(values: Sequence[float] | np.ndarray) -> float:
    """The mean of those that are not nan; nan where all are. Of classes' AP50 it is mAP50."""
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def best_thresholds(ground_truth: pd.DataFrame, matched: pd.DataFrame, classes: Sequence[str]) -> dict[str, float]:
    """The score from which on F1 is highest, for each class.

    A class of which nothing true was found takes the best threshold of all classes together, or 0.5 where nothing true
    was found at all. Rounded down to six decimals, so that what is written is what was applied.
    """
    together = curve(ground_truth, matched).best_threshold()
    fallback = 0.5 if together is None else together
    best = {name: each.best_threshold() for name, each in curves(ground_truth, matched, classes).items()}
    return {name: np.floor((fallback if at is None else at) * 1e6) / 1e6 for name, at in best.items()}


def above(detections: pd.DataFrame, thresholds: dict[str, float]) -> pd.DataFrame:
    """The detections whose score is at least the threshold of their class."""
    return detections[detections["score"] >= detections["class"].map(thresholds).astype(float)]


def at_thresholds(ground_truth: pd.DataFrame, matched: pd.DataFrame, thresholds: dict[str, float]) -> pd.DataFrame:
    """What each class's threshold gives.

    Returns:
        One row a class, in the order of `thresholds`, with the columns `threshold`; `precision`, `recall`, `F1` and
        `mean_IoU` (of the true positives), 0 to 1, nan where undefined; and the counts `true_positives`,
        `false_positives` and `missed`.
    """
    kept = above(matched, thresholds)
    countable = ground_truth[~ground_truth["difficult"].astype(bool)]
    rows = {}
    for name, threshold in thresholds.items():
        verdicts = kept.loc[kept["class"] == name, "verdict"]
        true, false = int((verdicts == TRUE).sum()), int((verdicts == FALSE).sum())
        missed = int((countable["class"] == name).sum()) - true
        rows[name] = {
            "threshold": threshold,
            "precision": _ratio(true, true + false),
            "recall": _ratio(true, true + missed),
            "F1": _ratio(2 * true, 2 * true + false + missed),
            "mean_IoU": mean(kept.loc[verdicts.index[verdicts == TRUE], "iou"]),
            "true_positives": true,
            "false_positives": false,
            "missed": missed,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("class")


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")

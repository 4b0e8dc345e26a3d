"""Error types of a detector as TIDE counts them, and what each costs in AP50: the gain if it alone were repaired.

TIDE: Bolya, Foley, Hays and Hoffman, "TIDE: A General Toolbox for Identifying Object Detection Errors", ECCV 2020,
arXiv 2008.08115. Each false positive has one type, the first that fits, by its IoU with boxes that are not difficult:

- `localisation`: with a box of its class it is 0.1 to 0.5. Repaired, the detection is right.
- `classification`: with a box of another class it is at least 0.5. Repaired, the detection has the class of the box.
- `duplicate`: its box was found by a detection with a higher score. Repaired, the detection is gone.
- `background`: with every box it is at most 0.1. Repaired, the detection is gone.
- `both`: all others: with a box of another class it is 0.1 to 0.5. Repaired, the detection is gone.

A box that no detection finds, and that none of the first two types would find, is `missed`; repaired, there is one box
less to find. A repair finds each box once, by the detection with the highest score; the others of that box are gone.
`false positives` are all types but the last together, repaired by moving them behind all right detections; `false
negatives` are all boxes that were not found, repaired as missed ones.

Why not the package tidecv: its figures would not be parts of ours. It matches as COCO does and reads precision at 101
recalls; here matches and AP50 are those of `metrics`. It has no release since 2020 (its fork tidecv-light has the same
rules) and needs OpenCV and seaborn. Types and costs on random boxes were compared with it, see the tests.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from apparel import boxes
from apparel.boxes import CORNERS
from apparel.classes import ALL
from apparel.evaluation import intervals, metrics
from apparel.evaluation.intervals import AveragePrecision
from apparel.evaluation.metrics import FALSE_POSITIVE, IGNORED, TRUE_POSITIVE

CLASSIFICATION, LOCALISATION, BOTH = "classification", "localisation", "both"
DUPLICATE, BACKGROUND, MISSED = "duplicate", "background", "missed"
FALSE_POSITIVES, FALSE_NEGATIVES = "false positives", "false negatives"

TYPES = (CLASSIFICATION, LOCALISATION, BOTH, DUPLICATE, BACKGROUND, MISSED)
"""The six types, each error has one."""

ERRORS = (*TYPES, FALSE_POSITIVES, FALSE_NEGATIVES)
"""The types, and TIDE's two sums over them; each is repaired alone, so costs do not add up to 1 - mAP50."""

MEANINGS = {
    CLASSIFICATION: "right place, wrong class",
    LOCALISATION: "right class, IoU 0.1 to 0.5",
    BOTH: "wrong class, IoU 0.1 to 0.5",
    DUPLICATE: "a garment that was found already",
    BACKGROUND: "no garment there",
    MISSED: "no detection near the garment",
    FALSE_POSITIVES: "all wrong detections",
    FALSE_NEGATIVES: "all garments that were not found",
}

FOREGROUND_IOU, BACKGROUND_IOU = 0.5, 0.1
"""IoU from which a detection finds a box, and up to which it lies on the background: TIDE's."""

COLUMNS = ["class", "error", "count", "shown", "dAP50", "dAP50_low", "dAP50_high"]


@dataclass(frozen=True)
class Repairs:
    """Average precision of C classes as it is, and with each of ERRORS repaired alone.

    Attributes:
        classes: the classes, in order.
        counts: errors of each class (rows, that of the detection or the missed box) and type (columns, ERRORS).
        shown: the same for detections from the threshold of their class upwards.
        original: of the classes as they are.
        repaired: the same by error.
    """

    classes: list[str]
    counts: pd.DataFrame
    shown: pd.DataFrame
    original: AveragePrecision
    repaired: dict[str, AveragePrecision]

    def table(self) -> pd.DataFrame:
        """A row a class and error, then those of all classes: COLUMNS.

        `count` and `shown` as above. `dAP50` is the gain, 0 to 1, nan for a class without ground truth, with its 95%
        interval (see `intervals`); of all classes the mean over those with ground truth, which is the gain in mAP50.
        """
        rows = []
        for error, repaired in self.repaired.items():
            gains = repaired.values - self.original.values
            limits = np.clip(gain_intervals([(self, error)], [1]), 0, 1)
            totals = [*self.counts[error], self.counts[error].sum()], [*self.shown[error], self.shown[error].sum()]
            names = [*self.classes, ALL]
            rows += zip(names, [error] * len(names), *totals, [*gains, metrics.nan_mean(gains)], *limits.T, strict=True)
        order = {name: position for position, name in enumerate([*self.classes, ALL])}
        table = pd.DataFrame(rows, columns=COLUMNS)
        return table.sort_values("class", key=lambda column: column.map(order), kind="stable", ignore_index=True)


def gain_intervals(gains: Sequence[tuple[Repairs, str]], signs: Sequence[int]) -> np.ndarray:
    """95% intervals of a sum of gains, each of one model by one repair, times their signs; all on the same photos.

    Returns:
        (C + 1, 2): lower and upper limits of each class, then of the mean over the classes; 0 and 0 where no error of
        the kinds exists, nan where undefined.
    """
    parts = [scored for repairs, error in gains for scored in (repairs.original, repairs.repaired[error])]
    limits = intervals.combined_intervals(parts, [part for sign in signs for part in (-sign, sign)])
    unchanged = np.array([_same(before, after) for before, after in zip(parts[::2], parts[1::2], strict=True)])
    none = np.append(unchanged.all(axis=0), unchanged.all())
    limits[none & ~np.isnan(limits).any(axis=1)] = 0.0
    return limits


def _same(first: AveragePrecision, second: AveragePrecision) -> np.ndarray:
    """Whether a repair left a class as it was, (C,)."""
    alike = np.isclose(first.influence, second.influence, rtol=0, atol=1e-12).all(axis=1)
    return np.isnan(first.values) | (alike & (first.values == second.values))


def repair_errors(
    photos: Sequence[str],
    ground_truth: pd.DataFrame,
    matched: pd.DataFrame,
    classes: Sequence[str],
    thresholds: dict[str, float],
) -> Repairs:
    """Finds the errors of a detector and repairs each kind alone.

    Args:
        photos: the names of all photos that were scored.
        ground_truth: a ground truth table.
        matched: what `metrics.match_detections` returned for it, for IoU 0.5.
        classes: the classes to score, in order.
        thresholds: score threshold by class, for `shown` alone.
    """
    truth = ground_truth.reset_index(drop=True)
    typed = classify_errors(truth, matched)
    truth = truth.assign(error=_box_errors(truth, typed))
    names, boxes_left = intervals.photo_names(photos), truth[~truth["difficult"].astype(bool)]
    repaired = {}
    for error in ERRORS:
        detections, left = _repair(typed, boxes_left, error)
        repaired[error] = _scored(names, left, detections, boxes_left, classes)
    original = intervals.average_precision(photos, ground_truth, matched, classes)
    shown = metrics.above_threshold(typed, thresholds)
    missed = boxes_left[boxes_left["error"] != ""]
    return Repairs(list(classes), _counts(typed, missed, classes), _counts(shown, missed, classes), original, repaired)


def classify_errors(ground_truth: pd.DataFrame, matched: pd.DataFrame) -> pd.DataFrame:
    """The type of each false positive.

    Args:
        ground_truth: a ground truth table, its rows numbered from 0.
        matched: what `metrics.match_detections` returned for it, for IoU 0.5.

    Returns:
        The detections that count, in the order of `matched`, with the columns `error`, empty for a true positive, and
        `finds`: the row number in the ground truth of the box that a detection finds once its error is repaired; -1 for
        none.
    """
    counted = matched[matched["verdict"] != IGNORED].reset_index(drop=True)
    is_true = (counted["verdict"] == TRUE_POSITIVE).to_numpy()
    error = np.where(is_true, "", BACKGROUND).astype(object)
    finds = np.where(is_true, counted["ground_truth"], -1)
    found = np.zeros(len(ground_truth), dtype=bool)
    found[finds[is_true]] = True
    own_boxes, own_names = counted[CORNERS].to_numpy(float), counted["class"].to_numpy(object)
    truth_boxes, truth_names = ground_truth[CORNERS].to_numpy(float), ground_truth["class"].to_numpy(object)
    for rows, boxes_there in _false_positives_by_photo(ground_truth, counted):
        overlaps = boxes.iou(own_boxes[rows], truth_boxes[boxes_there])
        error[rows], nearest = _classify_photo(overlaps, own_names[rows][:, None] == truth_names[boxes_there])
        repaired = np.append(boxes_there, -1)[nearest]
        finds[rows] = np.where(np.append(found, False)[repaired], -1, repaired)
    # In the order of `matched` the first detection that would find a box has the highest score.
    claims = pd.Series(finds)
    finds[claims.duplicated().to_numpy() & ~is_true] = -1
    return counted.assign(error=error, finds=finds, claims=claims)


def _false_positives_by_photo(
    ground_truth: pd.DataFrame, counted: pd.DataFrame
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Row numbers of the false positives and of the boxes that are not difficult, for each photo with both."""
    wrong = np.flatnonzero((counted["verdict"] == FALSE_POSITIVE).to_numpy())
    countable = np.flatnonzero(~ground_truth["difficult"].to_numpy(bool))
    truth_rows = ground_truth["filename"].iloc[countable].groupby(ground_truth["filename"].iloc[countable]).indices
    for photo, rows in counted.iloc[wrong].groupby("filename").indices.items():
        if photo in truth_rows:
            yield wrong[rows], countable[truth_rows[photo]]


def _classify_photo(overlaps: np.ndarray, same_class: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The error types of the D false positives of one photo with B boxes.

    Args:
        overlaps: (D, B), IoU.
        same_class: (D, B), whether detection and box are of one class.

    Returns:
        Error type, (D,), and the position of the box that the repaired detection is of, (D,), -1 for none.
    """
    own, other = np.where(same_class, overlaps, 0.0), np.where(same_class, 0.0, overlaps)
    nearest_own, nearest_other = own.argmax(axis=1), other.argmax(axis=1)
    own, other = own.max(axis=1), other.max(axis=1)
    conditions = {
        LOCALISATION: (own >= BACKGROUND_IOU) & (own < FOREGROUND_IOU),
        CLASSIFICATION: other >= FOREGROUND_IOU,
        DUPLICATE: own >= FOREGROUND_IOU,
        BACKGROUND: np.maximum(own, other) <= BACKGROUND_IOU,
    }
    error = np.select(list(conditions.values()), list(conditions), BOTH).astype(object)
    return error, np.select([error == LOCALISATION, error == CLASSIFICATION], [nearest_own, nearest_other], -1)


def _box_errors(truth: pd.DataFrame, typed: pd.DataFrame) -> np.ndarray:
    """Of each box: empty if it was found, MISSED if nothing would find it, else FALSE_NEGATIVES; (boxes,)."""
    rows = np.arange(len(truth))
    found = np.isin(rows, typed.loc[typed["error"] == "", "finds"])
    return np.select([found, np.isin(rows, typed["claims"])], ["", FALSE_NEGATIVES], MISSED)


def _repair(typed: pd.DataFrame, truth: pd.DataFrame, error: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The detections and the boxes to find after one repair; `class` and `is_true` of the detections are adjusted."""
    detections = typed.assign(is_true=typed["error"] == "")
    if error in (MISSED, FALSE_NEGATIVES):
        return detections, truth[(truth["error"] == "") | ((error == MISSED) & (truth["error"] != MISSED))]
    if error == FALSE_POSITIVES:
        return detections[detections["is_true"]], truth
    chosen = (typed["error"] == error) & (typed["finds"] >= 0)
    right = detections.loc[chosen, "finds"]
    detections.loc[chosen, "class"] = truth["class"].reindex(right).to_numpy()
    detections.loc[chosen, "is_true"] = True
    return detections[chosen | (typed["error"] != error)], truth


def _scored(
    names: pd.Index, left: pd.DataFrame, detections: pd.DataFrame, truth: pd.DataFrame, classes: Sequence[str]
) -> AveragePrecision:
    """Average precision after a repair that left these boxes to find.

    Where none is left of a class that has boxes, all were missed: repaired, all are found, so it is 1.
    """
    detections = detections.sort_values(["score", "is_true"], ascending=[False, True], kind="stable")
    by_class = []
    for name in classes:
        of_class = detections[detections["class"] == name]
        remaining, all_boxes = left[left["class"] == name], truth[truth["class"] == name]
        if remaining.empty and len(all_boxes):
            remaining, of_class = all_boxes, all_boxes.assign(is_true=True)
        counts = np.bincount(intervals.photo_indices(names, remaining), minlength=len(names))
        is_true = of_class["is_true"].to_numpy(bool)
        by_class.append(intervals.of_class(intervals.photo_indices(names, of_class), is_true, counts))
    return intervals.stack(by_class)


def _counts(typed: pd.DataFrame, missed: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Errors by class and kind of ERRORS."""
    wrong = typed[typed["error"] != ""]
    counts = {error: wrong[wrong["error"] == error].groupby("class").size() for error in TYPES}
    counts[MISSED] = missed[missed["error"] == MISSED].groupby("class").size()
    counts |= {FALSE_POSITIVES: wrong.groupby("class").size(), FALSE_NEGATIVES: missed.groupby("class").size()}
    return pd.DataFrame(counts, index=pd.Index(classes, name="class"), columns=ERRORS).fillna(0).astype(int)

"""Metrics of one split: the per-class table, curves and confusion pairs, and which photos the report shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from apparel.boxes import CORNERS
from apparel.classes import ALL, BACKGROUND, RECALL
from apparel.errors import UserError
from apparel.evaluation import coco, confusion, intervals, metrics
from apparel.evaluation.metrics import FALSE_POSITIVE, IGNORED, TRUE_POSITIVE, PrecisionRecallCurve

if TYPE_CHECKING:
    from apparel.inference.split_detections import ScoredSplit

FIGURES = [
    "AP50", "AP50_low", "AP50_high", "COCO_AP", "COCO_AP50", "COCO_AP75", "precision", "recall", "F1", "mean_IoU",
]  # fmt: skip
"""Columns with figures, 0 to 1: averages over the classes in the row of all classes."""

COUNTS = ["photos", "boxes", "difficult", "detections", "ignored", "true_positives", "false_positives", "missed"]
"""Columns with counts: sums over the classes in the row of all classes, but for `photos`."""

RECALL_GRID = np.linspace(0, 1, 101)
"""Recalls of the published precision-recall curve: the 101 that COCO uses."""

HEADLINE = ["mAP50", "mAP50_low", "mAP50_high", "COCO_AP", "precision", "recall", "F1"]
"""Figures over all classes that are metrics of a run in MLflow; all others are in its table `eval/per_class.csv`."""

FIRST_METRIC = "mAP50"
"""Metric of a run in MLflow that is `test/mAP50` again: MLflow sorts metrics by name, capitals first, and would show
that one behind the AP50 of every class."""

DECIMALS = 6
"""Decimals of figures in files: finer than one box in a million, coarser than the rounding errors of floats."""


@dataclass(frozen=True)
class SplitMetrics:
    """Metrics of one split, and the tables that they were computed from.

    Attributes:
        split: `val` or `test`.
        photos: a photo table of all photos that the detector ran on.
        ground_truth: a ground truth table.
        matched: what `metrics.match_detections` returned for IoU 0.5.
        thresholds: score threshold by class: detections from it upwards are shown.
        per_class: one row a class and a last one, `ALL`; the columns are `threshold`, FIGURES and COUNTS. AP50_low and
            AP50_high are the 95% interval of `intervals`. Precision, recall, F1, mean IoU, true and false
            positives and missed boxes are those at the thresholds; `detections` and `ignored` count all detections.
            Figures are nan where undefined.
        curves: precision-recall curve by class.
        pairs: what `confusion.pair_boxes` returned for the detections at the thresholds.
    """

    split: str
    photos: pd.DataFrame
    ground_truth: pd.DataFrame
    matched: pd.DataFrame
    thresholds: dict[str, float]
    per_class: pd.DataFrame
    curves: dict[str, PrecisionRecallCurve]
    pairs: pd.DataFrame


def check_photos(split: str, photos: pd.DataFrame, expected: int) -> None:
    """Checks that the detector ran on every photo of a split once.

    Args:
        split: name of the split, for the error.
        photos: a photo table of the photos that the detector ran on.
        expected: number of photos in the split.

    Raises:
        UserError: a photo was scored twice or not at all.
    """
    distinct = photos["filename"].nunique()
    if len(photos) != expected or distinct != expected:
        raise UserError(
            f"{split} has {expected} photos, but {len(photos)} were scored, {distinct} different ones, so the metrics "
            "would be wrong; run `dvc repro --force tfrecord`"
        )


def measure_split(
    scored: "ScoredSplit", split: str, classes: Sequence[str], thresholds: dict[str, float]
) -> SplitMetrics:
    """Computes all metrics of one split.

    Args:
        scored: photos, ground truth and detections of the split.
        split: its name.
        classes: the classes, in order.
        thresholds: score threshold by class, chosen on val.

    Raises:
        UserError: a score or a coordinate of a detection is not a finite number.
    """
    photos, truth = scored.photos, scored.ground_truth
    matched = metrics.match_detections(truth, scored.detections)
    curves = metrics.precision_recall_curves(truth, matched, classes)
    ap50 = pd.Series({name: curve.average_precision for name, curve in curves.items()}, name="AP50")
    with_intervals = intervals.average_precision(photos["filename"], truth, matched, classes)
    in_coco = coco.average_precision(photos, truth, scored.detections, classes).add_prefix("COCO_")
    figures = pd.concat([ap50, in_coco, metrics.metrics_at_thresholds(truth, matched, thresholds)], axis=1)
    figures = figures.assign(AP50_low=with_intervals.low, AP50_high=with_intervals.high)
    per_class = _with_totals(figures.join(_counts(truth, matched, classes)), len(photos))
    per_class.loc[ALL, ["AP50_low", "AP50_high"]] = intervals.mean_interval(with_intervals)
    pairs = confusion.pair_boxes(truth, metrics.above_threshold(matched, thresholds))
    return SplitMetrics(split, photos, truth, matched, thresholds, per_class, curves, pairs)


def _counts(ground_truth: pd.DataFrame, matched: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    difficult = ground_truth["difficult"].astype(bool)
    counts = {
        "photos": ground_truth.groupby("class")["filename"].nunique(),
        "boxes": ground_truth[~difficult].groupby("class").size(),
        "difficult": ground_truth[difficult].groupby("class").size(),
        "detections": matched.groupby("class").size(),
        "ignored": matched[matched["verdict"] == IGNORED].groupby("class").size(),
    }
    return pd.DataFrame(counts, index=pd.Index(classes, name="class")).fillna(0).astype(int)


def _with_totals(per_class: pd.DataFrame, photos: int) -> pd.DataFrame:
    """Adds the row `ALL`: means over the classes that have ground truth, and sums."""
    present = per_class[per_class["boxes"] > 0]
    total = {column: metrics.nan_mean(present[column]) for column in FIGURES} | {"threshold": float("nan")}
    total |= {column: int(per_class[column].sum()) for column in COUNTS} | {"photos": photos}
    table = pd.concat([per_class, pd.DataFrame(total, index=pd.Index([ALL], name="class"))])
    return table[["threshold", *FIGURES, *COUNTS]].rename_axis("class")


def summary_metrics(results: SplitMetrics) -> dict:
    """Content of `metrics.json`: the figures over all classes and the AP50 of each; None where undefined."""
    total = results.per_class.loc[ALL]
    figures = {name: _rounded(total[name]) for name in FIGURES if name not in ("COCO_AP50", "COCO_AP75")}
    return {
        **{f"m{name}" if name.startswith("AP50") else name: value for name, value in figures.items()},
        "photos": int(total["photos"]),
        "boxes": int(total["boxes"]),
        "AP50": {name: _rounded(value) for name, value in results.per_class["AP50"].drop(ALL).items()},
    }


def metrics_by_name(results: SplitMetrics) -> dict[str, float]:
    """Every figure and count by name, `<split>/<name>` or `<split>/<name>/<class>`; undefined ones are
    left out."""
    values = {}
    for name, row in results.per_class.iterrows():
        for column, value in row.items():
            overall = f"m{column}" if column.startswith("AP50") else column
            key = f"{results.split}/{overall}" if name == ALL else f"{results.split}/{column}/{name}"
            values[key] = float(value)
    return {key: value for key, value in values.items() if not np.isnan(value)}


def headline_metrics(results: SplitMetrics) -> dict[str, float]:
    """The metrics of a run in MLflow: HEADLINE and the AP50 of each class, named as by `metrics_by_name`."""
    split = results.split
    headline = {f"{split}/{name}" for name in HEADLINE}
    by_name = metrics_by_name(results)
    return {key: value for key, value in by_name.items() if key in headline or key.startswith(f"{split}/AP50/")}


def pr_curve_table(results: SplitMetrics) -> pd.DataFrame:
    """Interpolated precision at `RECALL_GRID`, a column a class; nan for a class without ground truth."""
    curves = {name: curve.precision_at(RECALL_GRID) for name, curve in results.curves.items()}
    return pd.DataFrame({RECALL: RECALL_GRID, **curves}).round(DECIMALS)


def detection_table(results: SplitMetrics) -> pd.DataFrame:
    """Every detection with its verdict and the ground truth box it was compared with, by photo, best score first."""
    matched = results.matched.copy()
    truth = results.ground_truth[CORNERS].reset_index(drop=True).add_prefix("true_")
    compared = truth.reindex(matched["ground_truth"]).set_axis(matched.index)
    shown = matched.index.isin(metrics.above_threshold(matched, results.thresholds).index)
    # 4 decimals: `match_detections` gives the same verdicts on the table that is read back.
    matched[CORNERS] = matched[CORNERS].round(4)
    # The detector's scores are 32-bit floats: the fewest digits that are read back as the same one.
    matched["score"] = [np.format_float_positional(np.float32(score), trim="-") for score in matched["score"]]
    matched = matched.assign(iou=matched["iou"].round(4), shown=np.where(shown, "yes", "no")).join(compared.round(4))
    order = [*matched.columns.drop(["ground_truth", *compared.columns]), *compared.columns]
    return matched.sort_values("filename", kind="stable", ignore_index=True)[order]


def select_photos(results: SplitMetrics, count: int) -> dict[str, list[str]]:
    """Names of photos for the report: up to `count` each of the most `confused`, the `worst` and the `best`.

    Confused are photos with garments taken for another class. Worst and best are ordered by the photo's F1 at the
    thresholds, then by the number of boxes, more first. A photo with neither boxes nor detections is left out, and no
    photo is in two groups.
    """
    table = photo_scores(results)
    confused = table[table["confused"] > 0].sort_values(["confused", "F1", "filename"], ascending=[False, True, True])
    selected = {"confused": confused["filename"].head(count).tolist()}
    rest = table[~table["filename"].isin(selected["confused"])]
    worst = rest.sort_values(["F1", "all", "filename"], ascending=[True, False, True])["filename"]
    selected["worst"] = worst.head(min(count, len(rest) // 2)).tolist()
    rest = rest[~rest["filename"].isin(selected["worst"])]
    best = rest.sort_values(["F1", "all", "mean_IoU", "filename"], ascending=[False, False, False, True])["filename"]
    return selected | {"best": best.head(count).tolist()}


def evenly_spaced_photos(results: SplitMetrics, count: int) -> list[str]:
    """At most `count` names of photos at equal distances in the sorted list: the same for every run on a split."""
    names = sorted(results.photos["filename"])
    indices = np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int)
    return [names[index] for index in np.unique(indices)]


def photo_scores(results: SplitMetrics) -> pd.DataFrame:
    """One row a photo with boxes or detections: `filename`, `true` (true positives), `all` (boxes and detections),
    `mean_IoU`, `confused` (boxes taken for another class) and `F1`."""
    kept = metrics.above_threshold(results.matched, results.thresholds)
    kept = kept[kept["verdict"] != IGNORED]
    countable = results.ground_truth[~results.ground_truth["difficult"].astype(bool)]
    true = kept[kept["verdict"] == TRUE_POSITIVE]
    taken_for_another = results.pairs[
        (results.pairs["actual"] != results.pairs["predicted"])
        & ~results.pairs[["actual", "predicted"]].eq(BACKGROUND).any(axis=1)
    ]
    counts = pd.DataFrame(
        {
            "true": true.groupby("filename").size(),
            "all": kept.groupby("filename").size().add(countable.groupby("filename").size(), fill_value=0),
            "mean_IoU": true.groupby("filename")["iou"].mean(),
            "confused": taken_for_another.groupby("filename").size(),
        }
    ).fillna(0.0)
    return counts.assign(F1=2 * counts["true"] / counts["all"]).rename_axis("filename").reset_index()


def boxes_with_outcome(results: SplitMetrics) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Boxes of all photos, with `matched`: whether a box is found, or a detection right.

    Returns:
        The ground truth, where difficult boxes count as found; and the detections above the thresholds, where ignored
        ones count as right.
    """
    detections = metrics.above_threshold(results.matched, results.thresholds)
    truth = results.ground_truth.reset_index(drop=True)
    truth = truth.assign(matched=metrics.is_detected(truth, detections))
    return truth, detections.assign(matched=detections["verdict"] != FALSE_POSITIVE)


def photo_boxes(results: SplitMetrics, photo: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The boxes of one photo among those of `boxes_with_outcome`."""
    truth, detections = boxes_with_outcome(results)
    return truth[truth["filename"] == photo], detections[detections["filename"] == photo]


def outcome_text(ground_truth: pd.DataFrame, detections: pd.DataFrame) -> str:
    """Counts of what `photo_boxes` returned, such as `2 right, 1 wrong, 0 missed`."""
    missed, wrong = int((~ground_truth["matched"]).sum()), int((~detections["matched"]).sum())
    return f"{len(detections) - wrong} right, {wrong} wrong, {missed} missed"


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), DECIMALS)

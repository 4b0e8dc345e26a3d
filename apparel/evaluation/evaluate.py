"""A scored split, measured: the per-class table, curves, confusion, and which photos to look at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from apparel.boxes import CORNERS
from apparel.classes import ALL, BACKGROUND, RECALL
from apparel.errors import UserError
from apparel.evaluation import bootstrap, coco, confusion, metrics
from apparel.evaluation.metrics import IGNORED, TRUE, Curve

FIGURES = [
    "AP50", "AP50_low", "AP50_high", "COCO_AP", "COCO_AP50", "COCO_AP75", "precision", "recall", "F1", "mean_IoU",
]  # fmt: skip
COUNTS = ["photos", "boxes", "difficult", "detections", "ignored", "true_positives", "false_positives", "missed"]
RECALLS = np.linspace(0, 1, 101)
DECIMALS = 6


@dataclass(frozen=True)
class Measured:
    """One split's results.

    Attributes:
        split: `val` or `test`.
        photos: a photo table of all photos scored.
        ground_truth: a ground truth table.
        matched: what `metrics.match` returned for IoU 0.5.
        thresholds: the score from which on a detection of a class is shown.
        per_class: one row a class and a last one, `ALL`; the columns are `threshold`, FIGURES and COUNTS. AP50_low and
            AP50_high are the 95% bootstrap interval over photos. Precision, recall, F1, mean IoU, true and false
            positives and missed boxes are those at the thresholds; `detections` and `ignored` count all detections.
            Figures are nan where undefined.
        curves: precision and recall of each class.
        pairs: what `confusion.pairs` returned for the detections at the thresholds.
    """

    split: str
    photos: pd.DataFrame
    ground_truth: pd.DataFrame
    matched: pd.DataFrame
    thresholds: dict[str, float]
    per_class: pd.DataFrame
    curves: dict[str, Curve]
    pairs: pd.DataFrame


def check_photos(split: str, photos: pd.DataFrame, expected: int) -> None:
    """Compares the photos that were scored with those that the split has.

    Raises:
        UserError: a photo was scored twice or not at all.
    """
    scored = photos["filename"].nunique()
    if len(photos) != expected or scored != expected:
        raise UserError(
            f"{split} has {expected} photos, but {len(photos)} were scored, {scored} different ones, so no figure is "
            "right; run `dvc repro --force tfrecord`"
        )


def measure(scored, split: str, classes: Sequence[str], samples: int, thresholds: dict[str, float] | None) -> Measured:
    """All that is measured on one split.

    Args:
        scored: has the tables `photos`, `ground_truth` and `detections`, as `detector.Scored`.
        split: its name.
        classes: the classes, in order.
        samples: resamplings behind each interval.
        thresholds: score thresholds by class, chosen on another split; None chooses those of the best F1 here.

    Raises:
        UserError: a score or a coordinate of a detection is not a finite number.
    """
    photos, truth = scored.photos, scored.ground_truth
    matched = metrics.match(truth, scored.detections)
    if thresholds is None:
        thresholds = metrics.best_thresholds(truth, matched, classes)
    curves = metrics.curves(truth, matched, classes)
    ap50 = pd.Series({name: curve.average_precision for name, curve in curves.items()}, name="AP50")
    resampled = bootstrap.average_precision(photos["filename"], truth, matched, classes, samples)
    intervals = np.array([bootstrap.interval(resampled[:, place]) for place in range(len(classes))])
    in_coco = coco.average_precision(photos, truth, scored.detections, classes).add_prefix("COCO_")
    figures = pd.concat([ap50, in_coco, metrics.at_thresholds(truth, matched, thresholds)], axis=1)
    figures = figures.assign(AP50_low=intervals[:, 0], AP50_high=intervals[:, 1])
    per_class = _with_totals(figures.join(_counts(truth, matched, classes)), len(photos))
    per_class.loc[ALL, ["AP50_low", "AP50_high"]] = bootstrap.interval(bootstrap.mean(resampled))
    pairs = confusion.pairs(truth, metrics.above(matched, thresholds))
    return Measured(split, photos, truth, matched, thresholds, per_class, curves, pairs)


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
    total = {column: metrics.mean(present[column]) for column in FIGURES} | {"threshold": float("nan")}
    total |= {column: int(per_class[column].sum()) for column in COUNTS} | {"photos": photos}
    table = pd.concat([per_class, pd.DataFrame(total, index=pd.Index([ALL], name="class"))])
    return table[["threshold", *FIGURES, *COUNTS]].rename_axis("class")


def headline(measured: Measured) -> dict:
    """The few numbers that are compared from run to run, for `metrics.json`: finite, or None."""
    total = measured.per_class.loc[ALL]
    figures = {name: _plain(total[name]) for name in FIGURES if name not in ("COCO_AP50", "COCO_AP75")}
    return {
        **{f"m{name}" if name.startswith("AP50") else name: value for name, value in figures.items()},
        "photos": int(total["photos"]),
        "boxes": int(total["boxes"]),
        "AP50": {name: _plain(value) for name, value in measured.per_class["AP50"].drop(ALL).items()},
    }


def by_name(measured: Measured) -> dict[str, float]:
    """Every figure and count under its name, `<split>/<name>` or `<split>/<name>/<class>`; without undefined ones."""
    values = {}
    for name, row in measured.per_class.iterrows():
        for column, value in row.items():
            overall = f"m{column}" if column.startswith("AP50") else column
            key = f"{measured.split}/{overall}" if name == ALL else f"{measured.split}/{column}/{name}"
            values[key] = float(value)
    return {key: value for key, value in values.items() if not np.isnan(value)}


def curve_table(measured: Measured) -> pd.DataFrame:
    """Precision at 101 recalls, a column a class; nan for a class without ground truth."""
    curves = {name: curve.on_grid(RECALLS) for name, curve in measured.curves.items()}
    return pd.DataFrame({RECALL: RECALLS, **curves}).round(DECIMALS)


def detection_table(measured: Measured) -> pd.DataFrame:
    """Every detection with its verdict and the ground truth that it was compared with, by photo, best score first."""
    matched = measured.matched.copy()
    truth = measured.ground_truth[CORNERS].reset_index(drop=True).add_prefix("true_")
    compared = truth.reindex(matched["ground_truth"]).set_axis(matched.index)
    shown = matched.index.isin(metrics.above(matched, measured.thresholds).index)
    # Fine enough that matching again from the table gives the same verdicts.
    matched[CORNERS] = matched[CORNERS].round(4)
    # As short as a 32-bit float can be read back, which is what the detector gives.
    matched["score"] = [np.format_float_positional(np.float32(score), trim="-") for score in matched["score"]]
    matched = matched.assign(iou=matched["iou"].round(4), shown=np.where(shown, "yes", "no")).join(compared.round(4))
    order = [*matched.columns.drop(["ground_truth", *compared.columns]), *compared.columns]
    return matched.sort_values("filename", kind="stable", ignore_index=True)[order]


def pick(measured: Measured, count: int) -> dict[str, list[str]]:
    """Photos to look at: up to `count` each of the most confused, the worst and the best; none is picked twice.

    Confused are photos with garments taken for another class. Worst and best go by the photo's F1 at the thresholds;
    at the same F1 those with more boxes come first. A photo with neither boxes nor detections shows nothing and is left
    out.
    """
    table = _by_photo(measured)
    confused = table[table["confused"] > 0].sort_values(["confused", "F1", "filename"], ascending=[False, True, True])
    picked = {"confused": confused["filename"].head(count).tolist()}
    rest = table[~table["filename"].isin(picked["confused"])]
    worst = rest.sort_values(["F1", "all", "filename"], ascending=[True, False, True])["filename"]
    picked["worst"] = worst.head(min(count, len(rest) // 2)).tolist()
    rest = rest[~rest["filename"].isin(picked["worst"])]
    best = rest.sort_values(["F1", "all", "mean_IoU", "filename"], ascending=[False, False, False, True])["filename"]
    return picked | {"best": best.head(count).tolist()}


def evenly(measured: Measured, count: int) -> list[str]:
    """At most so many photos, as far apart in their sorted names as can be: the same for every run on a split."""
    names = sorted(measured.photos["filename"])
    places = np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int)
    return [names[place] for place in np.unique(places)]


def _by_photo(measured: Measured) -> pd.DataFrame:
    kept = metrics.above(measured.matched, measured.thresholds)
    kept = kept[kept["verdict"] != IGNORED]
    countable = measured.ground_truth[~measured.ground_truth["difficult"].astype(bool)]
    true = kept[kept["verdict"] == TRUE]
    swapped = measured.pairs[
        (measured.pairs["actual"] != measured.pairs["predicted"])
        & ~measured.pairs[["actual", "predicted"]].eq(BACKGROUND).any(axis=1)
    ]
    counts = pd.DataFrame(
        {
            "true": true.groupby("filename").size(),
            "all": kept.groupby("filename").size().add(countable.groupby("filename").size(), fill_value=0),
            "mean_IoU": true.groupby("filename")["iou"].mean(),
            "confused": swapped.groupby("filename").size(),
        }
    ).fillna(0.0)
    return counts.assign(F1=2 * counts["true"] / counts["all"]).rename_axis("filename").reset_index()


def shown(measured: Measured, photo: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ground truth and detections above the thresholds of one photo, with `matched`: whether the other side has it."""
    kept = metrics.above(measured.matched, measured.thresholds)
    kept = kept[kept["filename"] == photo]
    truth = measured.ground_truth.reset_index(drop=True)
    truth = truth[truth["filename"] == photo]
    found = truth.index.isin(kept.loc[kept["verdict"] == TRUE, "ground_truth"]) | truth["difficult"].astype(bool)
    return truth.assign(matched=found), kept.assign(matched=kept["verdict"] != metrics.FALSE)


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), DECIMALS)

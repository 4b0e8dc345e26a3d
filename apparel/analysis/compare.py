"""Results side by side on the same photos: which class got better, whether that is more than chance, and where.

For every class and the mean, the difference of average precision to the first side, with the 95% interval of a paired
bootstrap: the photos are drawn again with replacement, the same drawing for all sides, see
`apparel.evaluation.bootstrap`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from apparel.analysis.result_sets import Side
from apparel.boxes import CORNERS
from apparel.classes import ALL
from apparel.errors import UserError
from apparel.evaluation import bootstrap, metrics
from apparel.evaluation.metrics import FALSE_POSITIVE, TRUE_POSITIVE

SAMPLES = 2000
"""Drawings behind each interval."""

BETTER, WORSE, UNCLEAR, SAME = "better", "worse", "unclear", "the same"


@dataclass(frozen=True)
class Comparison:
    """Two or more sides on the photos that they share; the first is what the others are compared with.

    Attributes:
        sides: as asked for.
        names: what to call each.
        classes: those that all sides tell apart, in order.
        photos: a photo table: the photos that all sides were measured on.
        ground_truth: what all sides are scored against: that of the last side.
        matched: for each side what `metrics.match_detections` returned.
        table: one row a class and side, and a last one of `ALL` a side: `class`, `side` (its place), `boxes`, `AP50`,
            `difference` to the first side, `low` and `high` (the 95% interval of the difference) and `verdict`; nan and
            empty where undefined.
        changes: what differs beside the results: `kind` (parameter, data or code), `name`, and a text for each side.
        notes: what a reader has to know about the comparison.
    """

    sides: list[Side]
    names: list[str]
    classes: list[str]
    photos: pd.DataFrame
    ground_truth: pd.DataFrame
    matched: list[pd.DataFrame]
    table: pd.DataFrame
    changes: list[tuple[str, str, list[str]]]
    notes: list[str]


def compare(sides: Sequence[Side], samples: int = SAMPLES) -> Comparison:
    """Compares the sides with the first.

    Raises:
        UserError: they share no photo, or no class.
    """
    classes = [name for name in sides[-1].thresholds if all(name in side.thresholds for side in sides)]
    if not classes:
        raise UserError("no class is told apart by all of them: there is nothing to compare")
    photos = _shared(sides)
    truth = _within(sides[-1].ground_truth, photos, classes)
    matched = [metrics.match_detections(truth, _within(side.detections, photos, classes)) for side in sides]
    names = [side.name if [s.name for s in sides].count(side.name) == 1 else f"{side.name} ({place})"
             for place, side in enumerate(sides, start=1)]  # fmt: skip
    return Comparison(
        sides=list(sides),
        names=names,
        classes=classes,
        photos=photos,
        ground_truth=truth,
        matched=matched,
        table=_table(photos, truth, matched, classes, samples),
        changes=_changes(sides),
        notes=list(_notes(sides, names, classes, photos, truth)),
    )


def _shared(sides: Sequence[Side]) -> pd.DataFrame:
    """The photos, by name and content, that all sides were measured on.

    Raises:
        UserError: there is none.
    """
    shared = sides[-1].photos
    for side in sides[:-1]:
        shared = shared.merge(side.photos[["filename", "sha256"]], on=["filename", "sha256"])
    if not len(shared):
        sizes = ", ".join(f"{side.name} on {len(side.photos)}" for side in sides)
        raise UserError(f"they were measured on different photos ({sizes}; none is the same): nothing can be compared")
    return shared.sort_values("filename", ignore_index=True)


def _within(table: pd.DataFrame, photos: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    kept = table["filename"].isin(photos["filename"]) & table["class"].isin(classes)
    return table[kept].reset_index(drop=True)


def _table(
    photos: pd.DataFrame, truth: pd.DataFrame, matched: list[pd.DataFrame], classes: Sequence[str], samples: int
) -> pd.DataFrame:
    boxes = truth[~truth["difficult"]].groupby("class").size().reindex(classes, fill_value=0)
    counts = [*boxes, boxes.sum()]
    rows, first = [], None
    for side, found in enumerate(matched):
        by_class = [
            curve.average_precision for curve in metrics.precision_recall_curves(truth, found, classes).values()
        ]
        ap50 = np.array([*by_class, metrics.nan_mean(by_class)])
        drawn = bootstrap.average_precision(photos["filename"], truth, found, classes, samples)
        drawn = np.column_stack([drawn, bootstrap.mean_over_classes(drawn)])
        first = (ap50, drawn) if first is None else first
        for place, name in enumerate([*classes, ALL]):
            low, high = bootstrap.interval(drawn[:, place] - first[1][:, place])
            difference = ap50[place] - first[0][place]
            rows.append((name, side, counts[place], ap50[place], difference, low, high, verdict(difference, low, high)))
    columns = ["class", "side", "boxes", "AP50", "difference", "low", "high", "verdict"]
    return pd.DataFrame(rows, columns=columns).sort_values("side", kind="stable", ignore_index=True)


def verdict(difference: float, low: float, high: float) -> str:
    """What a difference and its interval say; empty where there is none."""
    if np.isnan(difference) or np.isnan(low):
        return ""
    if low == high == difference == 0:
        return SAME
    return BETTER if low > 0 else WORSE if high < 0 else UNCLEAR


def _changes(sides: Sequence[Side]) -> list[tuple[str, str, list[str]]]:
    changes = []
    for kind in ("params", "data", "code"):
        values = [getattr(side, kind) for side in sides]
        for name in dict.fromkeys(name for each in values for name in each):
            texts = [each.get(name, "–") for each in values]
            # A run knows only its commit, the others each file: what one does not say can't differ.
            if len(set(texts)) > 1 and not (kind == "code" and "–" in texts):
                changes.append(({"params": "parameter"}.get(kind, kind), name, texts))
    return changes


def _notes(
    sides: Sequence[Side], names: Sequence[str], classes: Sequence[str], photos: pd.DataFrame, truth: pd.DataFrame
) -> Iterator[str]:
    sizes = {name: len(side.photos) for name, side in zip(names, sides, strict=True)}
    more = [f"{name} on {size}" for name, size in sizes.items() if size > len(photos)]
    if more:
        yield f"Compared on the {len(photos)} test photos that all were measured on ({', '.join(more)})."
    fewer = [name for name, side in zip(names, sides, strict=True) if len(side.thresholds) > len(classes)]
    if fewer:
        yield f"Compared on the classes that all tell apart: {', '.join(classes)}; {', '.join(fewer)} has more."
    others = [_within(side.ground_truth, photos, classes) for side in sides[:-1]]
    columns = ["filename", "class", *CORNERS, "difficult"]
    changed = set()
    for other in others:
        both = pd.concat([other[columns], truth[columns]])
        changed |= set(both.loc[~both.duplicated(keep=False), "filename"])
    if changed:
        yield f"The boxes drawn by hand differ on {len(changed)} photos: all are scored against those of {names[-1]}."


def outcomes(compared: Comparison, side: int, photo: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One photo on one side: ground truth and shown detections, with `matched`: whether the other has it."""
    truth = compared.ground_truth[compared.ground_truth["filename"] == photo]
    shown = metrics.above_threshold(compared.matched[side], compared.sides[side].thresholds)
    shown = shown[shown["filename"] == photo]
    found = truth.index.isin(shown.loc[shown["verdict"] == TRUE_POSITIVE, "ground_truth"]) | truth["difficult"]
    return truth.assign(matched=found), shown.assign(matched=shown["verdict"] != FALSE_POSITIVE)


def changed_photos(compared: Comparison) -> pd.DataFrame:
    """The photos whose result at the thresholds is another one on some side, the most changed first.

    Returns:
        `filename`; `change`: how many boxes only one of a side and the first found, and by how many its wrong
        detections differ, at the side with the most; `errors`: by how many that side's missed boxes and wrong
        detections exceed those of the first, below 0 where it is better.
    """
    truth, rows = compared.ground_truth, {}
    for side, (matched, each) in enumerate(zip(compared.matched, compared.sides, strict=True)):
        shown = metrics.above_threshold(matched, each.thresholds)
        found = truth.index.isin(shown.loc[shown["verdict"] == TRUE_POSITIVE, "ground_truth"]) | truth["difficult"]
        wrong = shown[shown["verdict"] == FALSE_POSITIVE].groupby("filename").size()
        rows[side] = found, wrong.reindex(compared.photos["filename"], fill_value=0)
    best = pd.DataFrame({"change": 0, "errors": 0}, index=pd.Index(compared.photos["filename"]))
    for found, wrong in list(rows.values())[1:]:
        other, more = (found != rows[0][0]), wrong - rows[0][1]
        missed = (rows[0][0].astype(int) - found.astype(int)).groupby(truth["filename"]).sum()
        change = other.groupby(truth["filename"]).sum().reindex(best.index, fill_value=0) + more.abs()
        errors = missed.reindex(best.index, fill_value=0) + more
        best = best.where(best["change"] >= change, pd.DataFrame({"change": change, "errors": errors}))
    best = best[best["change"] > 0].astype(int).reset_index()
    return best.sort_values(["change", "filename"], ascending=[False, True], ignore_index=True)

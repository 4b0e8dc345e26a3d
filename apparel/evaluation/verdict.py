"""Verdict on a result in one sentence: the weakest class, and what its errors are."""

import pandas as pd

from apparel.classes import ALL, BACKGROUND
from apparel.errors import plain

NO_BOXES = "The test photos have no boxes, so there is nothing to measure."


def weakest_class(per_class: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """The class with the lowest AP50, its wrong detections and its missed boxes, as one sentence.

    Args:
        per_class: a row a class, by class; the columns of `report.PER_CLASS_COLUMNS`. The row `ALL` is left out.
        pairs: `actual` and `predicted` of each pair, as `confusion.pair_boxes` returns them.

    Returns:
        Such as `Weakest: Skirts, AP50 0.07: 108 of 116 detections are wrong, mostly on background; 30 of 38 boxes are
        missed, mostly taken for Dresses.`
    """
    measured = per_class.drop(index=ALL, errors="ignore")
    measured = measured[measured["boxes"] > 0]
    if measured.empty:
        return NO_BOXES
    name = measured["AP50"].idxmin()
    row = measured.loc[name]
    right, wrong, missed = (int(row[column]) for column in ("true_positives", "false_positives", "missed"))
    taken_from = pairs.loc[(pairs["predicted"] == name) & (pairs["actual"] != name), "actual"]
    taken_for = pairs.loc[(pairs["actual"] == name) & (pairs["predicted"] != name), "predicted"]
    detections = _count(wrong, right + wrong, "detection", "wrong") + _most(taken_from, "on {}", "on background")
    boxes = _count(missed, int(row["boxes"]), "box", "missed") + _most(taken_for, "taken for {}", "without a detection")
    subject = "Weakest: " if len(measured) > 1 else ""
    return f"{subject}{plain(name)}, AP50 {row['AP50']:.2f}: {detections}; {boxes}."


def _count(part: int, whole: int, noun: str, what: str) -> str:
    plural = {"detection": "detections", "box": "boxes"}[noun]
    if not whole:
        return f"no {noun} is above the threshold" if noun == "detection" else f"no {noun}"
    if not part:
        return f"none of {whole} {plural} is {what}" if whole > 1 else f"its only {noun} is not {what}"
    return f"{part} of {whole} {plural} {'are' if part > 1 else 'is'} {what}"


def _most(counterparts: pd.Series, of_class: str, of_background: str) -> str:
    """What most of the errors are, such as `, mostly on background`; nothing where there are none."""
    if counterparts.empty:
        return ""
    counts = counterparts.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    share = "mostly" if counts.iloc[0] > len(counterparts) / 2 else "most often"
    if len(counts) == 1:
        share = "all" if len(counterparts) > 1 else ""
    name = counts.index[0]
    return f", {share} ".rstrip() + " " + (of_background if name == BACKGROUND else of_class.format(plain(name)))

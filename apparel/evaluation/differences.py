"""Paired differences of average precision between two models on the same photos, with their 95% intervals."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from apparel.boxes import CORNERS
from apparel.classes import ALL
from apparel.evaluation import intervals, metrics


def paired_differences(
    photos: Sequence[str],
    ground_truth: pd.DataFrame,
    first: pd.DataFrame,
    second: pd.DataFrame,
    classes: Sequence[str],
) -> pd.DataFrame:
    """By how much the second model's AP50 is higher than the first's.

    Args:
        photos: the names of all photos that both were scored on.
        ground_truth: a ground truth table.
        first: what `metrics.match_detections` returned for the first model.
        second: the same for the second.
        classes: the classes to score, in order.

    Returns:
        A row a class and a last one, `ALL`, the mean over the classes with ground truth: `first` and `second` (AP50),
        `difference`, and `low` and `high`, its 95% interval of `intervals.difference_intervals`, which is 0 to 0 where
        both detect exactly the same; nan where undefined.
    """
    scored = [intervals.average_precision(photos, ground_truth, matched, classes) for matched in (first, second)]
    limits = intervals.difference_intervals(*scored)
    limits[same_detections(first, second, classes)] = 0.0
    values = {
        name: [*each.values, metrics.nan_mean(each.values)]
        for name, each in zip(("first", "second"), scored, strict=True)
    }
    table = pd.DataFrame(values, index=pd.Index([*classes, ALL], name="class"))
    return table.assign(difference=table["second"] - table["first"], low=limits[:, 0], high=limits[:, 1])


def same_detections(first: pd.DataFrame, second: pd.DataFrame, classes: Sequence[str]) -> list[bool]:
    """Whether two models detect exactly the same, so that no photo can tell them apart: by class, then in all."""
    columns = ["filename", "score", *CORNERS]
    same = [
        np.array_equal(*(each.loc[each["class"] == name, columns].to_numpy() for each in (first, second)))
        for name in classes
    ]
    return [*same, all(same)]

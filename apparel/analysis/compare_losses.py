"""Comparison of where result sets lose: the cost of each type of error, and AP50 by size and number of garments."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from apparel.classes import ALL
from apparel.evaluation import error_types, strata
from apparel.evaluation.differences import paired_differences, same_detections
from apparel.evaluation.metrics import nan_mean

ERROR = "error"
"""Kind of the rows on types of errors; the others have a kind of `strata`."""

COLUMNS = ["kind", "name", "result", "value", "difference", "low", "high"]


def loss_table(
    photos: pd.DataFrame, ground_truth: pd.DataFrame, matches: Sequence[pd.DataFrame], classes: Sequence[str]
) -> pd.DataFrame:
    """What each type of error costs, and mAP50 of each range, by result set; all on the same photos.

    Args:
        photos: photo table of the shared photos.
        ground_truth: ground truth of these photos.
        matches: for each result set what `metrics.match_detections` returned.
        classes: the classes to score, in order.

    Returns:
        COLUMNS: kind (`error`, or that of a stratum) and its name; position of the result set; `value`, the gain in
        mAP50 if the type were repaired, or the mAP50 of the range; its `difference` to the first result set with the
        95% interval `low` to `high`. Nan where undefined; ranges without boxes are left out.
    """
    rows = [*_errors(photos, ground_truth, matches, classes), *_strata(photos, ground_truth, matches, classes)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _errors(
    photos: pd.DataFrame, ground_truth: pd.DataFrame, matches: Sequence[pd.DataFrame], classes: Sequence[str]
) -> Iterator[tuple]:
    names, thresholds = photos["filename"], dict.fromkeys(classes, 0.0)
    repairs = [error_types.repair_errors(names, ground_truth, each, classes, thresholds) for each in matches]
    same = [all(same_detections(matches[0], each, classes)) for each in matches]
    for error in error_types.ERRORS:
        gains = [nan_mean(each.repaired[error].values - each.original.values) for each in repairs]
        for position, (gain, second) in enumerate(zip(gains, repairs, strict=True)):
            pair = [(second, error), (repairs[0], error)]
            limits = (0.0, 0.0) if same[position] else error_types.gain_intervals(pair, [1, -1])[-1]
            yield (ERROR, error, position, gain, gain - gains[0], *limits)


def _strata(
    photos: pd.DataFrame, ground_truth: pd.DataFrame, matches: Sequence[pd.DataFrame], classes: Sequence[str]
) -> Iterator[tuple]:
    for by_result in zip(*(strata.strata(photos, ground_truth, each) for each in matches), strict=True):
        first = by_result[0]
        if not np.any(~first.ground_truth["difficult"].to_numpy(bool)):
            continue
        for position, stratum in enumerate(by_result):
            tables = (first.ground_truth, first.matched, stratum.matched)
            total = paired_differences(first.photos, *tables, classes).loc[ALL]
            figures = total[["second", "difference", "low", "high"]]
            yield (first.kind, first.name, position, *figures)

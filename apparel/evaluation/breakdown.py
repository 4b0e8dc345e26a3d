"""Breakdown of the mAP50 of a split: the cost of each type of error, and AP50 by size and by number of garments."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from apparel.classes import ALL
from apparel.evaluation import error_types, strata
from apparel.evaluation.error_types import TYPES
from apparel.evaluation.evaluate import DECIMALS, SplitMetrics

ERROR_COLUMNS = ["split", *error_types.COLUMNS]
STRATA_COLUMNS = ["split", "kind", "range", *strata.COLUMNS]


@dataclass(frozen=True)
class Breakdown:
    """Where a detector loses on one split.

    Attributes:
        split: `val` or `test`.
        errors: what `error_types.Repairs.table` returned.
        strata: what `strata.table` returned.
    """

    split: str
    errors: pd.DataFrame
    strata: pd.DataFrame

    @property
    def totals(self) -> pd.DataFrame:
        """The rows of `errors` of all classes, by error."""
        return self.errors[self.errors["class"] == ALL].set_index("error")

    @property
    def by_class(self) -> pd.DataFrame:
        """`dAP50` of `errors`: a row a class, a column an error."""
        gains = self.errors[self.errors["class"] != ALL]
        columns = self.totals.index
        return gains.pivot(index="class", columns="error", values="dAP50").reindex(gains["class"].unique())[columns]


def break_down(results: SplitMetrics) -> Breakdown:
    """The breakdown of what was measured on a split."""
    photos, truth, matched, thresholds = results.photos, results.ground_truth, results.matched, results.thresholds
    repairs = error_types.repair_errors(photos["filename"], truth, matched, list(thresholds), thresholds)
    return Breakdown(results.split, repairs.table(), strata.table(photos, truth, matched, thresholds))


def summary(breakdown: Breakdown) -> dict[str, dict[str, float | None]]:
    """What `metrics.json` has of it: `dAP50` by error and `AP50_by_size`, `_by_share`, `_by_garments` by range."""
    gains = breakdown.totals["dAP50"]
    parts = {"dAP50": {error.replace(" ", "_"): _rounded(gain) for error, gain in gains.items()}}
    for kind, rows in breakdown.strata.groupby("kind", sort=False):
        parts[f"AP50_by_{kind}"] = {name.split(",")[0]: _rounded(value) for name, value in rows["AP50"].items()}
    return parts


def error_table(breakdowns: Sequence[Breakdown]) -> pd.DataFrame:
    """The errors of all splits: ERROR_COLUMNS."""
    tables = [each.errors.assign(split=each.split) for each in breakdowns]
    return pd.concat(tables)[ERROR_COLUMNS].round(DECIMALS)


def strata_table(breakdowns: Sequence[Breakdown]) -> pd.DataFrame:
    """The ranges of all splits: STRATA_COLUMNS."""
    tables = [each.strata.reset_index().assign(split=each.split) for each in breakdowns]
    return pd.concat(tables)[STRATA_COLUMNS].round(DECIMALS)


def costs_text(breakdown: Breakdown) -> str:
    """The cost of each type in one line, the dearest first."""
    gains = breakdown.totals["dAP50"].reindex(TYPES).dropna().sort_values(ascending=False, kind="stable")
    costs = ", ".join(f"{error} {gain:.3f}" for error, gain in gains.items())
    return f"mAP50 gained if one type of error were repaired: {costs}" if costs else ""


def _rounded(value: float) -> float | None:
    return None if value != value else round(float(value), DECIMALS)

"""Score thresholds of a trained detector, one a class, which travel with the model: `thresholds.json` in its folder."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from apparel.errors import UserError
from apparel.utils import files, limits

FILE = "thresholds.json"

MAX_BYTES = 10 * 2**20
"""Bytes of the file: 1,000 classes need less than 2 MB."""

PRECISIONS = tuple(percent / 100 for percent in range(50, 100))
"""Precisions that thresholds are kept for: 0.50 to 0.99."""


@dataclass(frozen=True)
class Thresholds:
    """Scores from which on a detection is shown; all were chosen on val.

    Attributes:
        by_class: score, 0 to 1, by class.
        min_precision: the precision that `by_class` was chosen for; None: each class's best F1.
        by_precision: by class and precision, with two decimals, such as "0.90": the lowest score from which on the
            class's precision on val is at least that; precisions that a class does not reach are left out.
    """

    by_class: dict[str, float]
    min_precision: float | None
    by_precision: dict[str, dict[str, float]]

    def at_precision(self, precision: float) -> "Thresholds":
        """The thresholds for a precision, rounded up to hundredths.

        A class that does not reach it gets the threshold of the highest precision that it reaches; one that reaches
        none of `PRECISIONS` keeps its own.

        Raises:
            UserError: the precision is not one of `PRECISIONS`.
        """
        percent = math.ceil(round(precision * 100, 6)) if math.isfinite(precision) else 0
        if percent / 100 not in PRECISIONS:
            raise UserError(f"a precision has to be from {PRECISIONS[0]} to {PRECISIONS[-1]}, found {precision}")
        by_class = dict(self.by_class)
        for name, scores in self.by_precision.items():
            reached = [key for key in scores if float(key) <= percent / 100]
            if reached:
                by_class[name] = scores[max(reached, key=float)]
        return replace(self, by_class=by_class, min_precision=percent / 100)

    def unreached(self, precision: float) -> list[str]:
        """The classes whose precision on val is below this one at every threshold."""
        key = f"{math.ceil(round(precision * 100, 6)) / 100:.2f}"
        return [name for name in self.by_class if key not in self.by_precision.get(name, {})]

    def overridden(self, scores: float | Mapping[str, float]) -> "Thresholds":
        """These thresholds with one score, 0 to 1, for every class, or with other scores for some classes.

        Raises:
            UserError: a score is not from 0 to 1, or there is no such class.
        """
        changed = scores if isinstance(scores, Mapping) else dict.fromkeys(self.by_class, scores)
        return replace(self, by_class=_scores(self.by_class | dict(changed), list(self.by_class), "a threshold"))

    def plain(self) -> dict[str, Any]:
        """The thresholds as values of JSON."""
        return {"by_class": self.by_class, "min_precision": self.min_precision, "by_precision": self.by_precision}

    @classmethod
    def from_plain(cls, values: Any, classes: list[str] | tuple[str, ...], source: str) -> "Thresholds":
        """Checks what `plain` gave, for these classes.

        Args:
            values: as read from JSON; nothing about it is trusted.
            classes: of the detector.
            source: where the values are from, for errors.

        Raises:
            UserError: the values are not thresholds of these classes.
        """
        try:
            by_class = _scores(dict(values["by_class"]), list(classes), source)
            precision = values["min_precision"]
            by_precision = {name: dict(scores) for name, scores in dict(values["by_precision"]).items()}
            known = {f"{each:.2f}" for each in PRECISIONS}
            for name, scores in by_precision.items():
                if name not in classes or not known.issuperset(scores):
                    raise UserError(f"{source}: '{name}' with its precisions is not what training writes")
                _scores(scores, list(scores), source)
        except (TypeError, KeyError, ValueError, AttributeError):
            raise UserError(f"{source} holds no thresholds of a detector; it is damaged") from None
        if precision is not None and precision not in PRECISIONS:
            raise UserError(f"{source}: min_precision is {precision!r}")
        return cls({name: by_class[name] for name in classes}, precision, by_precision)

    def write(self, folder: Path) -> None:
        """Writes them into a model's folder."""
        files.write_json(folder / FILE, self.plain())


def read_thresholds(folder: Path, classes: list[str] | tuple[str, ...]) -> Thresholds:
    """The thresholds in a model's folder.

    Raises:
        UserError: the file is missing or damaged, or of other classes.
    """
    path = folder / FILE
    try:
        values = json.loads(limits.read_bytes(path, MAX_BYTES))
    except FileNotFoundError:
        raise UserError(
            f"{path} not found: the model was trained before thresholds came with it; run `dvc repro train`"
        ) from None
    except (ValueError, RecursionError):
        raise UserError(f"{path} is damaged; run `dvc repro --force train`") from None
    return Thresholds.from_plain(values, classes, str(path))


def default_thresholds(classes: list[str] | tuple[str, ...]) -> Thresholds:
    """0.5 for every class, for a model that came without thresholds."""
    return Thresholds(dict.fromkeys(classes, 0.5), None, {})


def _scores(values: Mapping[str, Any], names: list[str], source: str) -> dict[str, float]:
    """The values as scores by name.

    Raises:
        UserError: a name is missing or unknown, or a value is no number from 0 to 1.
    """
    if set(values) != set(names):
        differing = ", ".join(sorted(map(str, set(values) ^ set(names))))
        raise UserError(f"{source}: the detector's classes are {', '.join(names)}; not in both: {differing}")
    for name, score in values.items():
        if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
            raise UserError(f"{source}: the threshold of {name} should be a number from 0 to 1, found {score!r}")
    return {name: float(values[name]) for name in names}

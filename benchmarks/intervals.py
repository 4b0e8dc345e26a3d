"""Coverage of the 95% intervals: how often they contain the average precision of a simulated population of photos."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from apparel.evaluation import intervals
from benchmarks.simulated_photos import SETTINGS, Photos, Setting, population

PHOTOS, QUICK_PHOTOS = (20, 26, 50, 100, 183, 500), (20, 100)
"""Photos of the test sets, and with `--quick`."""

SETS, QUICK_SETS = 300, 100
"""Test sets of each setting and size: a share of 0.95 of 300 has a standard error of 0.013."""

RESAMPLINGS, EVERY = 200, 3
"""Of the percentile bootstrap, which the intervals are compared with on every third test set: it takes most time."""

LEGEND = """\
Each figure is the share of test sets whose 95% interval contains the truth, the average precision on all photos of the
setting; in brackets the shares whose interval lies above and below it.
classes      all classes together, and the class with the lowest share
mAP50        the mean over the classes that are in the test set
difference   of two detectors: all classes together, and mAP50
alarms       how often the interval of the difference excludes 0 though both detectors are equal: classes, and mAP50
bootstrap    by percentiles of resampled photos, on a third of the test sets: classes, mAP50, and alarms for mAP50"""
"""Explanation of the table."""


@dataclass
class Coverage:
    """Counts of intervals: how many there are, how many lie above and below the truth, how many exclude 0."""

    count: int = 0
    above: int = 0
    below: int = 0
    without_zero: int = 0

    def add(self, low: float, high: float, truth: float) -> None:
        """Counts an interval, unless it is undefined."""
        if not np.isnan(low):
            self.count += 1
            self.above += low > truth + intervals.NO_VARIANCE
            self.below += high < truth - intervals.NO_VARIANCE
            self.without_zero += low > 0 or high < 0

    def merged(self, other: "Coverage") -> "Coverage":
        """The counts of both."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Coverage(*(one + another for one, another in pairs))

    @property
    def share(self) -> float:
        """Share of the intervals that contain the truth, 0 to 1; nan without any."""
        return 1 - (self.above + self.below) / self.count if self.count else float("nan")

    @property
    def alarms(self) -> float:
        """Share of the intervals that exclude 0, 0 to 1; nan without any."""
        return self.without_zero / self.count if self.count else float("nan")

    def __str__(self) -> str:
        """Such as `0.95 (0.03, 0.02)`."""
        if not self.count:
            return "-"
        return f"{self.share:.2f} ({self.above / self.count:.2f}, {self.below / self.count:.2f})"


@dataclass
class Counts:
    """Coverage of one method on test sets of one size: by class, then of the mean over the classes."""

    figures: list[Coverage]
    differences: list[Coverage]


def measure(quick: bool, seed: int, settings: Sequence[str] = tuple(SETTINGS)) -> str:
    """A table of coverages, a row for each setting and number of photos.

    Args:
        quick: fewer test sets of fewer sizes.
        seed: of the populations and test sets, 0 or more.
        settings: their names in `SETTINGS`.
    """
    sizes, sets = (QUICK_PHOTOS, QUICK_SETS) if quick else (PHOTOS, SETS)
    columns = ("setting", "photos", "classes", "mAP50", "difference", "alarms", "bootstrap")
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    with tqdm(total=len(settings) * len(sizes) * sets, desc="test sets", unit="", leave=False, disable=None) as bar:
        for name in settings:
            everything = population(SETTINGS[name], seed)
            for size in sizes:
                lines.append(_row(name, size, SETTINGS[name], *_simulate(everything, size, sets, seed, bar.update)))
    return "\n".join([f"intervals: {sets} test sets a row", "", *lines, "", LEGEND])


def _row(name: str, size: int, setting: Setting, ours: Counts, bootstrap: Counts) -> str:
    *classes, mean = ours.figures
    together = _together(classes)
    least = min(classes, key=lambda each: each.share)
    *differences, mean_difference = ours.differences
    *resampled, resampled_mean = bootstrap.figures
    alarms = "-" if setting.better else f"{_together(differences).alarms:.3f}, {mean_difference.alarms:.3f}"
    by_bootstrap = f"{_together(resampled).share:.2f}, {resampled_mean.share:.2f}"
    by_bootstrap += "" if setting.better else f", {bootstrap.differences[-1].alarms:.3f}"
    difference = f"{_together(differences).share:.2f}, {mean_difference.share:.2f}"
    return f"| {name} | {size} | {together}, {least.share:.2f} | {mean} | {difference} | {alarms} | {by_bootstrap} |"


def _together(coverages: list[Coverage]) -> Coverage:
    total = Coverage()
    for each in coverages:
        total = total.merged(each)
    return total


def _score(photos: Photos) -> list[intervals.AveragePrecision]:
    """Average precision of both detectors."""
    return [
        intervals.stack(
            [
                intervals.of_class(both[detector].photo_indices, both[detector].is_true, counts)
                for both, counts in zip(photos.verdicts, photos.box_counts, strict=True)
            ]
        )
        for detector in (0, 1)
    ]


def _simulate(
    everything: Photos, size: int, sets: int, seed: int, progress: Callable[[], object]
) -> tuple[Counts, Counts]:
    """Coverage of the intervals and of the percentile bootstrap on test sets of a size."""
    random = np.random.default_rng([seed, size])
    truth = np.stack([scored.values for scored in _score(everything)])
    columns = truth.shape[1] + 1
    ours, bootstrap = (Counts(*([Coverage() for _ in range(columns)] for _ in range(2))) for _ in range(2))
    for number in range(sets):
        drawn = everything.drawn(random.integers(0, everything.box_counts.shape[1], size))
        first, second = _score(drawn)
        present = ~np.isnan(first.values)
        if present.any():
            # A class that is not in the test set is no part of its mean.
            true = np.column_stack([truth, truth[:, present].mean(axis=1)])
            limits = np.vstack([np.column_stack([first.low, first.high]), intervals.mean_interval(first)])
            _count(ours, true, limits, intervals.difference_intervals(first, second))
            if number % EVERY == 0:
                _count(bootstrap, true, *_percentiles(drawn, random))
        progress()
    return ours, bootstrap


def _count(counts: Counts, true: np.ndarray, figures: np.ndarray, differences: np.ndarray) -> None:
    for column, (coverage, difference) in enumerate(zip(counts.figures, counts.differences, strict=True)):
        coverage.add(*figures[column], true[0, column])
        difference.add(*differences[column], true[1, column] - true[0, column])


def _percentiles(drawn: Photos, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Percentile intervals of the first detector's figures and of the differences, both (C + 1, 2)."""
    size = drawn.box_counts.shape[1]
    times = random.multinomial(size, np.full(size, 1 / size), size=RESAMPLINGS)
    sampled = np.array(
        [
            [_resampled(each.photo_indices, each.is_true, counts, times) for each in both]
            for both, counts in zip(drawn.verdicts, drawn.box_counts, strict=True)
        ]
    ).transpose(1, 0, 2)
    defined = ~np.isnan(sampled)
    total = np.where(defined, sampled, 0.0).sum(axis=1, keepdims=True)
    counts = defined.sum(axis=1, keepdims=True)
    mean = np.divide(total, counts, out=np.full(total.shape, np.nan), where=counts > 0)
    sampled = np.concatenate([sampled, mean], axis=1)
    return _quantiles(sampled[0]), _quantiles(sampled[1] - sampled[0])


def _quantiles(samples: np.ndarray) -> np.ndarray:
    """2.5th and 97.5th percentile of each row, without the samples that are nan; nan where all are."""
    rows = [row[~np.isnan(row)] for row in samples]
    return np.array([np.quantile(row, [0.025, 0.975]) if len(row) else (np.nan, np.nan) for row in rows])


def _resampled(photo_indices: np.ndarray, is_true: np.ndarray, boxes: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Average precision of one class on samples of the photos, (samples,); nan where a sample has none of its boxes.

    Args:
        photo_indices: (detections,), the photo of each detection, best score first.
        is_true: (detections,), whether it is a true positive.
        boxes: (photos,), ground truth boxes of the class.
        times: (samples, photos), how often each photo was drawn.
    """
    weights = times[:, photo_indices].astype(float)
    true_positives = weights * is_true
    counted = np.cumsum(weights, axis=1)
    precision = np.divide(np.cumsum(true_positives, axis=1), counted, out=np.zeros_like(counted), where=counted > 0)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    total = times @ boxes
    area = (true_positives * envelope).sum(axis=1)
    return np.divide(area, total, out=np.full(len(times), np.nan), where=total > 0)

"""Confidence intervals of average precision, by bootstrap over photos.

The photos of a split are drawn with replacement, as many as there are; average precision is computed again from the
verdicts on the drawn photos, without matching again. The same photos and seed give the same samples, so the differences
between the samples of two models are a paired bootstrap.
Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 6 and 13 (percentile intervals).

Why not `scipy.stats.bootstrap`: it resamples numbers and calls the statistic on each sample. Average precision of a
sample is a function of whole photos; weighting the sorted detections by how often their photo was drawn computes all
samples of a class in a few array operations.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from apparel.evaluation.metrics import IGNORED, TRUE_POSITIVE

MAX_ARRAY_SIZE = 2_000_000
"""Numbers in the largest array: samples are drawn in chunks of that size, which limits memory to some 100 MB."""


def average_precision(
    photos: Sequence[str],
    ground_truth: pd.DataFrame,
    matched: pd.DataFrame,
    classes: Sequence[str],
    samples: int,
    seed: int = 0,
) -> np.ndarray:
    """Average precision of each class on resampled photos.

    Args:
        photos: the names of all photos that were scored, also of those without boxes, in any order.
        ground_truth: a ground truth table.
        matched: what `metrics.match_detections` returned.
        classes: the classes to score, in order.
        samples: number of bootstrap samples.
        seed: of the random numbers; the same for two models that are compared.

    Returns:
        (samples, classes), 0 to 1; nan where a sample has no ground truth of a class.

    Raises:
        ValueError: a table names a photo that is not in `photos`.
    """
    names = pd.Index(sorted(photos))
    by_class = []
    for name in classes:
        counted = matched[(matched["class"] == name) & (matched["verdict"] != IGNORED)]
        truth = ground_truth[(ground_truth["class"] == name) & ~ground_truth["difficult"].astype(bool)]
        box_counts = np.bincount(_photo_indices(names, truth), minlength=len(names))
        is_true = (counted["verdict"] == TRUE_POSITIVE).to_numpy()
        by_class.append((_photo_indices(names, counted), is_true, box_counts))
    longest = max([len(names), *(len(indices) for indices, _, _ in by_class)])
    chunks = _draw_photo_counts(len(names), samples, max(1, MAX_ARRAY_SIZE // longest), seed)
    return np.concatenate(
        [np.stack([_resampled(*arrays, photo_counts) for arrays in by_class], axis=1) for photo_counts in chunks]
    )


def mean_over_classes(values: np.ndarray) -> np.ndarray:
    """The mean of each sample over the classes that it has, (samples, classes) to (samples,); nan where it has none."""
    defined = ~np.isnan(values)
    counts = defined.sum(axis=1)
    total = np.where(defined, values, 0.0).sum(axis=1)
    return np.divide(total, counts, out=np.full(len(values), np.nan), where=counts > 0)


def interval(samples: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """The percentile interval of samples (N,), those that are nan left out; nan, nan where all are."""
    samples = samples[~np.isnan(samples)]
    if not len(samples):
        return float("nan"), float("nan")
    low, high = np.quantile(samples, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _draw_photo_counts(photos: int, samples: int, chunk: int, seed: int) -> Iterator[np.ndarray]:
    """How often each photo is drawn, (up to `chunk` samples, photos) at a time."""
    random = np.random.default_rng(seed)
    for start in range(0, samples, chunk):
        yield random.multinomial(photos, np.full(photos, 1 / photos), size=min(chunk, samples - start))


def _photo_indices(names: pd.Index, table: pd.DataFrame) -> np.ndarray:
    """The index in `names` of the photo of each row, (rows,)."""
    indices = names.get_indexer(table["filename"])
    if (indices < 0).any():
        raise ValueError(f"boxes on a photo that is not scored: {table['filename'].iloc[int(np.argmin(indices))]!r}")
    return indices


def _resampled(
    photo_indices: np.ndarray, is_true: np.ndarray, box_counts: np.ndarray, photo_counts: np.ndarray
) -> np.ndarray:
    """Average precision of one class, (samples,), as `PrecisionRecallCurve.average_precision`.

    A detection on a photo that was drawn n times counts n times.

    Args:
        photo_indices: (detections,), the photo of each detection, best score first.
        is_true: (detections,), whether it is a true positive.
        box_counts: (photos,), ground truth boxes of the class.
        photo_counts: (samples, photos), how often each photo was drawn.
    """
    weights = photo_counts[:, photo_indices].astype(float)
    true_positives = weights * is_true
    counted = np.cumsum(weights, axis=1)
    precision = np.divide(np.cumsum(true_positives, axis=1), counted, out=np.zeros_like(counted), where=counted > 0)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    boxes = photo_counts @ box_counts
    area = (true_positives * envelope).sum(axis=1)
    return np.divide(area, boxes, out=np.full(len(photo_counts), np.nan), where=boxes > 0)

"""How far a figure would move with other photos: bootstrap over photos.

The photos of a split are drawn again with replacement, as many as there are, and average precision is computed anew
from the verdicts on the drawn photos; nothing is matched again. The same photos and seed give the same drawings, so for
two models the differences between their samples are a paired bootstrap.
Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapters 6 and 13 (percentile intervals).
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from apparel.evaluation.metrics import IGNORED, TRUE

LARGEST_ARRAY = 2_000_000
"""Numbers in one array: samples are drawn in chunks of that size, which bounds memory at some 100 MB."""


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
        photos: the names of all photos scored, those without boxes too, in any order.
        ground_truth: a ground truth table.
        matched: what `metrics.match` returned.
        classes: the classes to score, in order.
        samples: how many times the photos are drawn.
        seed: the same for two models that are compared.

    Returns:
        (samples, classes), 0 to 1; nan where a drawing holds no ground truth of a class.
    """
    names = pd.Index(sorted(photos))
    by_class = []
    for name in classes:
        counted = matched[(matched["class"] == name) & (matched["verdict"] != IGNORED)]
        truth = ground_truth[(ground_truth["class"] == name) & ~ground_truth["difficult"].astype(bool)]
        boxes_of_photo = np.bincount(_places(names, truth), minlength=len(names))
        by_class.append((_places(names, counted), (counted["verdict"] == TRUE).to_numpy(), boxes_of_photo))
    largest = max([len(names), *(len(place) for place, _, _ in by_class)])
    chunks = _draw(len(names), samples, max(1, LARGEST_ARRAY // largest), seed)
    return np.concatenate([np.stack([_resampled(*each, times) for each in by_class], axis=1) for times in chunks])


def mean(values: np.ndarray) -> np.ndarray:
    """Over the classes that each sample holds: (samples, classes) to (samples,); nan where it holds none."""
    known = ~np.isnan(values)
    counts = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.divide(total, counts, out=np.full(len(values), np.nan), where=counts > 0)


def interval(samples: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """The percentile interval of samples (N,), those that are nan left out; nan, nan where all are."""
    samples = samples[~np.isnan(samples)]
    if not len(samples):
        return float("nan"), float("nan")
    low, high = np.quantile(samples, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _draw(photos: int, samples: int, chunk: int, seed: int) -> Iterator[np.ndarray]:
    """How many times each photo is drawn, (up to `chunk`, photos) at a time."""
    random = np.random.default_rng(seed)
    for start in range(0, samples, chunk):
        yield random.multinomial(photos, np.full(photos, 1 / photos), size=min(chunk, samples - start))


def _places(names: pd.Index, table: pd.DataFrame) -> np.ndarray:
    places = names.get_indexer(table["filename"])
    if (places < 0).any():
        raise ValueError(f"boxes on a photo that is not scored: {table['filename'].iloc[int(np.argmin(places))]!r}")
    return places


def _resampled(photo: np.ndarray, true: np.ndarray, boxes_of_photo: np.ndarray, times: np.ndarray) -> np.ndarray:
    """AP of one class, (samples,): a detection on a photo that was drawn n times counts n times, as `metrics.Curve`."""
    weights = times[:, photo].astype(float)
    found = weights * true
    counted = np.cumsum(weights, axis=1)
    precision = np.divide(np.cumsum(found, axis=1), counted, out=np.zeros_like(counted), where=counted > 0)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    boxes = times @ boxes_of_photo
    return np.divide((found * envelope).sum(axis=1), boxes, out=np.full(len(times), np.nan), where=boxes > 0)

"""95% confidence intervals of average precision, of its mean over classes, and of paired differences of two models.

Photos are the units of sampling: boxes and detections of one photo depend on each other. Nothing is drawn at random.

1. Variance: the influence of each photo, the derivative of average precision with respect to the photo's weight
   (infinitesimal jackknife; Efron, "The Jackknife, the Bootstrap and Other Resampling Plans", 1982, chapter 6), larger
   for a photo with many of the boxes, which has pulled the figure to itself: Bell and McCaffrey, "Bias reduction in
   standard errors for linear regression with multi-stage samples", Survey Methodology 28 (2002), 169-181.
2. Bias: average precision on few photos is too high, since a true positive counts itself in its precision. The interval
   is laid around the mean of the precisions without it, see `_unbiased`.
3. Interval of a class: that of a proportion from an effective number of boxes, which has the variance of 1. So a class
   whose boxes are all found has an interval, too. Korn and Graubard, "Confidence intervals for proportions with small
   expected number of positive counts estimated from survey data", Survey Methodology 24 (1998), 193-201; for average
   precision without photos: Boyd, Eng and Page, "Area under the precision-recall curve: point estimates and confidence
   intervals", ECML PKDD 2013.
4. Means and differences: from the distances between the figures and their limits, by the correlation of the influences.
   Zou and Donner, "Construction of confidence limits about effect measures", Statistics in Medicine 27 (2008),
   1693-1702; for paired proportions Newcombe, Statistics in Medicine 17 (1998), 2635-2650.

How often these intervals contain the truth: `python -m benchmarks intervals`, docs/intervals.md.

Why not `scipy.stats.bootstrap` or another resampling: photos without an error give no sample with one, so that both
limits of a class with an average precision of 1 are 1; and the bias of a sample comes on top of that of the photos.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from apparel.evaluation.metrics import IGNORED, TRUE_POSITIVE

CONFIDENCE = 0.95
"""Probability that an interval contains the figure on all photos like those of the split."""

PRIOR = 0.4
"""Weight of the prior in the limits of a class. With 0 they are Clopper and Pearson's, which contain the truth too
often; with 1/2 Jeffreys', which miss the low average precision of a class on few photos. Chosen by simulation."""

LARGEST_SHARE = 0.9
"""Largest share of the boxes of a class that a photo is taken to have: one that has all of them would have an influence
without limit."""

UNCERTAINTY = 0.25
"""A correlation that was estimated on n photos counts n / (n + this): the interval of the difference of alike models
depends on it much, and without this it is too narrow for classes on few photos. Chosen by simulation."""

NO_VARIANCE = 1e-12
"""Variances below are rounding errors: no photo has an influence, as where all boxes are found."""


@dataclass(frozen=True)
class AveragePrecision:
    """Average precision of each of C classes on the same P photos, with what its intervals are computed from.

    Attributes:
        values: shape (C,), 0 to 1; nan for a class without ground truth, as are `unbiased`, `low` and `high`.
        unbiased: shape (C,), 0 to 1: the values without the bias of few photos, never higher than them.
        low: shape (C,): lower limits, 0 to `values`.
        high: shape (C,): upper limits, `values` to 1.
        photos: shape (C,): on how many photos the class is.
        influence: shape (C, P), by sorted name of the photo: by how much a photo raises the value, to first order.
    """

    values: np.ndarray
    unbiased: np.ndarray
    low: np.ndarray
    high: np.ndarray
    photos: np.ndarray
    influence: np.ndarray


def average_precision(
    photos: Sequence[str], ground_truth: pd.DataFrame, matched: pd.DataFrame, classes: Sequence[str]
) -> AveragePrecision:
    """Average precision of each class with its interval.

    Args:
        photos: the names of all photos that were scored, also of those without boxes, in any order; see `photo_of`.
        ground_truth: a ground truth table.
        matched: what `metrics.match_detections` returned.
        classes: the classes to score, in order.

    Raises:
        ValueError: a table names a photo that is not in `photos`.
    """
    names = photo_names(photos)
    by_class = []
    for name in classes:
        counted = matched[(matched["class"] == name) & (matched["verdict"] != IGNORED)]
        truth = ground_truth[(ground_truth["class"] == name) & ~ground_truth["difficult"].astype(bool)]
        box_counts = np.bincount(photo_indices(names, truth), minlength=len(names))
        is_true = (counted["verdict"] == TRUE_POSITIVE).to_numpy()
        by_class.append(of_class(photo_indices(names, counted), is_true, box_counts))
    return stack(by_class)


def of_class(photo_indices: np.ndarray, is_true: np.ndarray, box_counts: np.ndarray) -> AveragePrecision:
    """Average precision of one class (C = 1), as `PrecisionRecallCurve.average_precision`, with its interval.

    Args:
        photo_indices: (detections,), the photo of each detection, best score first.
        is_true: (detections,), whether it is a true positive.
        box_counts: (photos,), ground truth boxes of the class.
    """
    boxes = box_counts.sum()
    if not boxes:
        undefined = np.array([np.nan])
        return AveragePrecision(*[undefined] * 4, np.array([0]), np.zeros((1, len(box_counts))))
    value, influence = _influence(photo_indices, is_true.astype(float), box_counts)
    unbiased = min(_unbiased(is_true, boxes), value)
    influence /= np.sqrt(1 - np.minimum(box_counts / boxes, LARGEST_SHARE))
    photos = np.count_nonzero(box_counts)
    low, high = _limits(value, unbiased, influence, np.sqrt(photos * boxes))
    figures = np.array([value, unbiased, min(low, value), max(high, value)])
    return AveragePrecision(*figures[:, None], np.array([photos]), influence[None])


def stack(by_class: Sequence[AveragePrecision]) -> AveragePrecision:
    """One after the other, those of more classes on the same photos."""
    fields = ("values", "unbiased", "low", "high", "photos", "influence")
    return AveragePrecision(*(np.concatenate([getattr(each, field) for each in by_class]) for field in fields))


def mean_interval(scored: AveragePrecision) -> tuple[float, float]:
    """The interval of the mean over the classes that have ground truth, within 0 and 1; nan, nan where none has.

    With more than one class it is wider by a quantile of Student's distribution: chance has a part in the variance of
    each class, and the mean adds those parts up. Its degrees of freedom are Satterthwaite's.
    """
    present = ~np.isnan(scored.values)
    if not present.any():
        return float("nan"), float("nan")
    below, above = _distances(scored, np.ones(len(present)))
    if present.sum() > 1:
        variances = (scored.high - scored.low)[present] ** 2
        freedom = variances.sum() ** 2 / np.sum(variances**2 / scored.photos[present])
        wider = special.stdtrit(freedom, (1 + CONFIDENCE) / 2) / special.ndtri((1 + CONFIDENCE) / 2)
        below, above = below * wider, above * wider
    mean, unbiased = scored.values[present].mean(), scored.unbiased[present].mean()
    count = present.sum()
    return float(np.clip(min(unbiased - below / count, mean), 0, 1)), float(
        np.clip(max(unbiased + above / count, mean), 0, 1)
    )


def difference_intervals(first: AveragePrecision, second: AveragePrecision) -> np.ndarray:
    """Intervals of how much higher the second model's average precision is than the first's, on the same photos.

    Returns:
        (C + 1, 2), lower and upper limits, -1 to 1: of each class, then of the mean over the classes that have ground
        truth; nan where undefined.
    """
    return combined_intervals([first, second], [-1, 1])


def combined_intervals(parts: Sequence[AveragePrecision], signs: Sequence[int]) -> np.ndarray:
    """Intervals of a sum of average precisions on the same photos, each times its sign, such as 1 and -1.

    Args:
        parts: of the same classes and photos; the ground truth of the first says which classes have any.
        signs: as many as parts; the sum lies within -1 and 1, as that of a difference or of a difference of two does.

    Returns:
        As `difference_intervals`.
    """
    count = len(parts[0].values)
    together = stack(parts)
    selections = [*np.eye(count, dtype=bool), ~np.isnan(parts[0].values)]
    intervals = []
    for classes in selections:
        if np.isnan(parts[0].values[classes]).any() or not classes.any():
            intervals.append((np.nan, np.nan))
            continue
        below, above = _distances(together, np.concatenate([sign * (1.0 * classes) for sign in signs]))
        total, unbiased = (
            sum(sign * getattr(part, field) for sign, part in zip(signs, parts, strict=True))[classes].sum()
            for field in ("values", "unbiased")
        )
        limits = (min(unbiased - below, total), max(unbiased + above, total))
        intervals.append(np.clip(limits, -classes.sum(), classes.sum()) / classes.sum())
    return np.array(intervals)


def _distances(scored: AveragePrecision, signs: np.ndarray) -> tuple[float, float]:
    """How far the limits of a sum of the classes' figures, times their signs (C,), lie below and above that sum.

    Each figure contributes the distance to one of its own limits (Zou and Donner's MOVER). Correlations are those of
    the photos' influences, reduced by `UNCERTAINTY`.
    """
    down = np.nan_to_num(scored.unbiased - scored.low)
    up = np.nan_to_num(scored.high - scored.unbiased)
    products = scored.influence @ scored.influence.T
    deviations = np.sqrt(np.diag(products))
    scale = np.outer(deviations, deviations)
    correlations = np.divide(products, scale, out=np.zeros_like(products), where=scale > NO_VARIANCE)
    trust = np.sqrt(scored.photos / (scored.photos + UNCERTAINTY))
    correlations *= np.outer(trust, trust)
    np.fill_diagonal(correlations, 1.0)
    below = np.where(signs > 0, down, up) * signs
    above = np.where(signs > 0, up, down) * signs
    return tuple(float(np.sqrt(max(0.0, each @ correlations @ each))) for each in (below, above))


def photo_of(names: pd.Series) -> pd.Series:
    """The photo of each name: names such as `1/a.jpg` are of the photo `a.jpg`, detected by the model of another seed.

    What several models detect on one photo is not independent, so all of them are one unit of sampling.
    """
    return names.str.rpartition("/")[2] if names.str.contains("/", regex=False).any() else names


def photo_names(photos: Sequence[str]) -> pd.Index:
    """The names of the photos, the units of sampling, sorted."""
    return pd.Index(sorted(set(photo_of(pd.Series(list(photos), dtype="str")))))


def photo_indices(names: pd.Index, table: pd.DataFrame) -> np.ndarray:
    """The index in `names` of the photo of each row, (rows,)."""
    indices = names.get_indexer(photo_of(table["filename"]))
    if (indices < 0).any():
        raise ValueError(f"boxes on a photo that is not scored: {table['filename'].iloc[int(np.argmin(indices))]!r}")
    return indices


def _influence(photo_indices: np.ndarray, is_true: np.ndarray, box_counts: np.ndarray) -> tuple[float, np.ndarray]:
    """Average precision, and its derivative with respect to the weight of each photo, (photos,).

    Weights w of detections give average precision as the sum of w t e over the true positives (t = 1), divided by the
    weight of the boxes; e is the envelope, the precision T / N at the detection m that has the highest one from there
    on. Where m is the only such detection, it stays the same for small changes of the weights, so only T and N change:
    a detection j adds (t_j - e) / N to the envelope at all true positives whose m does not come before j.
    """
    count, boxes = len(is_true), box_counts.sum()
    if not count:
        return 0.0, np.zeros(len(box_counts))
    position = np.arange(count)
    precision = np.cumsum(is_true) / (position + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    highest = np.minimum.accumulate(np.where(precision == envelope, position, count)[::-1])[::-1]
    per_weight = is_true / (highest + 1)
    first = np.searchsorted(highest, position)  # the first detection whose envelope the detection contributes to
    gained = _sum_from(per_weight)[first]
    lost = _sum_from(per_weight * envelope)[first]
    by_detection = is_true * envelope + is_true * gained - lost
    value = float((is_true * envelope).sum() / boxes)
    by_photo = np.bincount(photo_indices, by_detection, minlength=len(box_counts))
    return value, (by_photo - value * box_counts) / boxes


def _sum_from(values: np.ndarray) -> np.ndarray:
    """The sum of the values from each position on, (N,)."""
    return np.cumsum(values[::-1])[::-1]


def _unbiased(is_true: np.ndarray, boxes: int) -> float:
    """Average precision where each true positive has the precision of the other detections down to it, 0 to 1.

    A true positive is by itself one of the true detections in its precision T / N, which raises the precision by
    (1 - p) / N on average: much, where there are few detections before it. (T - 1) / (N - 1) has no such bias. The best
    detection has no other; it counts 1. Without the envelope, which is a highest value and so biased upwards, too.
    """
    position = np.arange(len(is_true))
    others = np.divide(np.cumsum(is_true) - 1, position, out=np.ones(len(is_true)), where=position > 0)
    return float((others * is_true).sum() / boxes)


def _limits(value: float, unbiased: float, influence: np.ndarray, largest_size: float) -> tuple[float, float]:
    """The limits of one class, 0 to 1, around the unbiased average precision.

    The variance of a proportion p of n boxes is p (1 - p) / n: n is what fits the variance over the photos.

    Args:
        value: average precision, 0 to 1.
        unbiased: the same without bias.
        influence: (photos,).
        largest_size: the highest n: between the numbers of photos and boxes, as boxes of a photo are alike, not equal.
    """
    count = len(influence)
    variance = np.sum(influence**2) * count / max(1, count - 1)
    size = min(largest_size, value * (1 - value) / variance) if variance > NO_VARIANCE else largest_size
    right, wrong = unbiased * size, (1 - unbiased) * size
    tail = (1 - CONFIDENCE) / 2
    low = special.betaincinv(right + PRIOR, wrong + 1 - PRIOR, tail) if right > 0 else 0.0
    high = special.betaincinv(right + 1 - PRIOR, wrong + PRIOR, 1 - tail) if wrong > 0 else 1.0
    return float(low), float(high)

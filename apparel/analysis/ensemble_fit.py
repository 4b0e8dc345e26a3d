"""Weights and overlap of an ensemble, chosen by mAP50 on photos that its members were not trained on; never on test.

A few hundred boxes tell a lucky choice from a good one badly. So the choice itself is cross-validated: it is made
without the photos of each fold, and judged on them. Unless that is better than equal weights, these are kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from tqdm import tqdm

from apparel.errors import UserError
from apparel.evaluation import intervals, metrics
from apparel.evaluation.choose_thresholds import choose_thresholds
from apparel.inference import fusion
from apparel.inference.ensemble_file import EnsembleConfig, Fusion
from apparel.models.detections import Detections
from apparel.models.thresholds import Thresholds

OVERLAPS = (0.45, 0.55, 0.65)
"""Overlaps that are tried: the paper's, and a step to each side. Below, garments worn one over the other would be
fused; above, the boxes of two networks for one garment would not."""

LEVELS = (1.0, 2.0, 3.0)
"""Weights that are tried; a member that deserves less than a third of another is better left out."""

MOST_WEIGHTS = 60
"""Sets of weights that are tried: all of up to three members, a random part of more."""

FOLDS = 5

Fuse = Callable[[Sequence[float], float], pd.DataFrame]
"""Gives the fused detections table of weights of the members, where 0 leaves one out, and an overlap."""


@dataclass(frozen=True)
class Fit:
    """What was chosen.

    Attributes:
        fusion: the choice: equal weights and the paper's overlap, unless others are better.
        best: the choice with the highest mAP50 on all photos.
        equal: mAP50 of equal weights with the paper's overlap.
        chosen: mAP50 of choosing, cross-validated: of photos that the choice was made without.
        photos: number of photos.
        without: mAP50 with equal weights without each member; empty where there is one.
    """

    fusion: Fusion
    best: Fusion
    equal: float
    chosen: float
    photos: int
    without: tuple[float, ...]


def choices(members: int) -> list[Fusion]:
    """What is tried: equal weights with the paper's overlap first."""
    random = np.random.default_rng(0)
    # 3 ** 6 sets are drawn from, of more members a random part.
    weights = (
        np.array(list(product(LEVELS, repeat=members))) if members <= 6 else random.choice(LEVELS, (1000, members))
    )
    weights = weights[weights.min(axis=1) < weights.max(axis=1)]
    shares = (weights / weights.sum(axis=1, keepdims=True)).round(6)
    weights = weights[np.sort(np.unique(shares, axis=0, return_index=True)[1])]
    if len(weights) >= MOST_WEIGHTS:
        weights = weights[np.sort(random.choice(len(weights), MOST_WEIGHTS - 1, replace=False))]
    sets = [(1.0,) * members, *map(tuple, weights.tolist())]
    overlaps = sorted(OVERLAPS, key=lambda overlap: overlap != fusion.IOU)
    return [Fusion(iou=overlap, weights=values) for values in sets for overlap in overlaps]


def fuse_views(views: Sequence[Detections], owners: Sequence[int], weights: Sequence[float], iou: float) -> Detections:
    """Fuses views with the weights of the members that they are of, whose positions are `owners`."""
    shares = [weights[owner] / list(owners).count(owner) for owner in owners]
    used = [number for number, share in enumerate(shares) if share]
    return fusion.fuse([views[number] for number in used], [shares[number] for number in used], iou)


def fit(photos: pd.DataFrame, ground_truth: pd.DataFrame, classes: Sequence[str], members: int, fuse: Fuse) -> Fit:
    """Chooses weights and overlap.

    Args:
        photos: a photo table.
        ground_truth: a ground truth table.
        classes: the classes, in order.
        members: how many there are.
        fuse: gives the detections of a choice.

    Raises:
        UserError: there are fewer photos than folds, or none has a box.
    """
    fold_of = _folds(photos["filename"])
    if fold_of.nunique() < FOLDS or ground_truth.empty:
        raise UserError(f"{len(photos)} photos with {len(ground_truth)} boxes are too few to choose weights on")
    truth_fold = ground_truth["filename"].map(fold_of).to_numpy()
    tried, scores = choices(members), []
    for choice in tqdm(tried, desc="weights", unit=" choices", disable=None):
        matched = metrics.match_detections(ground_truth, fuse(choice.weights, choice.iou))
        folds = matched["filename"].map(fold_of).to_numpy()
        parts = [(ground_truth[truth_fold != fold], matched[folds != fold]) for fold in range(FOLDS)]
        scores.append([_map50(*part, classes) for part in [(ground_truth, matched), *parts]])
    best = [tried[number] for number in np.nan_to_num(scores, nan=-1).argmax(axis=0)]  # the first of equal ones
    held_out = []
    for fold, choice in enumerate(best[1:]):
        matched = metrics.match_detections(ground_truth, fuse(choice.weights, choice.iou))
        held_out.append(matched[matched["filename"].map(fold_of).to_numpy() == fold])
    pooled = pd.concat(held_out).sort_values("score", ascending=False, kind="stable")
    chosen, equal = _map50(ground_truth, pooled, classes), scores[0][0]
    without = _without_each(ground_truth, classes, members, fuse) if members > 1 else ()
    return Fit(best[0] if chosen > equal else tried[0], best[0], equal, chosen, len(fold_of), without)


def _without_each(ground_truth: pd.DataFrame, classes: Sequence[str], members: int, fuse: Fuse) -> tuple[float, ...]:
    tables = [fuse([float(number != left_out) for number in range(members)], fusion.IOU) for left_out in range(members)]
    return tuple(_map50(ground_truth, metrics.match_detections(ground_truth, table), classes) for table in tables)


def _folds(names: pd.Series) -> pd.Series:
    """The fold of each name, by name; all names of a photo, such as those of several seeds, are in one fold."""
    photos = intervals.photo_of(names)
    distinct = np.sort(photos.unique())
    shuffled = np.random.default_rng(0).permutation(len(distinct))
    fold_of_photo = pd.Series(shuffled % FOLDS, index=distinct)
    return pd.Series(photos.map(fold_of_photo).to_numpy(), index=names)


def _map50(ground_truth: pd.DataFrame, matched: pd.DataFrame, classes: Sequence[str]) -> float:
    curves = metrics.precision_recall_curves(ground_truth, matched, classes)
    return metrics.nan_mean([curve.average_precision for curve in curves.values()])


def choose_fused_thresholds(
    ground_truth: pd.DataFrame, detections: pd.DataFrame, classes: Sequence[str], min_precision: float | None
) -> Thresholds:
    """The score thresholds of fused boxes, as training chooses those of a model."""
    matched = metrics.match_detections(ground_truth, detections)
    return choose_thresholds(ground_truth, matched, classes, min_precision)


def text(found: Fit, config: EnsembleConfig, on: str) -> str:
    """What was chosen, and why, for the terminal."""
    kept, names = found.fusion, [member.label for member in config.members]
    lines = [
        f"mAP50 {found.equal:.3f} with equal weights and an overlap of {fusion.IOU}, on {found.photos} photos of {on}"
    ]
    lines += [
        f"      {value:.3f} without {name}" for name, value in zip(names, found.without, strict=bool(found.without))
    ]
    verdict = "so these are taken" if kept is found.best else "so equal ones are kept"
    lines.append(f"      {found.chosen:.3f} with weights chosen without the photos that they are judged on, {verdict}")
    weights = ", ".join(f"{name} {weight:g}" for name, weight in zip(names, kept.weights, strict=True))
    return "\n".join([*lines, f"weights: {weights}; overlap {kept.iou}"])

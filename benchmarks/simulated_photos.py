"""Simulated photos with the verdicts of two detectors on them: populations whose average precision is known."""

from dataclasses import dataclass

import numpy as np
from scipy import special

POPULATION = 20_000
"""Photos of a population: average precision on all of them is the truth."""

SPREAD, CHANCE = 0.9, 1.8
"""Standard deviations of what decides whether a box is detected: of a photo's and of a box's ease, and of the rest."""


@dataclass(frozen=True)
class SimulatedClass:
    """How often a class is in photos, and how well it is detected.

    Attributes:
        share: of the photos that show it, 0 to 1.
        recall: share of its boxes that are detected, 0 to 1.
        score: mean logit of the scores of true positives.
        wrong: false positives a photo.
        wrong_score: mean logit of their scores.
        more: boxes besides the first, mean of a photo that shows it.
    """

    share: float
    recall: float
    score: float
    wrong: float
    wrong_score: float = -1.0
    more: float = 0.3


@dataclass(frozen=True)
class Setting:
    """Classes in the same photos, and two detectors.

    Attributes:
        classes: the classes.
        alike: share of chance that both detectors have in common, 0 to 1.
        better: by how much the second detector's scores and recall are higher; 0 for equal average precision.
    """

    classes: list[SimulatedClass]
    alike: float = 0.7
    better: float = 0.0


SIX = [
    SimulatedClass(0.45, 0.85, 1.5, 0.6),
    SimulatedClass(0.20, 0.80, 1.0, 0.4),
    SimulatedClass(0.12, 0.70, 0.8, 0.3, -0.8),
    SimulatedClass(0.10, 0.75, 1.0, 0.3, -0.5),
    SimulatedClass(0.08, 0.60, 0.5, 0.3, -0.5),
    SimulatedClass(0.05, 0.50, 0.3, 0.3, -0.5),
]
"""Six classes as the apparel photos have them, from frequent and well detected to rare and badly detected."""

SETTINGS = {
    "six": Setting(SIX),
    "six, other model better": Setting(SIX, better=0.7),
    "six, models much alike": Setting(SIX, alike=0.9),
    "good": Setting(
        [SimulatedClass(share, recall, 3.0, 0.1, -2.0) for share, recall in ((0.3, 0.99), (0.3, 0.97), (0.2, 0.96))]
    ),
    "near 1": Setting(
        [SimulatedClass(share, recall, 4.0, 0.03, -3.0) for share, recall in ((0.3, 0.998), (0.3, 0.99), (0.2, 0.995))]
    ),
    "near 0": Setting(
        [
            SimulatedClass(0.3, 0.05, -1.0, 0.5, -0.5),
            SimulatedClass(0.3, 0.15, -0.5, 2.0, -0.5),
            SimulatedClass(0.2, 0.02, -1.0, 1.0, 0.0),
            SimulatedClass(0.2, 0.10, 0.0, 0.2, 0.0),
        ]
    ),
    "rare": Setting(
        [
            SimulatedClass(0.60, 0.90, 2.0, 0.3),
            SimulatedClass(0.10, 0.90, 2.0, 0.1),
            SimulatedClass(0.05, 0.70, 1.0, 0.2),
            SimulatedClass(0.04, 0.95, 3.0, 0.05),
        ]
    ),
    "one": Setting([SimulatedClass(0.7, 0.7, 1.0, 0.5)]),
    "ten": Setting([SimulatedClass(0.12, 0.9 - 0.05 * rank, 2.0 - 0.2 * rank, 0.2) for rank in range(10)]),
    "many boxes": Setting([SimulatedClass(0.5, 0.8, 1.0, 1.0, -0.5, 3.0), SimulatedClass(0.3, 0.6, 1.0, 1.0, -0.5, 2)]),
}
"""By name: how classes differ in how often they are shown and how well they are detected."""


@dataclass(frozen=True)
class Verdicts:
    """Detections of one class by one detector, best score first: the photo of each, and whether it is true."""

    photo_indices: np.ndarray
    is_true: np.ndarray


@dataclass(frozen=True)
class Photos:
    """Photos with the boxes of C classes and the verdicts of two detectors.

    Attributes:
        box_counts: (C, photos).
        verdicts: for each class those of both detectors.
    """

    box_counts: np.ndarray
    verdicts: list[tuple[Verdicts, Verdicts]]

    def drawn(self, photos: np.ndarray) -> "Photos":
        """A test set of the photos with these indices; one that is drawn twice is in it twice."""
        photos = np.sort(photos)
        times = np.bincount(photos, minlength=self.box_counts.shape[1])
        start = np.cumsum(times) - times
        verdicts = [tuple(_drawn(each, times, start) for each in both) for both in self.verdicts]
        return Photos(self.box_counts[:, photos], verdicts)


def _drawn(verdicts: Verdicts, times: np.ndarray, start: np.ndarray) -> Verdicts:
    counts = times[verdicts.photo_indices]
    rows = np.repeat(np.arange(len(counts)), counts)
    copy = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return Verdicts(start[verdicts.photo_indices[rows]] + copy, verdicts.is_true[rows])


def population(setting: Setting, seed: int) -> Photos:
    """The photos of a setting.

    A photo has a difficulty that all its boxes and detections share. Detectors of equal average precision are made
    exactly equal: the second half of the photos is the first one with the detectors exchanged.
    """
    random = np.random.default_rng(seed)
    photos = POPULATION if setting.better else POPULATION // 2
    ease = random.normal(size=photos)
    box_counts, verdicts = [], []
    for simulated in setting.classes:
        shown = random.random(photos) < simulated.share
        counts = shown * (1 + random.poisson(simulated.more, photos))
        both = _detect(random, setting, simulated, np.repeat(np.arange(photos), counts), ease)
        if not setting.better:
            counts = np.tile(counts, 2)
            both = [_joined(both[first], both[1 - first], photos) for first in (0, 1)]
        box_counts.append(counts)
        verdicts.append(tuple(_sorted(*rows) for rows in both))
    return Photos(np.array(box_counts), verdicts)


def _detect(
    random: np.random.Generator, setting: Setting, simulated: SimulatedClass, boxes: np.ndarray, ease: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Photo, truth and score of each detection of one class, for both detectors.

    Args:
        random: random numbers.
        setting: how alike and how good the detectors are.
        simulated: the class.
        boxes: (boxes,), the photo of each box.
        ease: (photos,), how easy each photo is, standard deviations.
    """

    def chance(size: int) -> np.ndarray:
        common, own = random.normal(size=size), random.normal(size=(2, size))
        return np.sqrt(setting.alike) * common + np.sqrt(1 - setting.alike) * own

    rate = simulated.wrong * np.exp(-0.5 * ease - 0.125)  # a mean of `wrong`: 0.125 is half the variance of 0.5 ease
    in_both = np.repeat(np.arange(len(ease)), random.poisson(rate * setting.alike))
    box_ease, at_recall, at_score, at_wrong = (
        random.normal(size=len(boxes)), chance(len(boxes)), chance(len(boxes)), chance(len(in_both)),
    )  # fmt: skip
    level = special.ndtri(simulated.recall) * np.sqrt(2 * SPREAD**2 + CHANCE**2)
    detections = []
    for detector in (0, 1):
        better = setting.better * detector
        of_box = ease[boxes] + box_ease
        found = level + better + SPREAD * of_box + CHANCE * at_recall[detector] > 0
        true_scores = simulated.score + 0.5 * (of_box + better) + 0.7 * at_score[detector]
        alone = np.repeat(np.arange(len(ease)), random.poisson(rate * (1 - setting.alike) * np.exp(-0.3 * better)))
        wrong = np.concatenate([in_both, alone])
        noise = np.concatenate([at_wrong[detector], random.normal(size=len(alone))])
        wrong_scores = simulated.wrong_score - 0.3 * ease[wrong] + noise
        is_true = np.arange(found.sum() + len(wrong)) < found.sum()
        scores = np.concatenate([true_scores[found], wrong_scores])
        detections.append((np.concatenate([boxes[found], wrong]), is_true, scores))
    return detections


def _joined(first: tuple, second: tuple, photos: int) -> tuple:
    """The detections of both tables, those of the second on photos that follow those of the first."""
    return (
        np.concatenate([first[0], second[0] + photos]),
        *map(np.concatenate, zip(first[1:], second[1:], strict=True)),
    )


def _sorted(photo_indices: np.ndarray, is_true: np.ndarray, scores: np.ndarray) -> Verdicts:
    order = np.argsort(-scores, kind="stable")
    return Verdicts(photo_indices[order], is_true[order])

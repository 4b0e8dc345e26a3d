"""Weights of an ensemble: what is tried, what is taken, and when equal weights are kept."""

import numpy as np
import pandas as pd
import pytest

from apparel.analysis import ensemble_fit
from apparel.analysis.ensemble_fit import choices
from apparel.errors import UserError
from apparel.inference import detection_tables
from apparel.inference.ensemble_file import EnsembleConfig
from tests.support.box_tables import detection_table, photo_table, truth_table

CLASSES = ["Skirts", "Tops"]
NAMES = [f"{number:02}.jpg" for number in range(40)]
BOX = (10, 10, 60, 60)
WRONG = (70, 70, 95, 95)
TRUTH = truth_table(*((name, CLASSES[number % 2], BOX) for number, name in enumerate(NAMES))).assign(
    width=100, height=100
)


def views(*tables):
    return [detection_tables.from_table(photo_table(NAMES), table, CLASSES) for table in tables]


def fit(*tables):
    detections = views(*tables)

    def fuse(weights, iou):
        fused = ensemble_fit.fuse_views(detections, range(len(tables)), weights, iou)
        return detection_tables.to_table(photo_table(NAMES), fused, CLASSES)

    return ensemble_fit.fit(photo_table(NAMES), TRUTH, CLASSES, len(tables), fuse)


def detector(right, wrong=0.0, of=lambda number: True):
    """Finds the garment with one score, and something beside it with another."""
    rows = []
    for number, name in enumerate(NAMES):
        if of(number):
            rows.append((name, CLASSES[number % 2], right, BOX))
        if wrong:
            rows.append((name, CLASSES[number % 2], wrong, WRONG))
    return detection_table(*rows)


def test_equal_weights_come_first_and_no_set_comes_twice():
    for members in (1, 2, 3, 5, 8):
        tried = choices(members)
        assert set(tried[0].weights) == {1.0} and tried[0].iou == 0.55
        shares = [(tuple(np.round(np.array(each.weights) / sum(each.weights), 6)), each.iou) for each in tried]
        assert len(set(shares)) == len(shares) <= 3 * ensemble_fit.MOST_WEIGHTS
    assert len(choices(2)) == 3 * 7


@pytest.fixture
def one_overlap(monkeypatch):
    """A third of the choices, which is quicker."""
    monkeypatch.setattr(ensemble_fit, "OVERLAPS", (0.55,))


@pytest.mark.usefixtures("one_overlap")
def test_a_better_member_gets_the_higher_weight():
    """The bad detector's wrong boxes have higher scores than what the good one finds alone, unless they weigh less."""
    found = fit(detector(0.5), detector(0.1, 0.9))
    assert found.equal < 0.9 and found.chosen == 1.0
    weights = found.fusion.weights
    assert weights[0] > weights[1] and found.fusion is found.best
    assert found.without == (pytest.approx(0.5, abs=0.3), 1.0)


@pytest.mark.usefixtures("one_overlap")
def test_a_choice_that_is_no_better_on_photos_that_it_was_made_without_is_not_taken():
    found = fit(detector(0.8), detector(0.7))
    assert found.equal == found.chosen == 1.0
    assert found.fusion.weights == (1.0, 1.0) and found.fusion.iou == 0.55
    config = EnsembleConfig.model_validate({"members": [{"model": "six"}, {"model": "lite"}]})
    text = ensemble_fit.text(found, config, "val")
    assert "mAP50 1.000 with equal weights and an overlap of 0.55, on 40 photos of val" in text
    assert "weights: six 1, lite 1; overlap 0.55" in text and "1.000 without six" in text


def test_seeds_of_a_photo_are_in_one_fold():
    names = pd.Series([f"{seed}/{name}" for seed in (0, 1) for name in NAMES])
    folds = ensemble_fit._folds(names)
    assert all(folds[f"0/{name}"] == folds[f"1/{name}"] for name in NAMES)
    assert sorted(folds.value_counts()) == [16] * 5


def test_too_few_photos_are_refused():
    photos = photo_table(NAMES[:3])
    with pytest.raises(UserError, match="3 photos with 3 boxes are too few"):
        ensemble_fit.fit(photos, TRUTH[:3], CLASSES, 1, None)


def test_thresholds_are_those_of_fused_scores():
    thresholds = ensemble_fit.choose_fused_thresholds(TRUTH, detector(0.375, 0.25), CLASSES, None)
    assert thresholds.by_class == {"Skirts": 0.375, "Tops": 0.375}

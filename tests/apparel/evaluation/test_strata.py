"""Average precision by size and by number of garments, on boxes whose figures are computed by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from apparel.evaluation import metrics, strata
from tests.support.box_tables import detection_table, photo_table, truth_table

SMALL, MEDIUM, LARGE = (0, 0, 10, 10), (40, 40, 90, 90), (0, 0, 100, 100)
PHOTOS = photo_table(["both", "large", "none"])  # of 100 x 100 pixels
TRUTH = truth_table(("both", "Tops", SMALL), ("both", "Tops", MEDIUM), ("large", "Tops", LARGE))
DETECTIONS = detection_table(
    ("both", "Tops", 0.9, MEDIUM),
    ("both", "Tops", 0.8, (20, 0, 30, 10)),
    ("both", "Tops", 0.7, SMALL),
    ("none", "Tops", 0.6, SMALL),
    ("none", "Tops", 0.4, SMALL),
)
THRESHOLDS = {"Tops": 0.5, "Skirts": 0.5}


def test_by_size():
    table = strata.by_size(PHOTOS, TRUTH, DETECTIONS, THRESHOLDS)
    assert list(table.index) == [*strata.PIXELS, *strata.SHARES]
    small, medium, large, below, between, above = table.index
    # Of the small ones the second best detection is the first that is true: 1 of 2. The wrong ones are small.
    assert table["AP50"].tolist() == pytest.approx([0.5, 1, 0, 0.5, math.nan, 0.5], nan_ok=True)
    assert table["photos"].tolist() == [1, 1, 1, 1, 0, 2]
    assert table["boxes"].tolist() == [1, 1, 1, 1, 0, 2]
    assert table["false_positives"].tolist() == [2, 0, 0, 2, 0, 0]
    assert table["missed"].tolist() == [0, 0, 1, 0, 0, 1]
    assert table.loc[small, "precision"] == pytest.approx(1 / 3)
    assert table.loc[above, "recall"] == 0.5 and math.isnan(table.loc[between, "recall"])
    assert (table["AP50_low"] <= table["AP50"]).drop(between).all()
    assert (table["AP50"] <= table["AP50_high"]).drop(between).all()
    assert table.loc[medium, "AP50_low"] < 1 and table.loc[large, "AP50_high"] > 0 and below


def test_limits_belong_to_the_larger_range_and_difficult_boxes_to_none():
    truth = truth_table(("both", "Tops", (0, 0, 32, 32)), ("large", "Tops", SMALL, "difficult"))
    detections = detection_table(("both", "Tops", 0.9, (0, 0, 32, 32)), ("large", "Tops", 0.95, SMALL))
    table = strata.by_size(PHOTOS, truth, detections, THRESHOLDS)
    small, medium, *_ = table.index
    assert table.loc[medium, ["boxes", "AP50"]].tolist() == [1, 1.0]
    assert table.loc[small, ["boxes", "false_positives"]].tolist() == [0, 0]


def test_by_garments():
    table = strata.by_garments(PHOTOS, TRUTH, DETECTIONS, THRESHOLDS)
    assert list(table.index) == ["no garment", "1 garment", "2 garments"]
    assert table["photos"].tolist() == [1, 1, 1]
    # Two garments: true, wrong, true. Half the recall at precision 1, half at 2/3.
    assert table["AP50"].tolist() == pytest.approx([math.nan, 0, 1 / 2 + 1 / 3], nan_ok=True)
    assert table["false_positives"].tolist() == [1, 0, 1]
    assert table["missed"].tolist() == [0, 1, 0]


def test_one_range_that_has_all_boxes_gives_the_figures_of_the_split():
    random = np.random.default_rng(0)
    names = [f"{number}.jpg" for number in range(20)]
    truth = truth_table(*((name, "Tops", (0, 0, 40, 40)) for name in names))
    shifts = random.integers(0, 40, 20)
    rows = [
        (name, "Tops", random.random(), (shift, 0, 40 + shift, 40)) for name, shift in zip(names, shifts, strict=True)
    ]
    detections = detection_table(*rows)
    expected = metrics.average_precision(truth, detections, ["Tops"])["Tops"]
    photos = photo_table(names)
    assert strata.by_size(photos, truth, detections, {"Tops": 0.5}).loc[
        "medium, 32² to 96² pixels", "AP50"
    ] == pytest.approx(expected)
    by_garments = strata.by_garments(photos, truth, detections, {"Tops": 0.5})
    assert by_garments["AP50"].to_dict() == pytest.approx({"1 garment": expected})


def test_without_boxes_and_detections():
    empty = truth_table()
    table = strata.by_size(PHOTOS, empty, detection_table(), THRESHOLDS)
    assert table["boxes"].eq(0).all() and table["AP50"].isna().all()
    assert pd.isna(strata.by_garments(PHOTOS, empty, detection_table(), THRESHOLDS).loc["no garment", "AP50"])

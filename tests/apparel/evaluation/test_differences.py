"""Paired differences of AP50 between two models."""

import math

import pytest

from apparel.classes import ALL
from apparel.evaluation import metrics
from apparel.evaluation.differences import paired_differences
from tests.support.box_tables import LEFT, RIGHT, detection_table, truth_table

PHOTOS = [f"{number:02}.jpg" for number in range(20)]
CLASSES = ["Dresses", "Tops", "Skirts"]


def differences(first_found: list[str], second_found: list[str]):
    """Tops are found on these photos by either model, the dress of the first photo by both; no photo has a skirt."""
    truth = truth_table(*((photo, "Tops", LEFT) for photo in PHOTOS), (PHOTOS[0], "Dresses", RIGHT))
    matches = [
        metrics.match_detections(
            truth,
            detection_table(*((photo, "Tops", 0.9, LEFT) for photo in found), (PHOTOS[0], "Dresses", 0.8, RIGHT)),
        )
        for found in (first_found, second_found)
    ]
    return paired_differences(PHOTOS, truth, *matches, CLASSES)


def test_the_difference_and_its_interval_are_of_the_second_model() -> None:
    table = differences(PHOTOS[:5], PHOTOS[:15])
    tops, total = table.loc["Tops"], table.loc[ALL]
    assert [tops["first"], tops["second"], tops["difference"]] == pytest.approx([0.25, 0.75, 0.5])
    assert 0 < tops["low"] < 0.5 < tops["high"] < 1
    # Of the two classes with ground truth.
    assert [total["first"], total["second"], total["difference"]] == pytest.approx([0.625, 0.875, 0.25])
    assert table.loc["Dresses", ["difference", "low", "high"]].tolist() == [0, 0, 0]
    assert all(math.isnan(value) for value in table.loc["Skirts", ["first", "second", "difference"]])
    swapped = differences(PHOTOS[:15], PHOTOS[:5]).loc["Tops"]
    assert [swapped["low"], swapped["high"]] == pytest.approx([-tops["high"], -tops["low"]])


def test_equal_detections_have_no_difference() -> None:
    table = differences(PHOTOS[:5], PHOTOS[:5])
    assert table.loc[["Dresses", "Tops", ALL], ["difference", "low", "high"]].eq(0).all(axis=None)

"""Error types and their costs: computed by hand, and as tidecv 1.0.1 gave them for random boxes."""

import json
from pathlib import Path

import pytest

from apparel.classes import ALL
from apparel.evaluation import error_types, metrics
from apparel.evaluation.error_types import BACKGROUND, BOTH, CLASSIFICATION, DUPLICATE, LOCALISATION, MISSED
from tests.support.box_tables import CLASSES, LEFT, RIGHT, detection_table, truth_table

TIDECV = json.loads(Path("tests/support/tidecv_errors.json").read_text(encoding="utf-8"))
"""Random boxes; `counts` and `costs_at_101_recalls` are what tidecv printed, `costs` what it printed with the area
under the whole curve in place of its 101 recalls."""

PART, SLICE, FAR = (0, 0, 10, 4), (0, 0, 10, 1), (50, 50, 60, 60)
"""Boxes whose IoU with LEFT is 0.4, 0.1 and 0."""

NONE = dict.fromkeys(error_types.ERRORS, 0.0)


def repair(truth, detections, photos="pq", threshold=0.5):
    matched = metrics.match_detections(truth, detections)
    return error_types.repair_errors(photos, truth, matched, CLASSES, dict.fromkeys(CLASSES, threshold)).table()


def of_all(truth, detections, column, **options):
    table = repair(truth, detections, **options)
    return table[table["class"] == ALL].set_index("error")[column].to_dict()


BOX = ("p", "Tops", LEFT)
CASES = {
    "another class": ([BOX], [("p", "Skirts", 0.9, LEFT)], {CLASSIFICATION: 1, "false negatives": 1}),
    "another place": ([BOX], [("p", "Tops", 0.9, PART)], {LOCALISATION: 1, "false negatives": 1}),
    "another place by little": ([BOX], [("p", "Tops", 0.9, SLICE)], {LOCALISATION: 1, "false negatives": 1}),
    # Nothing finds the box, so it is missed; without it there is none left to find.
    "both": ([BOX], [("p", "Skirts", 0.9, PART)], {MISSED: 1, "false negatives": 1}),
    # Half the recall at precision 1, half at 2/3.
    "found twice": (
        [BOX, ("p", "Tops", RIGHT)],
        [("p", "Tops", 0.9, LEFT), ("p", "Tops", 0.8, LEFT), ("p", "Tops", 0.7, RIGHT)],
        {DUPLICATE: 1 / 6, "false positives": 1 / 6},
    ),
    "on the background": (
        [BOX],
        [("p", "Tops", 0.9, FAR), ("p", "Tops", 0.8, LEFT)],
        {BACKGROUND: 0.5, "false positives": 0.5},
    ),
    "on a photo without boxes": (
        [BOX],
        [("q", "Tops", 0.9, LEFT), ("p", "Tops", 0.8, LEFT)],
        {BACKGROUND: 0.5, "false positives": 0.5},
    ),
    "one of two boxes missed": (
        [BOX, ("q", "Tops", LEFT)],
        [("p", "Tops", 0.8, LEFT)],
        {MISSED: 0.5, "false negatives": 0.5},
    ),
    "nothing detected": ([BOX], [], {MISSED: 1, "false negatives": 1}),
    # Only the better of two that would find one box becomes right; the other is gone.
    "two beside one box": (
        [BOX],
        [("p", "Tops", 0.9, PART), ("p", "Tops", 0.8, (0, 6, 10, 10))],
        {LOCALISATION: 1, "false negatives": 1},
    ),
    # The box goes to the one with the higher score, so to repair the class alone does not find it.
    "two kinds on one box": (
        [BOX],
        [("p", "Tops", 0.9, PART), ("p", "Skirts", 0.8, LEFT)],
        {LOCALISATION: 1, "false negatives": 1},
    ),
    # The wrong class costs where it comes from, too: half of Skirts.
    "of two classes": (
        [BOX, ("q", "Skirts", LEFT)],
        [("p", "Skirts", 0.9, LEFT), ("q", "Skirts", 0.8, LEFT)],
        {CLASSIFICATION: (1 + 0.5) / 2, "false positives": 0.5 / 2, "false negatives": 1 / 2},
    ),
    "found": ([BOX], [("p", "Tops", 0.9, LEFT), ("p", "Tops", 0.8, FAR)], {}),
    "difficult boxes": (
        [BOX, ("p", "Skirts", RIGHT, "difficult")],
        [("p", "Skirts", 0.9, RIGHT), ("p", "Tops", 0.85, RIGHT), ("p", "Tops", 0.8, LEFT)],
        {BACKGROUND: 0.5, "false positives": 0.5},
    ),
}


@pytest.mark.parametrize(("truth", "detections", "costs"), CASES.values(), ids=CASES.keys())
def test_costs_by_hand(truth, detections, costs):
    gains = of_all(truth_table(*truth), detection_table(*detections), "dAP50")
    assert gains == pytest.approx(NONE | costs)


TYPES = [
    ("Tops", LEFT, ""), ("Tops", (0, 0, 10, 5), DUPLICATE), ("Tops", PART, LOCALISATION), ("Tops", SLICE, LOCALISATION),
    ("Tops", (0, 0, 10, 0.9), BACKGROUND), ("Skirts", LEFT, CLASSIFICATION), ("Skirts", (0, 0, 10, 5), CLASSIFICATION),
    ("Skirts", PART, BOTH), ("Skirts", SLICE, BACKGROUND), ("Skirts", FAR, BACKGROUND),
]  # fmt: skip


def test_the_first_type_that_fits():
    rows = [("p", name, 0.9 - number / 100, box) for number, (name, box, _) in enumerate(TYPES)]
    truth = truth_table(BOX)
    typed = error_types.classify_errors(truth, metrics.match_detections(truth, detection_table(*rows)))
    assert typed["error"].tolist() == [error for *_, error in TYPES]
    # On a box of its class in part, and wholly on one of another class: a matter of place.
    both = truth_table(BOX, ("p", "Skirts", PART))
    matched = metrics.match_detections(both, detection_table(("p", "Tops", 0.9, PART)))
    assert error_types.classify_errors(both, matched)["error"].tolist() == [LOCALISATION]


@pytest.mark.parametrize("case", TIDECV)
def test_as_tidecv(case):
    truth = truth_table(*((*row[:2], tuple(row[2])) for row in case["truth"]))
    detections = detection_table(*case["detections"])
    table = repair(truth, detections, photos=case["photos"])
    totals = table[table["class"] == ALL].set_index("error")
    assert totals["count"][list(case["counts"])].to_dict() == case["counts"]
    assert totals["dAP50"].to_dict() == pytest.approx(case["costs"], abs=1e-6)
    assert totals["dAP50"].to_dict() == pytest.approx(case["costs_at_101_recalls"], abs=0.02)
    assert (totals["dAP50_low"] <= totals["dAP50"]).all() and (totals["dAP50"] <= totals["dAP50_high"]).all()
    assert totals["dAP50_high"].max() <= 1 and totals["dAP50_low"].min() >= 0


def test_counts_of_each_class_and_above_its_threshold():
    detections = detection_table(("p", "Skirts", 0.9, LEFT), ("p", "Skirts", 0.3, FAR), ("q", "Tops", 0.5, PART))
    table = repair(truth_table(BOX), detections).set_index(["class", "error"])
    assert table.loc[("Skirts", CLASSIFICATION), ["count", "shown"]].tolist() == [1, 1]
    assert table.loc[("Skirts", BACKGROUND), ["count", "shown"]].tolist() == [1, 0]
    assert table.loc[(ALL, "false positives"), ["count", "shown"]].tolist() == [3, 2]
    assert table.loc[("Tops", "false negatives"), "count"] == 1 and table.loc[("Tops", MISSED), "count"] == 0


def test_a_class_without_boxes_has_no_cost_and_no_part_in_the_mean():
    table = repair(truth_table(BOX), detection_table(("p", "Dresses", 0.9, FAR))).set_index(["class", "error"])
    assert table.loc["Dresses", ["dAP50", "dAP50_low", "dAP50_high"]].isna().all(axis=None)
    assert table.loc[(ALL, MISSED), "dAP50"] == 1
    assert repair(truth_table(), detection_table())["dAP50"].isna().all()


def test_without_an_error_there_is_no_interval():
    table = repair(truth_table(BOX), detection_table(("p", "Tops", 0.9, LEFT)))
    totals = table[table["class"] == ALL]
    assert (totals[["dAP50", "dAP50_low", "dAP50_high", "count"]] == 0).all(axis=None)


def test_the_order_of_rows_and_the_index_of_the_truth_change_nothing():
    case = TIDECV[0]
    truth = truth_table(*((*row[:2], tuple(row[2])) for row in case["truth"]))
    detections = detection_table(*case["detections"])
    expected = repair(truth, detections, photos=case["photos"])
    shuffled = truth.sample(frac=1, random_state=1), detections.sample(frac=1, random_state=2)
    assert repair(*shuffled, photos=case["photos"]).round(9).equals(expected.round(9))

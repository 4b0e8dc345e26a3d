import pandas as pd

from apparel.classes import ALL
from apparel.evaluation import verdict


def tables(rows, pairs=()):
    columns = ["AP50", "boxes", "true_positives", "false_positives", "missed"]
    per_class = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return per_class, pd.DataFrame(pairs, columns=["actual", "predicted"])


def test_names_the_weakest_class_and_what_its_errors_are():
    rows = {
        "Skirts": [0.07, 38, 8, 108, 30],
        "Tops": [0.9, 20, 18, 2, 2],
        "Gloves": [float("nan"), 0, 0, 5, 0],
        ALL: [0.5, 58, 26, 110, 32],
    }
    pairs = [("background", "Skirts")] * 70 + [("Tops", "Skirts")] * 38 + [("Skirts", "Skirts")] * 8
    pairs += [("Skirts", "Tops")] * 12 + [("Skirts", "Dresses")] * 10 + [("Skirts", "background")] * 8
    assert verdict.weakest_class(*tables(rows, pairs)) == (
        "Weakest: Skirts, AP50 0.07: 108 of 116 detections are wrong, mostly on background; "
        "30 of 38 boxes are missed, most often taken for Tops."
    )


def test_one_class_without_errors_is_not_called_the_weakest():
    assert verdict.weakest_class(*tables({"Pants": [1.0, 20, 20, 0, 0]})) == (
        "Pants, AP50 1.00: none of 20 detections is wrong; none of 20 boxes is missed."
    )


def test_nothing_detected_and_nothing_to_measure():
    pairs = [("Pants", "background")] * 2
    assert verdict.weakest_class(*tables({"Pants": [0.0, 2, 0, 0, 2]}, pairs)) == (
        "Pants, AP50 0.00: no detection is above the threshold; 2 of 2 boxes are missed, all without a detection."
    )
    assert verdict.weakest_class(*tables({"Pants": [float("nan"), 0, 0, 3, 0]})) == verdict.NO_BOXES


def test_a_name_that_cannot_be_printed_is_replaced():
    assert "Pa?nts" in verdict.weakest_class(*tables({"Pa\nnts": [0.5, 2, 1, 0, 1]}))

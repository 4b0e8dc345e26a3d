import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from apparel.evaluation import confusion
from tests.support.box_tables import (
    CLASSES,
    LEFT,
    RIGHT,
    detection_row_lists,
    detection_table,
    truth_row_lists,
    truth_table,
)

BELOW = (0, 20, 10, 30)


def listed(pairs):
    return sorted(zip(pairs["actual"], pairs["predicted"], strict=True))


def test_right_class_wrong_class_missed_box_and_false_positive():
    ground_truth = truth_table(("a", "Tops", LEFT), ("a", "Skirts", RIGHT), ("b", "Dresses", LEFT))
    detections = detection_table(("a", "Tops", 0.9, LEFT), ("a", "Dresses", 0.8, RIGHT), ("a", "Tops", 0.7, BELOW))
    pairs = confusion.pair_boxes(ground_truth, detections)
    assert listed(pairs) == [
        ("Dresses", "background"),
        ("Skirts", "Dresses"),
        ("Tops", "Tops"),
        ("background", "Tops"),
    ]
    matrix = confusion.confusion_matrix(pairs, CLASSES)
    assert matrix.index.tolist() == matrix.columns.tolist() == [*CLASSES, "background"]
    assert matrix.loc["Skirts", "Dresses"] == 1 and matrix.to_numpy().sum() == 4


def test_each_box_is_paired_once_and_with_the_highest_score():
    ground_truth = truth_table(("a", "Tops", LEFT))
    pairs = confusion.pair_boxes(
        ground_truth, detection_table(("a", "Tops", 0.6, LEFT), ("a", "Skirts", 0.7, (0, 0, 10, 9)))
    )
    assert listed(pairs) == [("Tops", "Skirts"), ("background", "Tops")]


def test_a_later_detection_is_paired_with_the_next_free_box():
    ground_truth = truth_table(("a", "Tops", (0, 0, 10, 10)), ("a", "Skirts", (2, 0, 12, 10)))
    pairs = confusion.pair_boxes(
        ground_truth, detection_table(("a", "Tops", 0.9, LEFT), ("a", "Skirts", 0.8, (0.5, 0, 10.5, 10)))
    )
    assert listed(pairs) == [("Skirts", "Skirts"), ("Tops", "Tops")]


def test_difficult_boxes_are_in_no_pair():
    ground_truth = truth_table(("a", "Tops", LEFT, "difficult"), ("a", "Tops", RIGHT, "difficult"))
    assert len(confusion.pair_boxes(ground_truth, detection_table(("a", "Skirts", 0.9, LEFT)))) == 0


def test_nothing_at_all_is_an_empty_matrix():
    pairs = confusion.pair_boxes(truth_table(), detection_table())
    assert pairs.columns.tolist() == ["filename", "actual", "predicted"]
    assert confusion.confusion_matrix(pairs, CLASSES).to_numpy().sum() == 0


@settings(max_examples=25)
@given(truth_row_lists, detection_row_lists, st.randoms())
def test_every_box_counts_once_in_any_order(truth_rows, detection_rows, random):
    ground_truth, detections = truth_table(*truth_rows), detection_table(*detection_rows)
    pairs = confusion.pair_boxes(ground_truth, detections)
    matrix = confusion.confusion_matrix(pairs, CLASSES)
    assert matrix.loc[CLASSES].sum(axis=1).tolist() == [(ground_truth["class"] == name).sum() for name in CLASSES]
    assert matrix[CLASSES].sum().tolist() == [(detections["class"] == name).sum() for name in CLASSES]
    random.shuffle(truth_rows)
    random.shuffle(detection_rows)
    pd.testing.assert_frame_equal(
        pairs, confusion.pair_boxes(truth_table(*truth_rows), detection_table(*detection_rows))
    )

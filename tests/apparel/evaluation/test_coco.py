import numpy as np
import pytest
from hypothesis import given, settings

from apparel.evaluation import coco, metrics
from tests.support.box_tables import (
    CLASSES,
    LEFT,
    RIGHT,
    detection_table,
    photo_table,
    truth_row_lists,
    truth_table,
    untied_detection_row_lists,
)


def test_by_hand():
    ground_truth = truth_table(("a", "Tops", LEFT), ("b", "Tops", LEFT))
    detections = detection_table(("a", "Tops", 0.9, LEFT), ("b", "Tops", 0.8, (0, 0, 10, 7.2)))
    tops = coco.average_precision(photo_table("ab"), ground_truth, detections, CLASSES).loc["Tops"]
    # Of 101 recalls 51 are up to 0.5. The second box has an IoU of 0.72, so it counts at 5 of 10 thresholds.
    assert tops["AP50"] == pytest.approx(1.0)
    assert tops["AP75"] == pytest.approx(51 / 101)
    assert tops["AP"] == pytest.approx((5 * 1.0 + 5 * 51 / 101) / 10)


def test_first_annotation_counts():
    # With annotation ids from 0, the first box of the first photo would be taken for unmatched.
    table = coco.average_precision(
        photo_table("a"), truth_table(("a", "Tops", LEFT)), detection_table(("a", "Tops", 0.9, LEFT)), CLASSES
    )
    assert table.loc["Tops", "AP"] == pytest.approx(1.0)


def test_no_detections_score_zero_and_print_nothing(capsys):
    table = coco.average_precision(photo_table("ab"), truth_table(("a", "Tops", LEFT)), detection_table(), CLASSES)
    assert table.loc["Tops"].tolist() == [0.0, 0.0, 0.0]
    assert table.loc[["Dresses", "Skirts"]].isna().all(axis=None)
    assert capsys.readouterr().out == ""


def test_nothing_at_all_is_nan():
    assert coco.average_precision(photo_table("a"), truth_table(), detection_table(), CLASSES).isna().all(axis=None)


def test_false_positives_on_photos_without_boxes_count():
    ground_truth = truth_table(("b", "Tops", LEFT))
    detections = detection_table(("a", "Tops", 0.9, LEFT), ("b", "Tops", 0.8, LEFT))
    assert coco.average_precision(photo_table("ab"), ground_truth, detections, CLASSES).loc[
        "Tops", "AP50"
    ] == pytest.approx(0.5)


def test_difficult_boxes_are_ignored():
    ground_truth = truth_table(("a", "Tops", LEFT, "difficult"), ("a", "Tops", RIGHT))
    detections = detection_table(("a", "Tops", 0.9, LEFT), ("a", "Tops", 0.85, LEFT), ("a", "Tops", 0.8, RIGHT))
    assert coco.average_precision(photo_table("a"), ground_truth, detections, CLASSES).loc[
        "Tops", "AP"
    ] == pytest.approx(1.0)


def test_takes_the_next_free_box_where_pascal_does_not():
    ground_truth = truth_table(("a", "Tops", (0, 0, 10, 10)), ("a", "Tops", (2, 0, 12, 10)))
    detections = detection_table(("a", "Tops", 0.9, (0, 0, 10, 10)), ("a", "Tops", 0.8, (0.5, 0, 10.5, 10)))
    ap50 = coco.average_precision(photo_table("a"), ground_truth, detections, CLASSES).loc["Tops", "AP50"]
    assert ap50 == pytest.approx(1.0)
    assert metrics.average_precision(ground_truth, detections, CLASSES)["Tops"] == pytest.approx(0.5)


@settings(max_examples=40)
@given(truth_row_lists, untied_detection_row_lists)
def test_agrees_with_pascal_where_each_photo_and_class_has_one_box(truth_rows, detection_rows):
    """Then "best" and "next free" are the same; what is left is 101 recalls in place of all points."""
    once = {row[:2]: row for row in truth_rows}.values()
    ground_truth, detections = truth_table(*once), detection_table(*detection_rows)
    theirs = coco.average_precision(photo_table("pqrs"), ground_truth, detections, CLASSES)["AP50"]
    curves = metrics.precision_recall_curves(ground_truth, metrics.match_detections(ground_truth, detections), CLASSES)
    grid = np.linspace(0, 1, 101)
    ours = [each.precision_at(grid).mean() for each in curves.values()]
    assert ours == pytest.approx(theirs.tolist(), nan_ok=True)

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apparel.boxes import CORNERS
from apparel.errors import UserError
from apparel.evaluation import metrics
from tests.support.box_tables import (
    CLASSES,
    LEFT,
    RIGHT,
    detection_row_lists,
    detection_table,
    truth_row_lists,
    truth_table,
    untied_detection_row_lists,
)


def verdicts(ground_truth, detections, iou_threshold=0.5):
    return metrics.match_detections(ground_truth, detections, iou_threshold)["verdict"].tolist()


def mean_average_precision(ground_truth, detections):
    return metrics.nan_mean(list(metrics.average_precision(ground_truth, detections, CLASSES).values()))


def test_average_precision_by_hand():
    ground_truth = truth_table(*((photo, "Tops", LEFT) for photo in "abcd"))
    detections = detection_table(
        ("a", "Tops", 0.9, LEFT),  # precision 1, recall 1/4
        ("a", "Tops", 0.8, RIGHT),  # 1/2
        ("b", "Tops", 0.7, LEFT),  # 2/3, recall 2/4
        ("c", "Tops", 0.6, RIGHT),  # 2/4
        ("c", "Tops", 0.5, LEFT),  # 3/5, recall 3/4
    )
    expected = (1 + 2 / 3 + 3 / 5 + 0) / 4
    assert metrics.average_precision(ground_truth, detections, ["Tops"]) == {"Tops": pytest.approx(expected)}


def test_precision_at_a_higher_recall_raises_interpolated_precision_below_it():
    ground_truth = truth_table(*((photo, "Tops", LEFT) for photo in "abcd"))
    detections = detection_table(("x", "Tops", 0.9, LEFT), *((photo, "Tops", 0.5, LEFT) for photo in "abcd"))
    assert metrics.average_precision(ground_truth, detections, ["Tops"])["Tops"] == pytest.approx(4 / 5)


def test_second_detection_of_a_box_is_a_false_positive_even_where_another_box_is_free():
    ground_truth = truth_table(("a", "Tops", (0, 0, 10, 10)), ("a", "Tops", (2, 0, 12, 10)))
    detections = detection_table(("a", "Tops", 0.9, (0, 0, 10, 10)), ("a", "Tops", 0.8, (0.5, 0, 10.5, 10)))
    assert verdicts(ground_truth, detections) == [metrics.TRUE_POSITIVE, metrics.FALSE_POSITIVE]


def test_iou_threshold_itself_is_a_match():
    ground_truth, half = truth_table(("a", "Tops", LEFT)), detection_table(("a", "Tops", 0.9, (0, 0, 5, 10)))
    assert verdicts(ground_truth, half, 0.5) == [metrics.TRUE_POSITIVE]
    assert verdicts(ground_truth, half, 0.5001) == [metrics.FALSE_POSITIVE]


def test_boxes_have_no_extra_pixel_and_are_not_rounded():
    # With +1 in the sides the IoU would be 0.58; without it 0.36. Rounding would make it 0.
    assert verdicts(
        truth_table(("a", "Tops", (0, 0, 2.5, 2.5))), detection_table(("a", "Tops", 0.9, (0, 0, 1.5, 1.5)))
    ) == [metrics.FALSE_POSITIVE]
    tiny = truth_table(("a", "Tops", (0.1, 0.1, 0.4, 0.4))), detection_table(("a", "Tops", 0.9, (0.1, 0.1, 0.4, 0.4)))
    assert verdicts(*tiny) == [metrics.TRUE_POSITIVE]


def test_difficult_boxes_are_neither_found_nor_missed():
    ground_truth = truth_table(("a", "Tops", LEFT, "difficult"), ("a", "Tops", RIGHT))
    detections = detection_table(("a", "Tops", 0.9, LEFT), ("a", "Tops", 0.8, LEFT), ("a", "Tops", 0.7, RIGHT))
    assert verdicts(ground_truth, detections) == [metrics.IGNORED, metrics.IGNORED, metrics.TRUE_POSITIVE]
    assert metrics.average_precision(ground_truth, detections, ["Tops"])["Tops"] == 1.0


def test_class_with_only_difficult_boxes_has_no_average_precision():
    ground_truth = truth_table(("a", "Tops", LEFT, "difficult"))
    assert np.isnan(
        metrics.average_precision(ground_truth, detection_table(("a", "Tops", 0.9, LEFT)), ["Tops"])["Tops"]
    )


def test_class_without_ground_truth_is_nan_left_out_of_the_mean_and_its_false_positives_are_seen():
    ground_truth = truth_table(("a", "Tops", LEFT))
    detections = detection_table(("a", "Tops", 0.9, LEFT), ("a", "Skirts", 0.9, LEFT))
    by_class = metrics.average_precision(ground_truth, detections, CLASSES)
    assert by_class["Tops"] == 1.0
    assert np.isnan(by_class["Skirts"]) and np.isnan(by_class["Dresses"])
    assert mean_average_precision(ground_truth, detections) == 1.0
    assert (
        metrics.TRUE_POSITIVE
        not in metrics.match_detections(ground_truth, detections).query("`class` == 'Skirts'")["verdict"].tolist()
    )


def test_no_detections_score_zero():
    ground_truth = truth_table(("a", "Tops", LEFT))
    assert metrics.average_precision(ground_truth, detection_table(), ["Tops"]) == {"Tops": 0.0}
    assert mean_average_precision(ground_truth, detection_table()) == 0.0


def test_nothing_at_all_is_nan_without_a_warning(recwarn):
    assert np.isnan(mean_average_precision(truth_table(), detection_table()))
    assert len(metrics.match_detections(truth_table(), detection_table())) == 0
    assert not recwarn.list


def test_photos_with_boxes_and_no_detections_count_as_missed():
    ground_truth = truth_table(("a", "Tops", LEFT), ("b", "Tops", LEFT))
    detections = detection_table(("a", "Tops", 0.9, LEFT))
    assert metrics.average_precision(ground_truth, detections, ["Tops"])["Tops"] == pytest.approx(0.5)


def test_false_positives_on_photos_without_boxes_count():
    ground_truth = truth_table(("b", "Tops", LEFT))
    detections = detection_table(("a", "Tops", 0.9, LEFT), ("b", "Tops", 0.8, LEFT))
    assert metrics.average_precision(ground_truth, detections, ["Tops"])["Tops"] == pytest.approx(0.5)


def test_low_scores_count_and_photos_have_no_limit_of_detections():
    ground_truth = truth_table(("a", "Tops", LEFT))
    noise = [("a", "Tops", 0.5 + place / 1000, RIGHT) for place in range(150)]
    detections = detection_table(*noise, ("a", "Tops", 1e-7, LEFT))
    assert metrics.average_precision(ground_truth, detections, ["Tops"])["Tops"] == pytest.approx(1 / 151)


def test_detections_of_another_class_do_not_match():
    by_class = metrics.average_precision(
        truth_table(("a", "Tops", LEFT)), detection_table(("a", "Skirts", 0.9, LEFT)), CLASSES
    )
    assert by_class["Tops"] == 0.0


def test_no_threshold_separates_equal_scores():
    ground_truth = truth_table(("a", "Tops", LEFT), ("b", "Tops", LEFT))
    rows = [("a", "Tops", 0.5, LEFT), ("a", "Tops", 0.5, RIGHT), ("b", "Tops", 0.5, LEFT)]
    for order in (rows, rows[::-1]):
        assert metrics.average_precision(ground_truth, detection_table(*order), ["Tops"])["Tops"] == pytest.approx(
            2 / 3
        )


def test_detections_without_area_are_left_out():
    ground_truth = truth_table(("a", "Tops", LEFT))
    detections = detection_table(("a", "Tops", 0.9, (3, 3, 3, 9)), ("a", "Tops", 0.8, LEFT))
    assert verdicts(ground_truth, detections) == [metrics.TRUE_POSITIVE]


@pytest.mark.parametrize("row", [("a.jpg", "Tops", float("nan"), LEFT), ("a.jpg", "Tops", 0.5, (0, 0, np.inf, 1))])
def test_scores_and_boxes_that_are_not_finite_are_refused_and_the_photo_is_named(row):
    with pytest.raises(UserError, match=r"'a\.jpg'"):
        metrics.average_precision(truth_table(), detection_table(row), CLASSES)


def test_a_class_that_is_not_scored_is_refused():
    with pytest.raises(ValueError, match="Hats"):
        metrics.average_precision(truth_table(), detection_table(("a", "Hats", 0.5, LEFT)), CLASSES)


def test_matches_refer_to_row_numbers_of_the_ground_truth_table():
    ground_truth = truth_table(("b", "Tops", LEFT), ("a", "Tops", RIGHT), ("a", "Tops", LEFT)).set_axis([7, 7, 7])
    matched = metrics.match_detections(
        ground_truth, detection_table(("a", "Tops", 0.9, (0, 0, 10, 9)), ("c", "Tops", 0.8, LEFT))
    )
    assert matched["ground_truth"].tolist() == [2, -1]
    assert matched["iou"].tolist() == pytest.approx([0.9, 0.0])


def test_best_threshold_is_the_score_of_the_highest_f1():
    ground_truth = truth_table(*((photo, "Tops", LEFT) for photo in "abc"))
    detections = detection_table(
        ("a", "Tops", 0.9, LEFT), ("b", "Tops", 0.6, LEFT), ("b", "Tops", 0.5, RIGHT), ("a", "Tops", 0.4, RIGHT)
    )
    curve = metrics.precision_recall_curve(ground_truth, metrics.match_detections(ground_truth, detections))
    assert curve.best_threshold() == 0.6
    nothing = metrics.precision_recall_curve(
        ground_truth, metrics.match_detections(ground_truth, detection_table(("a", "Tops", 0.9, RIGHT)))
    )
    assert nothing.best_threshold() is None


def test_best_threshold_does_not_split_equal_scores():
    ground_truth = truth_table(("a", "Tops", LEFT), ("b", "Tops", LEFT))
    false = [("c", "Tops", 0.5, (left, 0, left + 5, 5)) for left in range(9)]
    detections = detection_table(("a", "Tops", 0.9, LEFT), ("b", "Tops", 0.5, LEFT), *false)
    assert (
        metrics.precision_recall_curve(
            ground_truth, metrics.match_detections(ground_truth, detections)
        ).best_threshold()
        == 0.9
    )


def test_precision_at_given_recalls():
    ground_truth = truth_table(*((photo, "Tops", LEFT) for photo in "abcdefghij"))
    detections = detection_table(
        *((photo, "Tops", 0.9, LEFT) for photo in "abc"), ("a", "Tops", 0.5, RIGHT), ("d", "Tops", 0.4, LEFT)
    )
    curve = metrics.precision_recall_curve(ground_truth, metrics.match_detections(ground_truth, detections))
    grid = curve.precision_at(np.array([0.0, 0.3, 0.31, 0.4, 0.41, 1.0]))
    assert grid.tolist() == pytest.approx([1.0, 1.0, 0.8, 0.8, 0.0, 0.0])


def test_rounding_of_a_recall_does_not_shift_the_curve():
    ground_truth = truth_table(*((photo, "Tops", LEFT) for photo in "abcdefghij"))
    detections = detection_table(*((photo, "Tops", 0.9, LEFT) for photo in "abcdefg"))
    grid = metrics.precision_recall_curve(
        ground_truth, metrics.match_detections(ground_truth, detections)
    ).precision_at(np.linspace(0, 1, 101))
    assert grid.tolist() == [1.0] * 71 + [0.0] * 30  # the 71st recall is 0.7000000000000001


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the API divides by its empty classes
@settings(max_examples=60)
@given(truth_row_lists, st.sets(st.integers(0, 11)), untied_detection_row_lists, st.sampled_from([0.3, 0.5, 0.75]))
def test_equals_the_object_detection_api(truth_rows, difficult, detection_rows, iou_threshold):
    from tests.support import tfod_evaluator

    ground_truth = truth_table(*(row + ("difficult",) * (place in difficult) for place, row in enumerate(truth_rows)))
    # The API takes the first of equally good boxes in the order given; here that is the order of the corners.
    ground_truth = ground_truth.sort_values([*CORNERS, "difficult"])
    detections = detection_table(*detection_rows)
    theirs, their_mean = tfod_evaluator.average_precision(
        list("pqrs"), ground_truth, detections, CLASSES, iou_threshold
    )
    ours = metrics.average_precision(ground_truth, detections, CLASSES, iou_threshold)
    assert ours == pytest.approx(theirs, nan_ok=True)
    assert metrics.nan_mean(list(ours.values())) == pytest.approx(their_mean, nan_ok=True)


@settings(max_examples=30)
@given(truth_row_lists, detection_row_lists, st.randoms())
def test_order_of_photos_and_rows_changes_nothing(truth_rows, detection_rows, random):
    first = metrics.match_detections(truth_table(*truth_rows), detection_table(*detection_rows))
    first_ap = metrics.average_precision(truth_table(*truth_rows), detection_table(*detection_rows), CLASSES)
    random.shuffle(truth_rows)
    random.shuffle(detection_rows)
    again = metrics.match_detections(truth_table(*truth_rows), detection_table(*detection_rows))
    pd.testing.assert_frame_equal(first.drop(columns="ground_truth"), again.drop(columns="ground_truth"))
    assert metrics.average_precision(
        truth_table(*truth_rows), detection_table(*detection_rows), CLASSES
    ) == pytest.approx(first_ap, nan_ok=True, rel=0, abs=0)


def test_precision_recall_and_counts_at_thresholds():
    ground_truth = truth_table(
        ("a", "Tops", LEFT), ("b", "Tops", LEFT), ("c", "Tops", LEFT), ("d", "Tops", LEFT, "difficult")
    )
    detections = detection_table(
        ("a", "Tops", 0.9, (0, 0, 10, 8)),
        ("a", "Tops", 0.8, RIGHT),
        ("d", "Tops", 0.8, LEFT),
        ("b", "Tops", 0.5, LEFT),
        ("c", "Tops", 0.4, LEFT),
        ("c", "Skirts", 0.6, LEFT),
    )
    matched = metrics.match_detections(ground_truth, detections)
    table = metrics.metrics_at_thresholds(ground_truth, matched, {"Dresses": 0.1, "Skirts": 0.1, "Tops": 0.5})
    tops = table.loc["Tops"]
    assert tops[["true_positives", "false_positives", "missed"]].tolist() == [2, 1, 1]
    assert tops[["precision", "recall", "F1"]].tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3])
    assert tops["mean_IoU"] == pytest.approx((0.8 + 1.0) / 2)
    assert table.loc["Skirts", "false_positives"] == 1
    assert table.loc["Skirts", "precision"] == 0.0 and np.isnan(table.loc["Skirts", "recall"])
    assert table.loc["Dresses", ["precision", "recall", "F1", "mean_IoU"]].isna().all()


def test_detected_are_boxes_with_a_true_positive_and_difficult_ones():
    ground_truth = truth_table(("a", "Tops", LEFT), ("a", "Tops", RIGHT, "difficult"), ("b", "Tops", LEFT))
    matched = metrics.match_detections(
        ground_truth, detection_table(("b", "Tops", 0.9, LEFT), ("a", "Tops", 0.5, LEFT))
    )
    assert metrics.is_detected(ground_truth, matched).tolist() == [True, True, True]
    shown = metrics.above_threshold(matched, {"Tops": 0.8})
    assert metrics.is_detected(ground_truth, shown).tolist() == [False, True, True]
    assert metrics.is_detected(truth_table(), matched.iloc[:0]).tolist() == []

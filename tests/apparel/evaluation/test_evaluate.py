import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings

from apparel.classes import ALL
from apparel.errors import UserError
from apparel.evaluation import evaluate, metrics
from apparel.evaluation.choose_thresholds import choose_thresholds
from tests.support.box_tables import (
    CLASSES,
    LEFT,
    RIGHT,
    detection_row_lists,
    detection_table,
    photo_table,
    truth_row_lists,
    truth_table,
)


def split_metrics(truth_rows, detection_rows, names="abcd", thresholds=None):
    tables = SimpleNamespace(
        photos=photo_table(names), ground_truth=truth_table(*truth_rows), detections=detection_table(*detection_rows)
    )
    if thresholds is None:
        matched = metrics.match_detections(tables.ground_truth, tables.detections)
        thresholds = choose_thresholds(tables.ground_truth, matched, CLASSES).by_class
    return evaluate.measure_split(tables, "test", CLASSES, thresholds)


TRUTH = [("a", "Tops", LEFT), ("a", "Skirts", RIGHT), ("b", "Tops", LEFT), ("b", "Tops", RIGHT, "difficult")]
FOUND = [
    ("a", "Tops", 0.9, LEFT),
    ("a", "Dresses", 0.8, RIGHT),
    ("b", "Tops", 0.7, RIGHT),
    ("c", "Tops", 0.6, LEFT),
    ("a", "Tops", 0.1, RIGHT),
]


@pytest.fixture(scope="module")
def example():
    return split_metrics(TRUTH, FOUND, thresholds=dict.fromkeys(CLASSES, 0.5))


def test_counts_behind_the_figures(example):
    table = example.per_class
    assert table.index.tolist() == [*CLASSES, ALL]
    columns = ["photos", "boxes", "difficult", "detections", "ignored", "true_positives", "false_positives", "missed"]
    assert table.columns.tolist()[-len(columns) :] == columns == evaluate.COUNTS
    assert table.loc["Tops", columns].tolist() == [2, 2, 1, 4, 1, 1, 1, 1]
    assert table.loc["Skirts", columns].tolist() == [1, 1, 0, 0, 0, 0, 0, 1]
    assert table.loc["Dresses", columns].tolist() == [0, 0, 0, 1, 0, 0, 1, 0]
    assert table.loc[ALL, columns].tolist() == [4, 3, 1, 5, 1, 1, 2, 2]


def test_figures_and_their_means_without_absent_classes(example):
    table = example.per_class
    assert table["AP50"].tolist() == pytest.approx([np.nan, 0.0, 0.5, 0.25], nan_ok=True)
    assert table.loc[ALL, "precision"] == 0.5  # of Tops alone: Skirts has no detection, Dresses no ground truth
    assert table.loc[ALL, "recall"] == 0.25
    assert (table["AP50_low"].dropna() <= table["AP50"].dropna()).all()
    assert (table["AP50"].dropna() <= table["AP50_high"].dropna()).all()


def test_thresholds_of_another_split_are_applied(example):
    everything = split_metrics(TRUTH, FOUND, thresholds=dict.fromkeys(CLASSES, 0.0))
    assert everything.per_class.loc["Tops", "false_positives"] == 2
    assert example.per_class.loc["Tops", "false_positives"] == 1
    assert split_metrics(TRUTH, FOUND).thresholds == {"Dresses": 0.9, "Skirts": 0.9, "Tops": 0.9}


def test_every_photo_of_the_split_must_be_scored_once():
    evaluate.check_photos("test", photo_table("abc"), 3)
    for wrong in (photo_table("ab"), photo_table("abcd"), photo_table("abb")):
        with pytest.raises(UserError, match="test has 3 photos"):
            evaluate.check_photos("test", wrong, 3)


@settings(max_examples=15)
@given(truth_row_lists, detection_row_lists)
def test_map_equals_that_of_training_and_all_written_figures_are_finite(truth_rows, detection_rows):
    result = split_metrics(truth_rows, detection_rows, names="pqrs")
    headline = json.loads(json.dumps(evaluate.summary_metrics(result), allow_nan=False))
    expected = metrics.nan_mean(
        list(metrics.average_precision(result.ground_truth, detection_table(*detection_rows), CLASSES).values())
    )
    assert headline["mAP50"] == (None if np.isnan(expected) else round(expected, 6))
    assert headline["photos"] == 4
    assert np.isfinite(list(evaluate.metrics_by_name(result).values())).all()
    counted = result.per_class
    assert (counted["true_positives"] + counted["missed"] == counted["boxes"]).all()
    picked = evaluate.select_photos(result, 2)
    everyone = [name for group in picked.values() for name in group]
    assert len(everyone) == len(set(everyone))
    assert set(everyone) <= set("pqrs")


def test_metric_names(example):
    names = evaluate.metrics_by_name(example)
    assert names["test/AP50/Tops"] == 0.5
    assert names["test/mAP50"] == 0.25
    assert "test/AP50/Dresses" not in names
    assert names["test/false_positives/Dresses"] == 1


def test_the_headline_is_a_dozen_metrics(example):
    names = evaluate.headline_metrics(example)
    assert names["test/AP50/Tops"] == 0.5
    assert names["test/mAP50"] == 0.25
    overall = {name for name in names if name.count("/") == 1}
    assert overall <= {f"test/{name}" for name in evaluate.HEADLINE} and {"test/COCO_AP", "test/recall"} <= overall
    assert all(name.startswith("test/AP50/") for name in names.keys() - overall)
    assert len(names) <= len(evaluate.HEADLINE) + len(CLASSES)


def test_curves_have_a_column_for_every_class(example):
    table = evaluate.pr_curve_table(example)
    assert table.columns.tolist() == ["recall", *CLASSES]
    assert len(table) == 101 and table["Dresses"].isna().all()
    assert table.loc[[0, 50, 51], "Tops"].tolist() == [1.0, 1.0, 0.0]


def test_detection_table_has_verdicts_and_matched_boxes(example):
    table = evaluate.detection_table(example)
    assert table["filename"].tolist() == ["a", "a", "a", "b", "c"]
    first, last = table.iloc[0], table.iloc[-1]
    assert (first["verdict"], first["iou"], first["shown"], first["true_xmax"]) == ("true positive", 1.0, "yes", 10.0)
    assert first["score"] == "0.9"
    assert np.isnan(last["true_xmin"]) and last["verdict"] == "false positive"
    assert table["shown"].tolist() == ["yes", "yes", "no", "yes", "yes"]


def test_select_confused_worst_and_best_photos(example):
    assert evaluate.select_photos(example, 2) == {"confused": ["a"], "worst": ["b"], "best": ["c"]}
    assert evaluate.select_photos(example, 0) == {"confused": [], "worst": [], "best": []}
    rows = [(name, "Tops", LEFT) for name in "abcd"]
    best_first = split_metrics(
        rows, [(name, "Tops", 0.9, LEFT) for name in "ab"], thresholds=dict.fromkeys(CLASSES, 0.5)
    )
    assert evaluate.select_photos(best_first, 2) == {"confused": [], "worst": ["c", "d"], "best": ["a", "b"]}


def test_photo_boxes_marks_found_boxes_and_right_detections(example):
    ground_truth, detections = evaluate.photo_boxes(example, "a")
    assert dict(zip(ground_truth["class"], ground_truth["matched"], strict=True)) == {"Tops": True, "Skirts": False}
    assert dict(zip(detections["class"], detections["matched"], strict=True)) == {"Tops": True, "Dresses": False}
    ground_truth, detections = evaluate.photo_boxes(example, "b")
    assert ground_truth["matched"].tolist() == [False, True]  # the difficult one is not missed
    assert detections["matched"].tolist() == [True]
    assert evaluate.outcome_text(*evaluate.photo_boxes(example, "a")) == "1 right, 1 wrong, 1 missed"

from apparel.evaluation import metrics
from apparel.evaluation.choose_thresholds import choose_thresholds
from tests.support.box_tables import CLASSES, LEFT, RIGHT, detection_table, truth_table


def _chosen(ground_truth, detections, min_precision=None):
    return choose_thresholds(ground_truth, metrics.match_detections(ground_truth, detections), CLASSES, min_precision)


def test_best_thresholds_by_class_and_their_fallback():
    ground_truth = truth_table(("a", "Tops", LEFT), ("b", "Tops", LEFT), ("a", "Skirts", LEFT))
    detections = detection_table(("a", "Tops", 0.9, LEFT), ("b", "Tops", 0.12345678, LEFT), ("a", "Skirts", 0.7, RIGHT))
    together = 0.123456  # of the pooled curve: 2 of 3 found with one false positive
    assert _chosen(ground_truth, detections).by_class == {"Dresses": together, "Skirts": together, "Tops": 0.123456}
    assert _chosen(truth_table(), detection_table()).by_class == dict.fromkeys(CLASSES, 0.5)


def test_the_lowest_score_for_a_precision():
    ground_truth = truth_table(*((photo, "Tops", LEFT) for photo in "abcd"))
    detections = detection_table(
        ("a", "Tops", 0.9, LEFT),  # precision 1
        ("a", "Tops", 0.8, RIGHT),  # 1/2
        ("b", "Tops", 0.7, LEFT),  # 2/3
        ("c", "Tops", 0.6, LEFT),  # 3/4
        ("c", "Tops", 0.5, RIGHT),  # 3/5
        ("d", "Tops", 0.5, LEFT),  # 4/6: a threshold of 0.5 takes both
    )
    chosen = _chosen(ground_truth, detections)
    scores = chosen.by_precision["Tops"]
    assert (scores["0.50"], scores["0.66"]) == (0.5, 0.5)
    assert (scores["0.67"], scores["0.75"]) == (0.6, 0.6)
    assert (scores["0.76"], scores["0.99"]) == (0.9, 0.9)
    assert chosen.by_precision["Skirts"] == {}
    for_precision = _chosen(ground_truth, detections, 0.75)
    assert for_precision.by_class["Tops"] == 0.6 and for_precision.min_precision == 0.75
    assert for_precision.by_class["Skirts"] == chosen.by_class["Skirts"]

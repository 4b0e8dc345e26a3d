import warnings
from xml.etree import ElementTree

import pandas as pd
import pytest

from apparel.evaluation import charts, confusion, metrics
from tests.support.box_tables import LEFT, RIGHT, detection_table, truth_table

CLASSES = ["Dresses", "_Tops $\\frac$ <&>"]


def draw(folder, rows=((("a", CLASSES[1], 0.9, LEFT)), ("a", CLASSES[0], 0.8, RIGHT))):
    ground_truth = truth_table(("a", CLASSES[1], LEFT), ("b", CLASSES[1], RIGHT))
    matched = metrics.match_detections(ground_truth, detection_table(*rows))
    points = metrics.metrics_at_thresholds(ground_truth, matched, dict.fromkeys(CLASSES, 0.5))
    charts.plot_precision_recall(
        metrics.precision_recall_curves(ground_truth, matched, CLASSES), points, folder / "curve.svg"
    )
    charts.plot_confusion_matrix(
        confusion.confusion_matrix(confusion.pair_boxes(ground_truth, matched), CLASSES), folder / "confusion.svg"
    )
    return [(folder / name).read_bytes() for name in ("curve.svg", "confusion.svg")]


def test_same_bytes_twice_and_well_formed(tmp_path):
    first, second = draw(tmp_path / "one"), draw(tmp_path / "two")
    assert first == second
    for svg in first:
        ElementTree.fromstring(svg)
        assert b"dc:date" not in svg


def test_the_users_matplotlib_settings_change_nothing(tmp_path):
    import matplotlib

    first = draw(tmp_path / "one")
    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 30}):
        assert draw(tmp_path / "two") == first


def test_a_class_without_ground_truth_has_no_curve(tmp_path):
    curve, _ = draw(tmp_path)
    assert curve.count(b"PathCollection") == 0
    text = curve.decode()
    assert "0.500  _Tops $\\frac$ &lt;&amp;&gt;" in text  # Matplotlib's comment beside the drawn letters
    assert "Dresses" not in text


def test_nothing_to_draw_is_an_empty_plot(tmp_path):
    ground_truth = truth_table()
    curves = metrics.precision_recall_curves(
        ground_truth, metrics.match_detections(ground_truth, detection_table()), CLASSES
    )
    points = pd.DataFrame({"precision": float("nan"), "recall": float("nan")}, index=CLASSES)
    charts.plot_precision_recall(curves, points, tmp_path / "curve.svg")
    text = (tmp_path / "curve.svg").read_text(encoding="utf-8")
    assert ElementTree.fromstring(text).tag.endswith("svg")
    assert "Precision" in text  # Matplotlib's comment beside the drawn letters
    assert not [name for name in CLASSES if name in text]


@pytest.mark.parametrize(("name", "is_text"), [("裙子", True), ("กระโปรง", True), ("Röcke", False)])
def test_names_whose_letters_the_font_lacks_are_text_for_the_viewers_fonts(tmp_path, name, is_text):
    ground_truth = truth_table(("a", name, LEFT))
    matched = metrics.match_detections(ground_truth, detection_table(("a", name, 0.9, LEFT)))
    points = metrics.metrics_at_thresholds(ground_truth, matched, {name: 0.5})
    curves = metrics.precision_recall_curves(ground_truth, matched, [name])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        charts.plot_precision_recall(curves, points, tmp_path / "curve.svg")
        charts.plot_confusion_matrix(
            confusion.confusion_matrix(confusion.pair_boxes(ground_truth, matched), [name]), tmp_path / "confusion.svg"
        )
    for file in ("curve.svg", "confusion.svg"):
        texts = [
            element.text for element in ElementTree.parse(tmp_path / file).iter("{http://www.w3.org/2000/svg}text")
        ]
        assert any(name in text for text in texts) == is_text


def learning_points(tmp_path, history):
    """Points of each learning curve: loss on train, on val, and mAP50; ticks lie outside the clip path."""
    charts.plot_learning_curves(history, tmp_path / "learning.svg")
    root = ElementTree.fromstring((tmp_path / "learning.svg").read_text(encoding="utf-8"))
    svg = "{http://www.w3.org/2000/svg}"
    points = [len(group.findall(f"{svg}use")) for group in root.iter(f"{svg}g") if group.get("clip-path")]
    return [count for count in points if count]


def test_learning_curves_have_a_point_for_each_validation(tmp_path):
    history = pd.DataFrame(
        {"epoch": [5, 10, 15], "train/loss": [3, 2, 1], "val/loss": [3, 2, 2.5], "val/mAP50": [0.1, 0.4, 0.3]}
    )
    assert learning_points(tmp_path, history) == [3, 3, 3]
    assert learning_points(tmp_path, history.head(1)) == [1, 1, 1]
    assert learning_points(tmp_path, history.assign(**{"val/mAP50": float("nan")})) == [3, 3]
    assert "mAP50" in (tmp_path / "learning.svg").read_text(encoding="utf-8")

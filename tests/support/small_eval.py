"""Outputs of eval on four photos and detections that were made up here."""

import io
from types import SimpleNamespace

import pandas as pd
from PIL import Image

from apparel.evaluation import breakdown, evaluate, gallery, metrics, report
from apparel.evaluation.choose_thresholds import choose_thresholds
from tests.support.box_tables import LEFT, RIGHT, detection_table, photo_table, truth_table

CLASSES = ["Dresses", "Tops <b>&"]
NAMES = ["a.jpg", '"><script>alert(1)</script>.jpg', "c d.jpg", "-rf.jpg"]
PARAMS = {
    "data.name": "demo",
    "train.detector": "ssd",
    "train.resolution": 128,
    "train.checkpoint": "none",
    "split.test_list": None,
}
HISTORY = pd.DataFrame({"epoch": [5, 10], "train/loss": [2.0, 1.0], "val/loss": [2.0, 1.5], "val/mAP50": [0.2, 0.4]})


def split(name: str, thresholds: dict[str, float] | None = None) -> evaluate.SplitMetrics:
    """The metrics of a split."""
    ground_truth = truth_table(*((photo, CLASSES[1], LEFT) for photo in NAMES[:3]))
    detections = detection_table(
        (NAMES[0], CLASSES[1], 0.9, LEFT), (NAMES[1], CLASSES[0], 0.8, LEFT), (NAMES[3], CLASSES[1], 0.7, RIGHT)
    )
    tables = SimpleNamespace(photos=photo_table(NAMES), ground_truth=ground_truth, detections=detections)
    if thresholds is None:
        matched = metrics.match_detections(tables.ground_truth, tables.detections)
        thresholds = choose_thresholds(tables.ground_truth, matched, CLASSES).by_class
    return evaluate.measure_split(tables, name, CLASSES, thresholds)


def encoded() -> dict[str, bytes]:
    """The bytes of each photo."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, "PNG")
    return dict.fromkeys(NAMES, buffer.getvalue())


def write() -> evaluate.SplitMetrics:
    """Writes the outputs of eval; returns the metrics on test."""
    val = split("val", dict.fromkeys(CLASSES, 0.5))
    test = split("test", val.thresholds)
    losses = {results.split: breakdown.break_down(results) for results in (val, test)}
    report.write_tables(test, val, losses, dict.fromkeys(NAMES, "0" * 64))
    groups = report.write_pictures(test, HISTORY, encoded(), evaluate.select_photos(test, 2))
    photos = gallery.make_gallery(test, encoded().items(), gallery.select_photos(test))
    report.write_page(test, val, losses["test"], groups, photos, PARAMS)
    return test

"""Detections as tables and as arrays."""

import pandas as pd
import pytest

from apparel.inference import detection_tables
from tests.support.box_tables import LEFT, RIGHT, detection_table, photo_table


def test_tables_become_arrays_and_tables_again():
    table = detection_table(
        ("a", "Skirts", 0.75, RIGHT), ("a", "Tops", 0.25, LEFT), ("c", "Tops", 0.5, (10, 20, 100, 99.5))
    )
    photos = photo_table("abc").assign(height=200)
    detections = detection_tables.from_table(photos, table, ["Skirts", "Tops"])
    assert detections.count.tolist() == [2, 0, 1]
    # ymin, xmin, ymax, xmax of the photo's sides
    assert detections.boxes[0, 0].tolist() == pytest.approx([0, 0.2, 0.05, 0.3])
    assert detections.classes[0, :2].tolist() == [0, 1] and detections.scores[2, 0] == 0.5
    again = detection_tables.to_table(photos, detections, ["Skirts", "Tops"])
    pd.testing.assert_frame_equal(again, table, check_exact=False, atol=1e-4)


def test_photos_without_detections_give_an_empty_table():
    detections = detection_tables.from_table(photo_table("ab"), detection_table(), ["Tops"])
    assert detections.count.tolist() == [0, 0]
    assert len(detection_tables.to_table(photo_table("ab"), detections, ["Tops"])) == 0

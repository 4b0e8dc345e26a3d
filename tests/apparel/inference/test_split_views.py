"""Detections of views on a split of the TFRecords: those of single photos, in the order of the photos' names."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from apparel.boxes import CORNERS
from apparel.inference import fusion, predictor, split_views
from apparel.inference.ensemble import EnsembleNetwork, View
from tests.support import tiny_detector
from tests.support.ensembles import network

CLASSES = tiny_detector.CLASSES


@pytest.fixture
def index(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tiny_detector.records(tmp_path, photos=22)


def test_each_view_gives_what_it_gives_on_photos_alone(index):
    one, two = network("1", CLASSES, 64), network("2", CLASSES, 48)
    ensemble = EnsembleNetwork([View(one, 1), View(two, 3)], fusion.IOU, one.metadata)
    detected = split_views.detect_split(ensemble, index, "val")
    names = detected.photos["filename"].tolist()
    assert names == sorted(names) and len(names) == 11
    assert len(detected.seconds) == 3 and min(detected.seconds) > 0
    photos = [Image.open(name) for name in names]
    scored = [detected.single(0), detected.single(1), detected.fused([1, 3], fusion.IOU)]
    for table, alone in zip(scored, (one, two, ensemble), strict=True):
        expected = predictor.detect(alone, photos)
        assert table.detections["filename"].tolist() == [names[number] for number in expected["photo"]]
        assert table.detections["class"].tolist() == expected["class"].tolist()
        np.testing.assert_allclose(table.detections[["score", *CORNERS]], expected[["score", *CORNERS]], rtol=1e-5)
    assert scored[2].seconds_per_photo == pytest.approx(sum(detected.seconds))
    assert scored[1].seconds_per_photo == detected.seconds[1]


def test_the_ground_truth_is_that_of_the_records(index):
    one = network("1", CLASSES, 64)
    ensemble = EnsembleNetwork([View(one, 1), View(one, 1, is_mirrored=True)], fusion.IOU, one.metadata)
    truth = split_views.detect_split(ensemble, index, "val").ground_truth
    assert len(truth) == index.splits["val"].boxes
    sizes = truth[["xmax", "ymax"]].to_numpy() - truth[["xmin", "ymin"]].to_numpy()
    np.testing.assert_allclose(sizes, np.tile([30, 36], (len(truth), 1)), atol=1e-3)
    assert set(truth["class"]) == set(CLASSES) and not truth["difficult"].any()
    assert isinstance(truth, pd.DataFrame) and truth["filename"].is_monotonic_increasing

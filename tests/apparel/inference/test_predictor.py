"""The same pixels give the same boxes everywhere: as a photo of a split, and on their own."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from apparel.boxes import CORNERS
from apparel.data.index import Index
from apparel.inference.predictor import detect
from apparel.inference.split_detections import detect_split
from apparel.models.detector import Detector
from tests.support import tiny_detector
from tests.support.repository import ROOT

SCORES, PIXELS = 1e-5, 1e-3
"""How far scores and corners may differ: a batch of one photo instead of eight changes the last bits of a float32."""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    return tiny_detector.records(tmp_path)


@pytest.fixture
def detector(index: Index) -> Detector:
    return Detector(tiny_detector.config(tiny_detector.train_params()), tiny_detector.CLASSES)


def _sorted(detections: pd.DataFrame) -> pd.DataFrame:
    """By class and place: scores that are nearly equal may change places."""
    return detections.sort_values(["class", *CORNERS], ignore_index=True)


def test_a_photo_on_its_own_gives_the_boxes_that_it_gives_in_its_split(index: Index, detector: Detector) -> None:
    split = detect_split(detector, index, "val")
    for filename in split.photos["filename"]:
        with Image.open(filename) as photo:
            alone = _sorted(detect(detector, [photo.convert("RGB")]))
        in_split = _sorted(split.detections[split.detections["filename"] == filename])
        assert len(alone) == len(in_split) > 0
        assert alone["class"].tolist() == in_split["class"].tolist()
        np.testing.assert_allclose(alone["score"], in_split["score"], rtol=0, atol=SCORES)
        np.testing.assert_allclose(alone[CORNERS], in_split[CORNERS], rtol=0, atol=PIXELS)


def test_detections_are_in_pixels_of_each_photo_by_falling_score(detector: Detector) -> None:
    photos = [Image.open("photo-6.png").convert("RGB"), Image.open("photo-7.png").convert("RGB").resize((640, 320))]
    detections = detect(detector, photos)
    assert list(detections) == ["photo", "class", "score", *CORNERS]
    assert set(detections["photo"]) == {0, 1} and set(detections["class"]) <= set(tiny_detector.CLASSES)
    for number, photo in enumerate(photos):
        table = detections[detections["photo"] == number]
        assert table["score"].is_monotonic_decreasing and table["score"].between(0, 1).all()
        assert table[["xmax", "ymax"]].max().between(0, np.array(photo.size) + PIXELS).all()
        assert (table[["xmax", "ymax"]].max() > np.array(photo.size) / 2).all()


def test_no_photos_give_an_empty_table(detector: Detector) -> None:
    assert list(detect(detector, [])) == ["photo", "class", "score", *CORNERS]

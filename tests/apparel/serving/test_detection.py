import numpy as np
import pytest

from apparel.serving.detection import detection_list
from apparel.serving.loaded_model import LoadedModel, PhotoDetections
from tests.support.stand_in_network import StandInNetwork


@pytest.fixture(scope="module")
def model():
    model = LoadedModel("a", "hash", [StandInNetwork()])
    yield model
    model.close()


def listed(model, scores, lowest_score):
    boxes = np.tile(np.array([0.1, 0.2, 0.5, 1], np.float32), (len(scores), 1))
    detections = PhotoDetections(boxes, np.arange(len(scores)) % 2, np.array(scores, np.float32))
    return detection_list(detections, (200, 100), model, lowest_score)


def test_corners_are_pixels_of_the_photo(model):
    box = listed(model, [0.9], None)[0]["box"]
    assert box == pytest.approx({"xmin": 40, "ymin": 10, "xmax": 200, "ymax": 50})


def test_each_class_has_its_threshold(model):
    found = listed(model, [0.55, 0.55, 0.75, 0.25], None)  # thresholds: bright 0.6, dim 0.5
    assert [(entry["class"], entry["score"]) for entry in found] == [("bright", 0.75), ("dim", pytest.approx(0.55))]


def test_a_lowest_score_wins_over_thresholds_and_shows_what_is_above_them(model):
    found = listed(model, [0.55, 0.55, 0.75, 0.25], 0.5)
    assert [(entry["class"], entry["shown"]) for entry in found] == [("bright", True), ("bright", False), ("dim", True)]


def test_no_detection(model):
    assert listed(model, [], 0) == []

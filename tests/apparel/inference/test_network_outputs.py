import numpy as np
import pytest

from apparel.errors import UserError
from apparel.inference import network_outputs

NAMES = ("shirt", "skirt")


def outputs(**changes):
    plain = {
        "boxes": np.array([[[0.1, 0.2, 0.5, 0.6], [0, 0, 1, 1], [9, 9, 9, 9]]], np.float32),
        "classes": np.array([[1, 0, 7]], np.float32),
        "scores": np.array([[0.9, 0.1, np.nan]], np.float32),
        "count": np.array([2], np.float32),
    }
    return [*(plain | changes).values()]


def test_padding_may_hold_anything():
    detections = network_outputs.detections(*outputs(), NAMES, "file")
    assert detections.count.tolist() == [2]
    assert detections.classes[0, :2].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": np.array([[0.9, np.nan, 0]])}, "file gives scores that are no numbers from 0 to 1, such as nan"),
        ({"scores": np.array([[1.1, 0.5, 0]])}, "scores .* such as 1.1"),
        ({"classes": np.array([[2, 0, 0]])}, "classes that are no whole numbers from 0 to 1, such as 2"),
        ({"classes": np.array([[0.5, 0, 0]])}, "classes that are no whole numbers"),
        ({"classes": np.array([[-1, 0, 0]])}, "classes that are no whole numbers"),
        ({"boxes": np.array([[[0, 0, np.inf, 1]] * 3])}, "corners that are no numbers from 0 to 1, such as inf"),
        ({"count": np.array([4])}, "numbers of detections that are no whole numbers from 0 to 3, such as 4"),
        ({"count": np.array([np.nan])}, "numbers of detections"),
        ({"count": np.array(2)}, "of the shapes"),
        ({"boxes": np.zeros((1, 2, 4))}, r"of the shapes \(1, 2, 4\), \(1, 3\), \(1, 3\), \(1,\)"),
        ({"scores": np.zeros(3)}, "of the shapes"),
    ],
)
def test_what_is_no_detection_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        network_outputs.detections(*outputs(**changes), NAMES, "file")

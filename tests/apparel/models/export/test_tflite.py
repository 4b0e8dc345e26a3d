"""Files of TensorFlow Lite detect what the trained model detects."""

import numpy as np
import pytest

from apparel.inference.tflite_network import TFLiteNetwork
from apparel.models.export import tflite
from tests.support import decided_detector


@pytest.fixture(scope="module")
def trained():
    return decided_detector.network()


def test_float_is_the_same_within_noise_and_the_same_bytes_each_time(trained, tmp_path):
    one, other = tmp_path / "one.tflite", tmp_path / "other.tflite"
    for path in (one, other):
        tflite.write(trained.detector, trained.metadata, path)
    assert one.read_bytes() == other.read_bytes()
    network = TFLiteNetwork(one)
    for image in decided_detector.images():
        expected, detections = trained.detect(image[np.newaxis]), network.detect(image[np.newaxis])
        assert expected.count[0] == detections.count[0] > 50
        np.testing.assert_array_equal(detections.classes, expected.classes)
        np.testing.assert_allclose(detections.scores, expected.scores, atol=1e-4)
        np.testing.assert_allclose(detections.boxes, expected.boxes, atol=1e-4)


def test_integers_detect_nearly_the_same_and_take_whole_levels(trained, tmp_path):
    images = decided_detector.images(12)
    network = _of_integers(trained, images, tmp_path)
    assert network._input["dtype"] == np.uint8
    kinds = [
        (op["op_name"], op["inputs"][1]) for op in network._interpreter._get_ops_details() if "CONV" in op["op_name"]
    ]
    tensors = {tensor["index"]: tensor["dtype"] for tensor in network._interpreter.get_tensor_details()}
    integers = [tensors[weights] == np.int8 for _, weights in kinds]
    assert sum(integers) == len(integers) - 12  # a box and a class head for each of six feature maps
    for image in images[:4]:
        expected, detections = trained.detect(image[np.newaxis]), network.detect(image[np.newaxis])
        best = int(expected.classes[0, 0])
        same = np.flatnonzero(detections.classes[0] == best)[0]
        assert abs(detections.scores[0, same] - expected.scores[0, 0]) < 0.1
        np.testing.assert_allclose(detections.boxes[0, same], expected.boxes[0, 0], atol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "heads"), [("ssd_efficientnet_lite0", 12), ("ssd_efficientnet_lite0_fpnlite", 8)])
def test_residual_blocks_are_integers_throughout(name, heads, tmp_path):
    trained = decided_detector.network(head_gain=0.5, detector=name)
    path = tmp_path / "float.tflite"
    tflite.write(trained.detector, trained.metadata, path)
    images = decided_detector.images(12)
    _agree(trained, TFLiteNetwork(path), images[:4], scores=1e-3, boxes=1e-3)
    network = _of_integers(trained, images, tmp_path)
    tensors = {tensor["index"]: tensor for tensor in network._interpreter.get_tensor_details()}
    operations = network._interpreter._get_ops_details()
    sums = [op for op in operations if op["op_name"] == "ADD" and "block_" in tensors[op["outputs"][0]]["name"]]
    assert len(sums) == 10  # of 16 blocks, those that keep side and width
    assert all(tensors[op["outputs"][0]]["dtype"] == np.int8 for op in sums)
    floats = [op for op in operations if "CONV" in op["op_name"] and tensors[op["inputs"][1]]["dtype"] != np.int8]
    assert len(floats) == heads
    _agree(trained, network, images[:4])


@pytest.mark.slow
def test_scores_of_focal_losses_are_those_of_a_sigmoid_in_all_formats(tmp_path):
    trained = decided_detector.network(head_gain=0.5, classification_loss="focal")
    path = tmp_path / "float.tflite"
    tflite.write(trained.detector, trained.metadata, path)
    images = decided_detector.images(12)
    _agree(trained, TFLiteNetwork(path), images[:4], scores=1e-3, boxes=1e-3)
    _agree(trained, _of_integers(trained, images, tmp_path), images[:4])
    assert 0 < trained.detect(images[:1]).scores.min() < trained.detect(images[:1]).scores.max() < 1


def _of_integers(trained, images, folder) -> TFLiteNetwork:
    path = folder / "int8.tflite"
    tflite.write(trained.detector, trained.metadata, path, lambda: (image[np.newaxis] for image in images))
    return TFLiteNetwork(path)


def _agree(trained, network, images, scores=0.1, boxes=0.1) -> None:
    """The best detection of each photo is among those of the export."""
    for image in images:
        expected, detections = trained.detect(image[np.newaxis]), network.detect(image[np.newaxis])
        distances = np.abs(detections.boxes[0] - expected.boxes[0, 0]).max(axis=1)
        same = (detections.classes[0] == expected.classes[0, 0]) & (distances < boxes)
        assert np.abs(detections.scores[0, same] - expected.scores[0, 0]).min() < scores

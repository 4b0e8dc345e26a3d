from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from object_detection.builders import post_processing_builder

from apparel.errors import UserError
from apparel.models.detections import Detections
from apparel.models.detector import Detector
from apparel.models.export import onnx as onnx_export
from apparel.models.metadata import KEY, Metadata
from tests.support import onnx_files, tiny_detector

pytestmark = pytest.mark.slow  # the conversion


@pytest.fixture(scope="module")
def network(exported) -> onnx.ModelProto:
    """The network without the suppression, converted once more."""
    return onnx_export._convert(exported[0])


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> tuple[Detector, Path]:
    path = tmp_path_factory.mktemp("export") / "detector.onnx"
    return onnx_files.write(path), path


def of_tensorflow(detector: Detector, images: np.ndarray) -> Detections:
    shape = [[*images.shape[1:]]] * len(images)
    return Detections(*(values.numpy() for values in detector._detect(tf.constant(images), tf.constant(shape))))


def run(model: bytes, images: np.ndarray) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(model).run(None, {"images": images})


def of_onnx(model: bytes, images: np.ndarray) -> Detections:
    boxes, classes, scores, count = run(model, images)
    return Detections(boxes, classes - 1, scores, count)


def assert_same(found: Detections, expected: Detections) -> None:
    for name in Detections._fields:
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("photos", [1, 3])
def test_detections_are_those_of_the_trained_model(exported, photos):
    detector, path = exported
    images = onnx_files.photos(photos)
    expected = of_tensorflow(detector, images)
    assert expected.count.min() > 20
    assert len(np.unique(expected.classes)) == 2
    assert_same(of_onnx(path.read_bytes(), images), expected)


def test_scores_of_focal_losses_are_those_of_a_sigmoid(tmp_path):
    detector = onnx_files.write(tmp_path / "focal.onnx", classification_loss="focal")
    images = onnx_files.photos(2)
    assert_same(of_onnx((tmp_path / "focal.onnx").read_bytes(), images), of_tensorflow(detector, images))


@pytest.mark.parametrize(
    ("most", "by_class", "iou", "score", "branch"),
    [
        (5, 5, 0.6, 1e-8, "then"),
        (5, 3, 0.3, 1e-8, "else"),
        (12, 5, 0.6, 1e-8, "else"),  # the limit by class leaves too few
        (12, 12, 0.6, 0.9, "else"),  # few scores are high enough
        (100, 40, 0.5, 0.2, None),  # so few anchors that all of them are looked at
    ],
)
def test_suppression_is_that_of_the_pipeline_file(exported, network, monkeypatch, most, by_class, iou, score, branch):
    """Also where the highest scores alone do not give enough detections, and the suppression runs on all."""
    detector, _ = exported
    config = type(detector.config)()
    config.CopyFrom(detector.config)
    suppression = config.model.ssd.post_processing.batch_non_max_suppression
    suppression.max_total_detections, suppression.max_detections_per_class = most, by_class
    suppression.iou_threshold, suppression.score_threshold = iou, score
    monkeypatch.setattr(detector, "config", config)
    suppress, _ = post_processing_builder.build(config.model.ssd.post_processing)
    monkeypatch.setattr(detector.model, "_non_max_suppression_fn", suppress)
    monkeypatch.setattr(onnx_export, "CANDIDATES", 3)
    model = onnx_export._complete(onnx, detector, onnx_files.METADATA, network)
    assert any(node.op_type == "If" for node in model.graph.node) == (branch is not None)
    if branch:
        model.graph.output.append(onnx.helper.make_tensor_value_info("is_enough", onnx.TensorProto.BOOL, []))
    images = onnx_files.photos(2)
    boxes, classes, scores, count, *is_enough = run(model.SerializeToString(), images)
    assert_same(Detections(boxes, classes - 1, scores, count), of_tensorflow(detector, images))
    assert is_enough == ([] if branch is None else [branch == "then"])


def test_one_detector_gives_the_same_bytes(exported, network):
    detector, path = exported
    again = onnx_export._complete(onnx, detector, onnx_files.METADATA, network).SerializeToString(deterministic=True)
    assert again == path.read_bytes(), "differs"


def test_metadata_and_interface_are_in_the_file(exported):
    _, path = exported
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert {prop.key for prop in model.metadata_props} == {KEY}
    assert Metadata.from_json(model.metadata_props[0].value, "file") == onnx_files.METADATA
    session = onnxruntime.InferenceSession(path)
    side = tiny_detector.SIDE
    assert [(value.name, value.shape, value.type) for value in session.get_inputs()] == [
        ("images", ["N", side, side, 3], "tensor(float)")
    ]
    names = ["detection_boxes", "detection_classes", "detection_scores", "num_detections"]
    assert [value.name for value in session.get_outputs()] == names


def test_convolutions_hold_the_batch_normalisation(exported):
    operations = [node.op_type for node in onnx.load(exported[1]).graph.node]
    assert "BatchNormalization" not in operations
    heads = 2 * 6
    assert operations.count("Transpose") <= 1 + heads + 2  # photos, heads, scores and areas


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [("soft_nms_sigma", 0.5, "soft_nms_sigma"), ("use_class_agnostic_nms", True, "use_class_agnostic_nms")],
)
def test_what_the_format_cannot_hold_is_refused(tmp_path, field, value, named):
    config = tiny_detector.config(tiny_detector.train_params())
    setattr(config.model.ssd.post_processing.batch_non_max_suppression, field, value)
    detector = Detector.__new__(Detector)
    detector.config = config
    with pytest.raises(UserError, match=f"onnx cannot hold {named}.*use saved_model"):
        onnx_export.write(detector, onnx_files.METADATA, tmp_path / "detector.onnx")
    assert not list(tmp_path.iterdir())

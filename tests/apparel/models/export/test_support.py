import pytest

from apparel.errors import UserError
from apparel.models.export import support
from tests.support import tiny_detector


@pytest.fixture
def config():
    return tiny_detector.config(tiny_detector.train_params())


def test_the_projects_detector_goes_into_every_format(config):
    for name in ("saved_model", "tflite", "tflite_int8", "onnx"):
        support.check_format(config, name)
    assert support.input_size(config) == (tiny_detector.SIDE, tiny_detector.SIDE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda config: config.model.faster_rcnn.SetInParent(),
            "tflite holds an SSD, and the pipeline file has faster",
        ),
        (
            lambda config: config.model.ssd.image_resizer.keep_aspect_ratio_resizer.SetInParent(),
            "tflite needs a fixed_shape_resizer, and the pipeline file has keep_aspect_ratio_resizer",
        ),
        (lambda config: config.model.ssd.box_coder.square_box_coder.SetInParent(), "faster_rcnn_box_coder"),
        (lambda config: config.model.ssd.post_processing.calibration_config.SetInParent(), "no calibration of scores"),
        (
            lambda config: setattr(
                config.model.ssd.post_processing.batch_non_max_suppression, "use_class_agnostic_nms", True
            ),
            "suppresses overlapping boxes by class",
        ),
        (
            lambda config: setattr(
                config.model.ssd.post_processing.batch_non_max_suppression, "max_detections_per_class", 20
            ),
            "set the pipeline file's max_detections_per_class to its max_total_detections, 100",
        ),
    ],
)
def test_another_detector_is_refused_with_what_would_do(config, change, message):
    change(config)
    support.check_format(config, "saved_model")
    with pytest.raises(UserError, match=message) as refused:
        support.check_format(config, "tflite")
    assert "saved_model" in str(refused.value)

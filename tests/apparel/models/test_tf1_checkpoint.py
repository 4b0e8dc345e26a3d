"""Checkpoints of TensorFlow 1: the weights of SSD MobileNet v1 under tf_slim's names, in the Keras model."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from apparel import paths
from apparel.errors import UserError
from apparel.models import pipeline_config
from apparel.models.detector import Detector
from apparel.models.tf1_checkpoint import tf1_name
from apparel.models.weights import load_pretrained_weights
from tests.support import tiny_detector
from tests.support.repository import ROOT

FEATURES = "ssd_mobile_net_v1_keras_feature_extractor/FeatureMaps/"


@pytest.mark.parametrize(
    ("keras", "slim"),
    [
        ("conv1/kernel:0", "FeatureExtractor/MobilenetV1/Conv2d_0/weights"),
        ("conv1_bn/moving_mean:0", "FeatureExtractor/MobilenetV1/Conv2d_0/BatchNorm/moving_mean"),
        ("conv_dw_13/depthwise_kernel:0", "FeatureExtractor/MobilenetV1/Conv2d_13_depthwise/depthwise_weights"),
        ("conv_pw_7_bn/gamma:0", "FeatureExtractor/MobilenetV1/Conv2d_7_pointwise/BatchNorm/gamma"),
        (
            f"{FEATURES}Conv2d_13_pointwise_2_Conv2d_3_3x3_s2_256_conv/kernel:0",
            "FeatureExtractor/MobilenetV1/Conv2d_13_pointwise_2_Conv2d_3_3x3_s2_256/weights",
        ),
        (
            f"{FEATURES}Conv2d_13_pointwise_1_Conv2d_5_1x1_64_batchnorm/beta:0",
            "FeatureExtractor/MobilenetV1/Conv2d_13_pointwise_1_Conv2d_5_1x1_64/BatchNorm/beta",
        ),
        (
            "BoxPredictor/ConvolutionalBoxHead_3/BoxEncodingPredictor/bias:0",
            "BoxPredictor_3/BoxEncodingPredictor/biases",
        ),
        ("BoxPredictor/ConvolutionalClassHead_0/ClassPredictor/kernel:0", "BoxPredictor_0/ClassPredictor/weights"),
        ("block_1_expand/kernel:0", None),
    ],
)
def test_names_of_tf_slim(keras: str, slim: str | None) -> None:
    assert tf1_name(keras) == slim


def detector(checkpoint: str = "none", classes: int = 2, **changes) -> tuple[Detector, object]:
    train = tiny_detector.train_params(checkpoint=checkpoint, **changes)
    names = tuple(f"class {number}" for number in range(classes))
    return Detector(pipeline_config.merge(train, classes, steps=10), names), train


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    return tmp_path / paths.PRETRAINED


def save_as_tf1(given: Detector, folder: Path, scope: str = "") -> None:
    """Writes a detector's weights as TensorFlow 1's Saver does, with what a training leaves beside them."""
    (folder / "checkpoint").mkdir(parents=True)
    values = {tf1_name(variable.name).removeprefix(scope): variable.numpy() for variable in given.model.variables}
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = [tf.compat.v1.get_variable(name, initializer=value) for name, value in values.items()]
        variables.append(tf.compat.v1.train.create_global_step())
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver(variables).save(session, str(folder / "checkpoint" / "ckpt-0"))


def test_the_same_weights_in_both_layouts_give_the_same_detections(project: Path) -> None:
    given, _ = detector()
    random = np.random.default_rng(0)
    for variable in given.model.variables:  # batch normalisation starts with zeros and ones
        variable.assign(np.abs(random.normal(0.1, 0.05, variable.shape)).astype(np.float32))
    given.save(project / "tf2")
    save_as_tf1(given, project / "tf1")
    photo, shape = tf.random.stateless_uniform([1, 64, 64, 3], [0, 1]) * 255, tf.constant([[64, 64, 3]])
    outputs = []
    for name in ("tf1", "tf2"):
        restored, train = detector(name, checkpoint_type="full")
        load_pretrained_weights(restored, train)
        outputs.append(restored.model.predict(restored.model._feature_extractor.preprocess(photo), shape))
    for key in ("box_encodings", "class_predictions_with_background", "feature_maps"):
        for ours, theirs in zip(tf.nest.flatten(outputs[0][key]), tf.nest.flatten(outputs[1][key]), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert np.ptp(outputs[0]["box_encodings"]) > 0


def test_other_classes_take_all_but_the_class_heads_and_other_widths_are_refused(project: Path) -> None:
    given, _ = detector()
    save_as_tf1(given, project / "tf1")
    six, train = detector("tf1", classes=6)
    load_pretrained_weights(six, train)
    heads = [part.model._box_predictor._prediction_heads["box_encodings"][0].variables[0] for part in (six, given)]
    np.testing.assert_array_equal(*heads)
    with pytest.raises(UserError, match=r"another shape.*BoxPredictor_0/ClassPredictor.*number of classes"):
        load_pretrained_weights(six, train.model_copy(update={"checkpoint_type": "full"}))
    wide, train = detector("tf1", depth_multiplier=0.5)
    with pytest.raises(UserError, match=r"another shape.*MobilenetV1/Conv2d_\d+_.*depth_multiplier"):
        load_pretrained_weights(wide, train)


def test_a_classifier_gives_the_backbone(project: Path) -> None:
    given, _ = detector()
    save_as_tf1(given, project / "tf1", scope="FeatureExtractor/")
    restored, train = detector("tf1", checkpoint_type="backbone")
    load_pretrained_weights(restored, train)
    np.testing.assert_array_equal(*(part.backbone.get_layer("conv_pw_13").kernel for part in (restored, given)))

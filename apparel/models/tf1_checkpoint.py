"""TensorFlow 1 checkpoints of SSD MobileNet v1, read into the Keras model of the same network.

The Object Detection API builds the network twice: with tf_slim for TensorFlow 1
(object_detection/models/ssd_mobilenet_v1_feature_extractor.py, nets/mobilenet_v1.py) and with Keras for TensorFlow 2
(ssd_mobilenet_v1_keras_feature_extractor.py). Shapes and order of all weights are the same, only the names differ.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from apparel.errors import plain
from apparel.models.detector import CheckpointMismatch
from apparel.utils.tensor_bundle import Tensor

SCOPE = "FeatureExtractor/MobilenetV1"
"""Scope of the network's variables in a detector; a classifier's checkpoint has the second part alone."""

BACKBONE_LAYERS = (
    (r"conv1", "Conv2d_0"),
    (r"conv_dw_(\d+)", r"Conv2d_\1_depthwise"),
    (r"conv_pw_(\d+)", r"Conv2d_\1_pointwise"),
)
"""Keras' names of the backbone's layers, and tf_slim's."""

WEIGHTS = {"kernel": "weights", "depthwise_kernel": "depthwise_weights", "bias": "biases"}
"""Keras' names of a layer's weights, and tf_slim's; those of batch normalisation are the same."""


def tf1_name(variable: str) -> str | None:
    """The name of a variable of the Keras model in a checkpoint of TensorFlow 1; None where it has no such variable."""
    *scopes, layer, weight = variable.removesuffix(":0").split("/")
    if head := re.fullmatch(r"Convolutional(?:Box|Class)Head_(\d+)", scopes[-1] if scopes else ""):
        return f"BoxPredictor_{head[1]}/{layer}/{WEIGHTS.get(weight, weight)}"
    layer, is_norm = re.subn(r"_(bn|batchnorm)$", "", layer)
    layer = layer.removesuffix("_conv") if not is_norm else layer
    if not layer.startswith("Conv2d_"):  # the extra feature maps' layers have tf_slim's names
        for keras, slim in BACKBONE_LAYERS:
            if re.fullmatch(keras, layer):
                layer = re.sub(keras, slim, layer)
                break
        else:
            return None
    return f"{SCOPE}/{layer}/{f'BatchNorm/{weight}' if is_norm else WEIGHTS.get(weight, weight)}"


def restore_variables(variables: Sequence[tf.Variable], path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Gives variables of the Keras model the values that a checkpoint of TensorFlow 1 has for them.

    Args:
        variables: of the feature extractor or of the heads of an SSD MobileNet v1.
        path: the checkpoint, without an ending.
        tensors: its index.

    Raises:
        CheckpointMismatch: it lacks one of them, or has it in another shape; none is changed then.
    """
    names = []
    for variable in variables:
        name = _stored_name(variable.name, path, tensors)
        names.append(name)
        if tensors[name].shape != tuple(variable.shape):
            shapes = f"{list(tensors[name].shape)}, the detector's has {variable.shape.as_list()}"
            raise CheckpointMismatch(
                f"{path} is of another shape than the detector: {name} has {shapes}; "
                "check train.detector, train.checkpoint_type, train.depth_multiplier and the number of classes"
            )
    reader = tf.train.load_checkpoint(str(path))
    for variable, name in zip(variables, names, strict=True):
        variable.assign(reader.get_tensor(name))


def _stored_name(variable: str, path: Path, tensors: Mapping[str, Tensor]) -> str:
    name = tf1_name(variable)
    if name is None:
        raise CheckpointMismatch(
            f"{path} is a checkpoint of TensorFlow 1, which is read for SSD MobileNet v1 only: the detector has "
            f"{plain(variable)}; check train.detector"
        )
    for stored in (name, name.removeprefix("FeatureExtractor/")):
        if stored in tensors:
            return stored
    raise CheckpointMismatch(f"{path} lacks {name}; check train.detector and train.checkpoint_type")

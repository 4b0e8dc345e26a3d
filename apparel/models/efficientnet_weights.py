"""EfficientNet-Lite's weights on ImageNet, as PyTorch names and turns them, read into the Keras model of the network.

The weights are those of github.com/tensorflow/tpu, models/official/efficientnet/lite, which
github.com/ml-illustrated/EfficientNet-Lite-PyTorch converted.
"""

import re
from pathlib import Path

import numpy as np
import tensorflow as tf

from apparel.errors import UserError, plain, some_of
from apparel.utils import torch_weights

NORMS = {"expand": 0, "depthwise": 1, "project": 2}
"""Numbers of a block's normalisations in PyTorch's names, by the convolution that they follow."""

OUTER_NORMS = {"stem": 0, "head": 1}

WEIGHTS = {
    "kernel": "weight",
    "depthwise_kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
"""Keras' names of a layer's weights, and PyTorch's."""

KERNEL_AXES = {"kernel": (2, 3, 1, 0), "depthwise_kernel": (2, 3, 0, 1)}
"""PyTorch's axes (outputs, inputs, height, width) in the order of Keras' (height, width, inputs, outputs), by the name
of the weights; the inputs of a depthwise kernel are PyTorch's outputs."""

UNUSED = r"_fc\.(weight|bias)|.*\.num_batches_tracked"
"""Tensors of the classifier, and counters."""


def torch_name(variable: str) -> str | None:
    """PyTorch's name of a variable of `efficientnet_lite.backbone`; None where it has no such variable."""
    layer, _, weight = variable.removesuffix(":0").rpartition("/")
    match = re.fullmatch(r"(?:block_(\d+)_)?(stem|head|expand|depthwise|project)_(conv|bn)", layer)
    if not match or weight not in WEIGHTS:
        return None
    block, part, kind = match.groups()
    norms = NORMS if block else OUTER_NORMS
    if part not in norms:
        return None
    stem_or_head = {"stem": "_conv_stem", "head": "_conv_head"}
    module = f"_bn{norms[part]}" if kind == "bn" else stem_or_head.get(part, f"_{part}_conv")
    return ".".join([*(("_blocks", block) if block else ()), module, WEIGHTS[weight]])


def load_weights(backbone: tf.keras.Model, path: Path) -> None:
    """Gives a backbone the weights of a file; each of its variables, and each tensor but `UNUSED`, has its counterpart.

    Raises:
        UserError: the file is damaged, or of another network or width; nothing is changed then.
    """
    tensors = torch_weights.read_tensors(path)
    values = []
    for variable in backbone.variables:
        name = torch_name(variable.name)
        if name is None or name not in tensors:
            raise _mismatch(path, f"the detector's backbone has {plain(variable.name)}, the weights do not")
        value = _as_keras(variable.name, tensors.pop(name))
        if value.shape != tuple(variable.shape):
            shapes = f"{list(value.shape)}, the detector's has {variable.shape.as_list()}"
            raise _mismatch(path, f"{plain(name)} has {shapes}")
        values.append(value)
    if unknown := [name for name in tensors if not re.fullmatch(UNUSED, name)]:
        raise _mismatch(path, f"the weights have {plain(some_of(unknown, 1))}, the detector's backbone does not")
    for variable, value in zip(backbone.variables, values, strict=True):
        variable.assign(value)


def _as_keras(variable: str, value: np.ndarray) -> np.ndarray:
    axes = KERNEL_AXES.get(variable.removesuffix(":0").rpartition("/")[2])
    return value.transpose(axes) if axes and value.ndim == len(axes) else value


def _mismatch(path: Path, difference: str) -> UserError:
    return UserError(
        f"{path} is of another shape than the backbone: {difference}; "
        "check train.detector, and set train.depth_multiplier to 1.0"
    )

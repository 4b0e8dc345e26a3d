"""Mixed precision: the backbone computes in bfloat16 while it trains, with weights, losses and all else in float32.

Keras' policy `mixed_bfloat16`, which the Object Detection API takes for `use_bfloat16` on TPUs, counts for validations
and exports as well: photos would get other detections than in float32 formats, and TensorFlow Lite and ONNX have no
such layers. So layers are built with the policy, whose variables can be read in both, and have it in training only.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf
from object_detection.utils.ops import bfloat16_to_float32_nested as to_float32

from apparel.models.tfod.pipeline_file import PipelineConfig

__all__ = ("built_for", "compute_in_bfloat16", "to_float32")

_MIXED, _PLAIN = "mixed_bfloat16", "float32"
"""Keras' names of its policies."""


@contextmanager
def built_for(config: PipelineConfig) -> Iterator[None]:
    """Layers that are built in this block can compute in bfloat16, if the pipeline file says `use_bfloat16`."""
    try:
        tf.keras.mixed_precision.set_global_policy(_MIXED if config.train_config.use_bfloat16 else _PLAIN)
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(_PLAIN)


def compute_in_bfloat16(model: tf.Module, on: bool) -> None:
    """Has the backbone of a model that was `built_for` bfloat16 compute in it, or in float32, when it is traced next.

    Layers after it, a small part of the work, stay float32: oneDNN leaves the filter gradient of a 3x3 convolution with
    stride 2 on a feature map of 1x1 partly unset in bfloat16, so that weights become NaN.
    """
    backbone = {id(layer) for layer in model._feature_extractor.classification_backbone.submodules}
    for layer in model.submodules:
        if isinstance(layer, tf.keras.layers.Layer):
            layer._set_dtype_policy(_MIXED if on and id(layer) in backbone else _PLAIN)

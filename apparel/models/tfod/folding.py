"""Batch normalisation that keeps its statistics, folded into the convolution before it while a training step is traced.

Convolution, batch normalisation and ReLU6 then are one operation of oneDNN (`_FusedConv2D`), which writes one feature
map where three operations write and read three. Patches the `call` of the layers it is given; it may go once Grappler
folds batch normalisation in a graph whose weights are variables.
"""

from collections.abc import Sequence
from functools import partial

import tensorflow as tf

from apparel.models.tfod import onednn

CONVOLUTIONS = (tf.keras.layers.Conv2D, tf.keras.layers.DepthwiseConv2D)
"""Layers that batch normalisation is folded into; in Keras the second is not a kind of the first."""


def fold_batch_norm(layers: Sequence[tf.keras.layers.Layer]) -> None:
    """Folds batch normalisation into those of `layers` that are convolutions whose output it alone takes.

    Outputs and gradients stay the same but for rounding. Evaluation is not changed, so that a photo gets the same
    detections in a validation as anywhere else.

    Args:
        layers: of a functional model; batch normalisation that learns its statistics is left alone.
    """
    for layer in layers:
        followers = [node.layer for node in layer.outbound_nodes]
        if isinstance(layer, CONVOLUTIONS) and not layer.use_bias and len(followers) == 1:
            norm = followers[0]
            if getattr(norm, "_training", None) is False:  # the API's FreezableBatchNorm, frozen
                layer.call = partial(_convolve, layer, norm, layer.call)
                norm.call = partial(_normalise, norm.call)


def _convolve(layer, norm, original, inputs):
    """gamma * (conv(x, kernel) - mean) / std + beta = conv(x, kernel * gamma / std) + beta - mean * gamma / std."""
    if not tf.keras.backend.learning_phase():
        return original(inputs)
    scale = tf.math.rsqrt(norm.moving_variance + norm.epsilon) * (norm.gamma if norm.scale else 1.0)
    padding, strides = layer.padding.upper(), layer.strides
    if isinstance(layer, tf.keras.layers.DepthwiseConv2D):
        kernel = tf.cast(layer.depthwise_kernel, tf.float32) * scale[:, tf.newaxis]
        kernel = tf.cast(kernel, inputs.dtype)
        outputs = tf.nn.depthwise_conv2d(inputs, kernel, (1, *strides, 1), padding, dilations=layer.dilation_rate)
    else:
        kernel = tf.cast(layer.kernel, tf.float32) * scale
        outputs = onednn.convolve(inputs, tf.cast(kernel, inputs.dtype), strides, padding, layer.dilation_rate)
    bias = (norm.beta if norm.center else 0.0) - norm.moving_mean * scale
    return tf.nn.bias_add(outputs, tf.cast(bias, outputs.dtype))


def _normalise(original, inputs, training=None):
    return inputs if tf.keras.backend.learning_phase() else original(inputs, training=training)

"""Batch normalisation and filter gradients that oneDNN, TensorFlow's library for processors, is slow at, done faster.

Patches the `call` of the layers it is given, in training only; outputs and gradients stay the same but for rounding.
May go once oneDNN has such kernels: `python -m benchmarks train_costs` shows what it saves.
"""

from collections.abc import Sequence
from functools import partial

import tensorflow as tf

CHANNELS_AT_ONCE = 16
"""float32 in an AVX-512 register: batch normalisation of other numbers of channels takes oneDNN four times as long."""

WIDE = 96
"""Channels, in and out, from which a 1x1 filter's gradient is faster as a matrix product, from 384 by a third."""


def speed_up(layers: Sequence[tf.keras.layers.Layer]) -> None:
    """Speeds up those of `layers` that are slow on a processor; does nothing on a machine with a GPU.

    Args:
        layers: batch normalisation that is frozen is left alone, so is a convolution whose `call` is replaced already.
    """
    if tf.config.list_physical_devices("GPU"):
        return
    for layer in layers:
        if getattr(layer, "_training", False) is not False:  # the API's FreezableBatchNorm, not frozen
            layer.call = partial(_normalise, layer, layer.call)
        elif type(layer) is tf.keras.layers.Conv2D and not layer.use_bias and "call" not in vars(layer):
            layer.call = partial(_convolve, layer, layer.call)


def convolve(inputs: tf.Tensor, kernel: tf.Tensor, strides: Sequence[int], padding: str, dilations) -> tf.Tensor:
    """`tf.nn.conv2d` whose filter gradient, where the filter is 1x1 and wide, is a product of two matrices."""
    if kernel.shape[:2] == [1, 1] and tuple(strides) == (1, 1) and min(kernel.shape[2:]) >= WIDE:
        return _pointwise(inputs, kernel)
    return tf.nn.conv2d(inputs, kernel, strides, padding, dilations=dilations)


def _convolve(layer, original, inputs):
    if not tf.keras.backend.learning_phase():
        return original(inputs)
    return convolve(
        inputs, tf.cast(layer.kernel, inputs.dtype), layer.strides, layer.padding.upper(), layer.dilation_rate
    )


@tf.custom_gradient
def _pointwise(inputs, kernel):
    def gradient(outputs):
        rows, columns = (tf.reshape(maps, [-1, maps.shape[3]]) for maps in (inputs, outputs))
        filters = tf.reshape(tf.matmul(rows, columns, transpose_a=True), kernel.shape)
        return tf.raw_ops.Conv2DBackpropInput(
            input_sizes=tf.shape(inputs), filter=kernel, out_backprop=outputs, strides=[1, 1, 1, 1], padding="SAME"
        ), filters

    return tf.nn.conv2d(inputs, kernel, 1, "SAME"), gradient


def _normalise(layer, original, inputs, training=None):
    parts = _parts(inputs.shape)
    if not tf.keras.backend.learning_phase() or parts == 1:
        return original(inputs, training=training)
    channels = inputs.shape[3]
    gamma = layer.gamma if layer.scale else tf.ones([channels])
    beta = layer.beta if layer.center else tf.zeros([channels])
    outputs, mean, variance = _normalise_by_parts(inputs, gamma, beta, parts, layer.epsilon)
    places = tf.cast(tf.size(inputs) // channels, tf.float32)
    unbiased = variance * (places / (places - 1))
    for average, value in ((layer.moving_mean, mean), (layer.moving_variance, unbiased)):
        average.assign(average * layer.momentum + value * (1 - layer.momentum))
    return outputs


def _parts(shape: tf.TensorShape) -> int:
    """Into how many parts the places of feature maps (B, H, W, C) are divided, which stand side by side as channels, so
    that these are a multiple of `CHANNELS_AT_ONCE`; 1 where they are one, or no such number divides the places."""
    _, height, width, channels = shape
    if channels is None or height is None or width is None:
        return 1
    numbers = range(1, CHANNELS_AT_ONCE + 1)
    parts = next(number for number in numbers if number * channels % CHANNELS_AT_ONCE == 0)
    return parts if height * width % parts == 0 else 1


def _normalise_by_parts(inputs, gamma, beta, parts: int, epsilon: float):
    """Normalised feature maps (B, H, W, C), and the batch's mean and biased variance (C,), which have no gradient.

    Mean and variance of all places follow from those of the parts, which are of one size: Chan et al. 1979, eq. 1.5.
    """
    height, width, channels = inputs.shape[1:]
    side_by_side = [-1, height * width // parts, 1, channels * parts]
    places = tf.cast(tf.size(inputs) // (channels * parts), tf.float32)

    @tf.custom_gradient
    def normalise(inputs, gamma, beta):
        divided = tf.reshape(inputs, side_by_side)
        ones, zeros = tf.ones([channels * parts]), tf.zeros([channels * parts])
        measured = _batch_norm(divided, ones, zeros, tf.constant([]), tf.constant([]), epsilon, True)
        means = tf.reshape(measured.batch_mean, [parts, channels])
        variances = tf.reshape(measured.batch_variance, [parts, channels]) * ((places - 1) / places)
        mean = tf.reduce_mean(means, axis=0)
        variance = tf.reduce_mean(variances + tf.square(means - mean), axis=0)
        four = (tf.tile(values, [parts]) for values in (gamma, beta, mean, variance))
        outputs = tf.reshape(_batch_norm(divided, *four, epsilon, False).y, tf.shape(inputs))

        def gradient(d_outputs, *_):
            return tf.raw_ops.FusedBatchNormGradV3(
                y_backprop=d_outputs,
                x=inputs,
                scale=gamma,
                reserve_space_1=mean,
                reserve_space_2=variance,
                reserve_space_3=tf.constant([]),
                epsilon=epsilon,
                is_training=True,
            )[:3]

        return (outputs, mean, variance), gradient

    return normalise(inputs, gamma, beta)


def _batch_norm(inputs, gamma, beta, mean, variance, epsilon: float, training: bool):
    return tf.raw_ops.FusedBatchNormV3(
        x=inputs, scale=gamma, offset=beta, mean=mean, variance=variance, epsilon=epsilon, is_training=training
    )

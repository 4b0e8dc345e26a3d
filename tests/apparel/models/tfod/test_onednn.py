"""Layers that are computed another way give the same outputs, gradients and statistics, in training only."""

import numpy as np
import pytest
import tensorflow as tf

from apparel.models.tfod import onednn


@pytest.fixture(autouse=True)
def learning_phase():
    tf.keras.backend.set_learning_phase(True)
    yield
    tf.keras.backend.set_learning_phase(False)


def _model(side: int, channels: int, filters: int, strides: int = 1, **options) -> tf.keras.Model:
    from object_detection.core.freezable_batch_norm import FreezableBatchNorm

    inputs = tf.keras.Input((side, side, channels))
    normalised = FreezableBatchNorm(momentum=0.9, epsilon=0.001, **options)(inputs)
    outputs = tf.keras.layers.Conv2D(filters, 1, strides, "same", use_bias=False)(normalised)
    model = tf.keras.Model(inputs, outputs)
    random = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign(random.uniform(0.2, 1.0, variable.shape))
    return model


def _operations(function, kind: str) -> list[tf.Operation]:
    return [operation for operation in function.graph.get_operations() if operation.type == kind]


def _step(model: tf.keras.Model) -> dict[str, np.ndarray]:
    """Outputs, gradients and statistics of a step on photos whose mean differs from place to place."""
    side, channels = model.input_shape[2:]
    photos = np.random.default_rng(1).normal(3, 2, (2, side, side, channels)) + np.arange(side)[:, None, None]

    @tf.function(autograph=False)
    def run(photos):
        with tf.GradientTape() as tape:
            tape.watch(photos)
            outputs = model(photos)
            total = tf.reduce_sum(tf.math.sin(outputs))
        return outputs, tape.gradient(total, [photos, *model.trainable_variables])

    outputs, gradients = run(tf.constant(photos, tf.float32))
    names = ["photos", *(variable.name for variable in model.trainable_variables)]
    statistics = {variable.name: variable.numpy() for variable in model.non_trainable_variables}
    return {"outputs": outputs.numpy()} | {n: g.numpy() for n, g in zip(names, gradients, strict=True)} | statistics


@pytest.mark.parametrize(
    ("side", "channels", "filters", "options"),
    [
        (6, 24, 4, {}),
        (4, 8, 4, {"scale": False}),
        (8, 4, 4, {"center": False}),
        (2, 128, 96, {}),
        (3, 24, 4, {}),
    ],
)
def test_a_step_is_the_same_but_for_rounding(side: int, channels: int, filters: int, options: dict) -> None:
    expected = _step(_model(side, channels, filters, **options))
    model = _model(side, channels, filters, **options)
    onednn.speed_up(model.layers)
    ours = _step(model)
    for name, ours_name in zip(expected, ours, strict=True):
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(ours[ours_name], expected[name], rtol=1e-4, atol=2e-5 * scale, err_msg=name)


@pytest.mark.parametrize(
    ("side", "channels", "training", "parts"),
    [(6, 24, True, 2), (4, 8, True, 2), (8, 4, True, 4), (3, 24, True, 1), (6, 32, True, 1), (6, 24, False, 1)],
)
def test_places_become_channels_where_that_fills_a_register(side, channels, training, parts) -> None:
    tf.keras.backend.set_learning_phase(training)
    model = _model(side, channels, 4)
    onednn.speed_up(model.layers)
    function = tf.function(model, autograph=False).get_concrete_function(tf.TensorSpec([2, side, side, channels]))
    widths = {operation.inputs[0].shape[3] for operation in _operations(function, "FusedBatchNormV3")}
    assert widths == {channels * parts}


@pytest.mark.parametrize(
    ("channels", "filters", "strides", "product"),
    [(96, 96, 1, True), (95, 96, 1, False), (96, 95, 1, False), (96, 96, 2, False)],
)
def test_only_wide_1x1_filters_have_their_gradient_from_a_matrix_product(channels, filters, strides, product) -> None:
    model = _model(4, channels, filters, strides)
    onednn.speed_up(model.layers)

    @tf.function(autograph=False)
    def run(photos):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(model(photos))
        return tape.gradient(total, model.trainable_variables)

    function = run.get_concrete_function(tf.TensorSpec([2, 4, 4, channels]))
    assert bool(_operations(function, "MatMul")) == product
    assert bool(_operations(function, "Conv2DBackpropFilter")) == (not product)


def test_frozen_batch_normalisation_and_layers_with_another_call_are_left_alone() -> None:
    model = _model(6, 24, 4, training=False)
    model.layers[2].call = original = model.layers[2].call
    onednn.speed_up(model.layers)
    assert "call" not in vars(model.layers[1])
    assert model.layers[2].call is original

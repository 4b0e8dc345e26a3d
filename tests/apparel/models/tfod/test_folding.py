"""Folded batch normalisation gives the same outputs and gradients, in training only, and only where it is frozen."""

import numpy as np
import pytest
import tensorflow as tf

from apparel.models.tfod import folding

SIDE, CHANNELS = 9, 5


@pytest.fixture(autouse=True)
def learning_phase():
    yield
    tf.keras.backend.set_learning_phase(False)


def _model(frozen: bool, **options) -> tf.keras.Model:
    """A convolution and a depthwise one, each with batch normalisation, and a second path after the first."""
    from object_detection.core.freezable_batch_norm import FreezableBatchNorm

    inputs = tf.keras.Input((SIDE, SIDE, 3))
    first = tf.keras.layers.Conv2D(CHANNELS, 3, 2, "same", use_bias=False)(inputs)
    first = tf.nn.relu6(FreezableBatchNorm(not frozen, epsilon=0.001, **options)(first))
    second = tf.keras.layers.DepthwiseConv2D(3, 1, "same", use_bias=False)(first)
    second = tf.nn.relu6(FreezableBatchNorm(not frozen, epsilon=0.001, **options)(second))
    model = tf.keras.Model(inputs, [first, second])
    random = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign(random.uniform(0.2, 1.0, variable.shape))
    return model


def _outputs_and_gradients(model: tf.keras.Model) -> list[tf.Tensor]:
    photos = tf.constant(np.random.default_rng(1).uniform(-1, 1, (2, SIDE, SIDE, 3)), tf.float32)

    @tf.function(autograph=False)
    def run():
        with tf.GradientTape() as tape:
            outputs = model(photos)
            total = tf.add_n([tf.reduce_sum(tf.square(output)) for output in outputs])
        return outputs, tape.gradient(total, model.trainable_variables)

    return tf.nest.flatten(run())


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}])
def test_outputs_and_gradients_are_those_of_the_layers(options: dict) -> None:
    model = _model(frozen=True, **options)
    tf.keras.backend.set_learning_phase(True)
    expected = _outputs_and_gradients(model)
    folding.fold_batch_norm(model.layers)
    for ours, theirs in zip(_outputs_and_gradients(model), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6 * np.abs(theirs).max())


@pytest.mark.parametrize(("frozen", "training"), [(True, True), (True, False), (False, True)])
def test_only_frozen_batch_normalisation_is_folded_and_only_in_training(frozen: bool, training: bool) -> None:
    model = _model(frozen)
    folding.fold_batch_norm(model.layers)
    tf.keras.backend.set_learning_phase(training)
    graph = tf.function(model).get_concrete_function(tf.TensorSpec([2, SIDE, SIDE, 3])).graph
    kinds = {operation.type for operation in graph.get_operations()}
    assert ("BiasAdd" in kinds) == (frozen and training)
    assert ("FusedBatchNormV3" in kinds) == (not (frozen and training))

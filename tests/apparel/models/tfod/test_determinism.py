"""Gradients are added in one order; `AddN` itself still starts where a buffer is free."""

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import backprop

from apparel.models.tfod import determinism

BIG = tf.constant([1e8] * 64)
ONE = tf.constant([1.0] * 64)


def test_gradients_are_added_from_the_first_to_the_last() -> None:
    assert determinism._add_in_order([ONE]) is ONE
    np.testing.assert_array_equal(determinism._add_in_order([BIG, ONE, -BIG]), [0.0] * 64)
    np.testing.assert_array_equal(determinism._add_in_order([BIG, -BIG, ONE]), [1.0] * 64)


def test_the_sum_is_the_one_a_tape_uses_once_enabled() -> None:
    determinism.enable(0)
    calls = []
    original = determinism._add_in_order
    try:
        determinism._add_in_order = lambda gradients: calls.append(len(gradients)) or original(gradients)
        determinism.enable(0)
        value = tf.Variable(2.0)
        with tf.GradientTape() as tape:
            total = value * 3 + value * value + tf.exp(value)
        gradient = tape.gradient(total, value)
    finally:
        determinism._add_in_order = original
        determinism.enable(0)
    np.testing.assert_allclose(gradient, 3 + 4 + np.exp(2.0), rtol=1e-6)
    assert max(calls) >= 3


def test_add_n_still_depends_on_which_buffer_is_free() -> None:
    """In float32, (1e8 - 1e8) + 1 is 1; begun from the last summand, whose buffer is free, (1 - 1e8) + 1e8 is 0."""

    @tf.function
    def total(first: tf.Tensor, second: tf.Tensor, third: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.AddN(inputs=[first, second, tf.sqrt(third)])

    assert (total(BIG, -BIG, ONE).numpy() == 0.0).all(), (
        "AddN has one order now: apparel/models/tfod/determinism.py may go"
    )


def test_shuffling_depends_on_the_seed_and_loses_nothing() -> None:
    records = tf.data.Dataset.from_tensor_slices([str(number) for number in range(50)])
    first, again, other = (list(determinism.shuffle(records, 20, seed).as_numpy_iterator()) for seed in (0, 0, 1))
    assert first == again != other
    assert sorted(first) == sorted(other) == sorted(records.as_numpy_iterator())


def test_datasets_own_shuffle_still_stops_batches_from_being_prepared_ahead() -> None:
    """Should this fail, `determinism.shuffle` may go."""
    determinism.enable(0)
    records = tf.data.Dataset.from_tensor_slices(["a", "b", "c"])
    assert _prefetched(lambda _: records.shuffle(3, 1)) == 0
    assert _prefetched(lambda seed: determinism.shuffle(records, 3, seed)) > 0


def _prefetched(one_pass) -> float:
    """How many elements are prefetched of passes that are shuffled, each with its own seed."""
    elements = iter(tf.data.Dataset.range(9).flat_map(one_pass).prefetch(4))
    next(elements)
    nodes = tf.data.experimental.get_model_proto(elements).nodes.values()
    return next(node.parameters[0].value for node in nodes if node.name == "Prefetch")


def test_the_api_of_tensorflow_that_is_replaced_is_there() -> None:
    assert backprop._default_vspace.aggregate_fn is not None

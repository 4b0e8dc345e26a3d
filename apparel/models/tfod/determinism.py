"""Determinism: a training gives the same weights each time, with any number of threads.

Patches the sum of gradients: where three or more meet (a feature map feeds the box head, the class head and the next
layer), TensorFlow adds them with `AddN`, whose CPU kernel starts from whichever input's buffer is free. That depends on
thread timing, floating point addition is not associative, and `enable_op_determinism` does not cover it. Here they are
added in pairs in a fixed order. Grappler would turn such a chain into `AddN` again, so its arithmetic rewrites are off.
The patch may go once `AddN` gives the same bits for the same inputs.

Replaces `Dataset.shuffle`: under `enable_op_determinism` TensorFlow runs an input pipeline without parallel calls and
without prefetching if one of its functions holds an operation with state that is not on a list of harmless ones
(`make_deterministic.cc` of Grappler). The seed generator of `Dataset.shuffle` is not on it, although its seeds are
given; `shuffle` here has none. It may go once `Dataset.shuffle` in a function leaves the pipeline parallel.
"""

import functools

import tensorflow as tf
from tensorflow.python import pywrap_tfe
from tensorflow.python.eager import backprop, imperative_grad

_original = backprop._default_vspace


def enable(seed: int) -> None:
    """Makes operations, gradient sums and random numbers of this process repeatable, with any number of threads.

    Call it before the first operation.

    Args:
        seed: a whole number from 0.
    """
    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    pywrap_tfe.TFE_Py_RegisterVSpace(
        imperative_grad.VSpace(
            num_elements_fn=_original.num_elements_fn,
            aggregate_fn=_add_in_order,
            zeros_fn=_original.zeros_fn,
            ones_fn=_original.ones_fn,
            zeros_like_fn=_original.zeros_like_fn,
            ones_like_fn=_original.ones_like_fn,
            graph_shape_fn=_original.graph_shape_fn,
        )
    )


def shuffle(records: tf.data.Dataset, buffer_size: int, seed: tf.Tensor) -> tf.data.Dataset:
    """Shuffles records in an order that depends on the seed alone, with a buffer, like `Dataset.shuffle`.

    Args:
        records: strings.
        buffer_size: how many of them are held at a time.
        seed: scalar int64.
    """
    shuffled = tf.raw_ops.ShuffleDataset(
        input_dataset=tf.data.experimental.to_variant(records),
        buffer_size=buffer_size,
        seed=seed,
        seed2=1,  # with a pair of zeros TensorFlow would draw a seed
        reshuffle_each_iteration=False,
        output_types=[tf.string],
        output_shapes=[[]],
    )
    return tf.data.experimental.from_variant(shuffled, records.element_spec)


def _add_in_order(gradients):
    if all(isinstance(gradient, tf.Tensor) for gradient in gradients):
        return functools.reduce(lambda left, right: tf.raw_ops.AddV2(x=left, y=right), gradients)
    return _original.aggregate_fn(gradients)

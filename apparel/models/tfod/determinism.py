"""Sums of gradients that come out the same every time.

Mended: where three or more gradients meet (a feature map feeds the box head, the class head and the next layer),
TensorFlow adds them with `AddN`, whose CPU kernel starts from whichever input's buffer happens to be free. Which one
that is depends on thread timing, floating point addition is not associative, and `enable_op_determinism` does not
cover it. Here they are added in pairs in a fixed order. Grappler would put such a chain back into `AddN`, so its
arithmetic rewrites are off. This may go once `AddN` gives the same bits for the same inputs.

Mended, too: under `enable_op_determinism` TensorFlow runs an input pipeline in step with the training, without parallel
calls or prefetching, when one of its functions holds an operation with state that it does not know to be harmless
(`make_deterministic.cc` of Grappler has the list). The seed generator of `Dataset.shuffle` is one, although its numbers
are given; `shuffle` does without. This may go once `Dataset.shuffle` in a function leaves the pipeline as it is.
"""

import functools

import tensorflow as tf
from tensorflow.python import pywrap_tfe
from tensorflow.python.eager import backprop, imperative_grad

_original = backprop._default_vspace


def enable(seed: int) -> None:
    """Makes operations, gradient sums and random numbers of this process repeatable, with any number of threads.

    To be called before the first operation.

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
    """`records`, strings, in an order that depends on the seed alone, drawn from a buffer as by `Dataset.shuffle`.

    Args:
        records: strings.
        buffer_size: how many of them are held at a time.
        seed: scalar int64.
    """
    shuffled = tf.raw_ops.ShuffleDataset(
        input_dataset=tf.data.experimental.to_variant(records),
        buffer_size=buffer_size,
        seed=seed,
        seed2=1,  # a pair of zeros would stand for a seed that is drawn
        reshuffle_each_iteration=False,
        output_types=[tf.string],
        output_shapes=[[]],
    )
    return tf.data.experimental.from_variant(shuffled, records.element_spec)


def _add_in_order(gradients):
    if all(isinstance(gradient, tf.Tensor) for gradient in gradients):
        return functools.reduce(lambda left, right: tf.raw_ops.AddV2(x=left, y=right), gradients)
    return _original.aggregate_fn(gradients)

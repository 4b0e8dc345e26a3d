"""Repeatable samples of anchors and proposals, which a Faster R-CNN's losses are computed on.

Patches `subsample_indicator` of the Object Detection API's minibatch_sampler.py, which draws by an operation with a
state of its own: a training that goes on from a checkpoint would draw other ones than one that was not interrupted.
Here the seed is made of what is sampled from, so the same weights and photos give the same sample, and the next step
another one. It may go once the API draws with a given seed.
"""

import tensorflow as tf
from object_detection.core.minibatch_sampler import MinibatchSampler


def subsample_indicator(indicator: tf.Tensor, num_samples: tf.Tensor) -> tf.Tensor:
    """Draws entries that are True, without replacement.

    Args:
        indicator: bool (N,).
        num_samples: scalar int32.

    Returns:
        bool (N,), True for `num_samples` of them, or for all if there are fewer.
    """
    positions = tf.reshape(tf.where(indicator), [-1])
    seed = tf.stack([tf.size(positions, tf.int64), tf.reduce_sum(positions)])
    shuffled = tf.random.experimental.stateless_shuffle(positions, seed)[:num_samples]
    size = tf.shape(indicator)
    return tf.scatter_nd(shuffled[:, tf.newaxis], tf.ones_like(shuffled, tf.int32), tf.cast(size, tf.int64)) > 0


MinibatchSampler.subsample_indicator = staticmethod(subsample_indicator)

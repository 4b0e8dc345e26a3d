"""The Object Detection API's own reader of `tf.train.Example`, made to work."""

from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from object_detection.data_decoders.tf_example_decoder import TfExampleDecoder


def example_decoder() -> "TfExampleDecoder":
    """A `TfExampleDecoder` with its default settings.

    Why: it is built on `tf_slim`, which looks for `case` and `cond` in `tensorflow.python.ops.control_flow_ops`;
    they left that module with TensorFlow 2.14. Only `tf_slim`'s view of the module is replaced, TensorFlow is not.
    May go when `tf_slim` asks `tf.case` and `tf.cond`; `tests/support/test_tfod_decoder.py` notices.
    """
    import tensorflow as tf
    from object_detection.data_decoders import tf_example_decoder
    from tf_slim.data import tfexample_decoder

    tfexample_decoder.control_flow_ops = SimpleNamespace(case=tf.compat.v1.case, cond=tf.compat.v1.cond)
    return tf_example_decoder.TfExampleDecoder()

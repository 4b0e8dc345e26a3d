"""`tf.train.Example` records under the Object Detection API's standard keys: the keys and the parser.

The keys are those of its `data_decoders/tf_example_decoder.py`, so that its own tools read the records, too.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

CORNERS = [f"image/object/bbox/{corner}" for corner in ("ymin", "xmin", "ymax", "xmax")]
"""The keys of a box's corners, in the Object Detection API's order."""


def features() -> dict[str, "tf.io.FixedLenFeature | tf.io.FixedLenSequenceFeature"]:
    """The keys that `parse_example` reads, with their types, for `tf.io.parse_single_example`."""
    import tensorflow as tf

    def per_box(dtype: "tf.DType") -> "tf.io.FixedLenSequenceFeature":
        return tf.io.FixedLenSequenceFeature([], dtype, allow_missing=True)

    return {key: per_box(tf.float32) for key in CORNERS} | {
        "image/encoded": tf.io.FixedLenFeature([], tf.string),
        "image/filename": tf.io.FixedLenFeature([], tf.string),
        "image/width": tf.io.FixedLenFeature([], tf.int64),
        "image/height": tf.io.FixedLenFeature([], tf.int64),
        "image/object/class/label": per_box(tf.int64),
        "image/object/difficult": per_box(tf.int64),
    }


def parse_example(serialized: "tf.Tensor") -> dict[str, "tf.Tensor"]:
    """Parses what `example_writer.encode` wrote, in TensorFlow's own operations; for `tf.data.Dataset.map`.

    Args:
        serialized: scalar string, one record.

    Returns:
        `image` (scalar string: the photo's JPEG or PNG bytes, upright RGB), `filename` (scalar string), `width` and
        `height` (scalar int64, pixels), `boxes` (`(N, 4)` float32 in 0..1 of the photo's sides, in the Object
        Detection API's order ymin, xmin, ymax, xmax), `classes` (`(N,)` int64, from 1), `difficult` (`(N,)` bool).
    """
    import tensorflow as tf

    values = tf.io.parse_single_example(serialized, features())
    return {
        "image": values["image/encoded"],
        "filename": values["image/filename"],
        "width": values["image/width"],
        "height": values["image/height"],
        "boxes": tf.stack([values[key] for key in CORNERS], axis=1),
        "classes": values["image/object/class/label"],
        "difficult": tf.cast(values["image/object/difficult"], tf.bool),
    }

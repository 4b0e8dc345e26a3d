"""Detections on a batch of photos as a network gives them, without an import of TensorFlow."""

from typing import TYPE_CHECKING, NamedTuple, Union

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf


class Detections(NamedTuple):
    """What the network detects on a batch of B photos, after non-maximum suppression; D is the most it gives a photo.

    Attributes:
        boxes: float32 (B, D, 4) ymin, xmin, ymax, xmax in 0..1 of the photo's sides.
        classes: float32 (B, D), whole numbers from 0: positions in the detector's classes.
        scores: float32 (B, D), 0 to 1, the highest first.
        count: float32 (B,), how many of a photo's D detections are none of padding, a whole number.
    """

    boxes: Union["tf.Tensor", "np.ndarray"]
    classes: Union["tf.Tensor", "np.ndarray"]
    scores: Union["tf.Tensor", "np.ndarray"]
    count: Union["tf.Tensor", "np.ndarray"]

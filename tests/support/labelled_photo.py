"""A photo with its boxes, as the TFRecord writer takes it."""

import numpy as np

from apparel.data import examples
from apparel.data.example_writer import Photo
from tests.support import photo_files


def photo_of(path, boxes=(photo_files.BOX,), class_ids=None, difficult=None):
    """The photo of a file with its boxes, in pixels."""
    count = len(boxes)
    return Photo(
        path,
        *photo_files.SIZE,
        np.array(boxes, dtype=float).reshape(-1, 4),
        np.array([1] * count if class_ids is None else class_ids, dtype=int),
        np.array([False] * count if difficult is None else difficult, dtype=bool),
    )


def parsed(serialized):
    """What the parser makes of a record, in NumPy."""
    return {key: value.numpy() for key, value in examples.parse_example(serialized).items()}

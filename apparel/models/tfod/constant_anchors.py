"""Anchors as constants where the network's input has a fixed size.

Patches `AnchorGenerator.generate` of the Object Detection API when this module is imported: it adds hundreds of
operations to each graph that calls the network, which took half a second to trace. The values are the same, since the
same operations compute them. The patch may go once the API does so itself.
"""

from typing import Any

import tensorflow as tf
from object_detection.core import anchor_generator, box_list

_generate = anchor_generator.AnchorGenerator.generate


def generate_constants(
    generator: anchor_generator.AnchorGenerator, feature_map_shape_list: list, **params: Any
) -> list:
    """The anchors of each feature map, a list of box lists; constants where all sizes are known.

    Args:
        generator: of the API.
        feature_map_shape_list: height and width of each feature map.
        params: `im_height` and `im_width`, pixels of the network's input; others are the API's affair.
    """
    sizes = [size for shape in feature_map_shape_list for size in shape] + list(params.values())
    if not all(isinstance(size, int) for size in sizes) or not tf.compat.v1.executing_eagerly_outside_functions():
        return _generate(generator, feature_map_shape_list, **params)
    with tf.init_scope():
        anchors = [boxes.get().numpy() for boxes in _generate(generator, feature_map_shape_list, **params)]
    return [box_list.BoxList(tf.constant(boxes)) for boxes in anchors]


anchor_generator.AnchorGenerator.generate = generate_constants

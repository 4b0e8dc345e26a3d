import numpy as np
import pytest
import tensorflow as tf
from object_detection.anchor_generators import multiple_grid_anchor_generator

from apparel.models.tfod import constant_anchors


@pytest.fixture(scope="module")
def generator() -> multiple_grid_anchor_generator.MultipleGridAnchorGenerator:
    return multiple_grid_anchor_generator.create_ssd_anchors(num_layers=2)


def test_anchors_are_the_constants_that_the_api_computes(generator) -> None:
    sizes = [(4, 3), (2, 2)]

    @tf.function(autograph=False)
    def both():
        theirs = constant_anchors._generate(generator, sizes, im_height=64, im_width=48)
        return [boxes.get() for boxes in generator.generate(sizes, im_height=64, im_width=48)], [
            boxes.get() for boxes in theirs
        ]

    ours, theirs = both()
    assert [boxes.shape for boxes in ours] == [(4 * 3 * 3, 4), (2 * 2 * 6, 4)]
    for our, their in zip(ours, theirs, strict=True):
        assert our.numpy().tobytes() == their.numpy().tobytes()
    # The lowest layer's first anchor: scale 0.1 at the centre of the first cell, on a photo higher than wide.
    np.testing.assert_allclose(ours[0][0], [0.125 - 0.0375, 1 / 6 - 0.05, 0.125 + 0.0375, 1 / 6 + 0.05], atol=1e-6)


def test_a_graph_holds_no_operation_of_them(generator) -> None:
    def traced(sizes) -> list[str]:
        graph = tf.function(
            lambda: [boxes.get() for boxes in generator.generate(sizes, im_height=64, im_width=64)], autograph=False
        ).get_concrete_function()
        return [operation.type for operation in graph.graph.get_operations()]

    assert set(traced([(4, 4), (2, 2)])) == {"Const", "Identity"}


def test_sizes_that_depend_on_the_photo_stay_operations(generator) -> None:
    @tf.function(autograph=False, input_signature=[tf.TensorSpec([], tf.int32)])
    def dynamic(height):
        return [boxes.get() for boxes in generator.generate([(height, 3), (2, 2)], im_height=64, im_width=64)]

    assert [boxes.shape[0] for boxes in dynamic(tf.constant(4))] == [4 * 3 * 3, 2 * 2 * 6]

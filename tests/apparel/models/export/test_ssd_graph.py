"""The graph's detections are those of the Object Detection API's own post-processing."""

import numpy as np
import pytest
import tensorflow as tf

from apparel.models.export import ssd_graph
from tests.support import decided_detector


@pytest.fixture(scope="module")
def network():
    return decided_detector.network()


def suppress(network, boxes, scores):
    function = tf.function(lambda boxes, scores: tuple(ssd_graph.suppress(network.detector, boxes, scores)))
    return [values.numpy()[0] for values in function(tf.constant(boxes, tf.float32), tf.constant(scores, tf.float32))]


def test_the_same_boxes_classes_scores_and_order_as_the_trained_model(network):
    detect = tf.function(lambda image: tuple(ssd_graph.detect(network.detector, image)), autograph=False)
    for image in decided_detector.images():
        trained = network.detect(image[np.newaxis])
        graph = [values.numpy() for values in detect(tf.constant(image[np.newaxis]))]
        count = int(trained.count[0])
        assert count == graph[3][0] > 50
        assert len(set(trained.classes[0])) == 2
        np.testing.assert_array_equal(graph[1], trained.classes)
        np.testing.assert_allclose(graph[2], trained.scores, atol=1e-5)
        np.testing.assert_allclose(graph[0], trained.boxes, atol=1e-5)


def test_a_box_suppresses_its_own_class_alone(network):
    boxes = [[0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.51], [0.6, 0.6, 0.9, 0.9]]
    scores = [[0.9, 0.0], [0.8, 0.7], [0.0, 0.6]]
    found, classes, confidence, count = suppress(network, boxes, scores)
    assert count == 3
    np.testing.assert_allclose(confidence[:4], [0.9, 0.7, 0.6, 0.0])
    assert classes[:3].tolist() == [0, 1, 1]
    np.testing.assert_allclose(found[:3], np.array(boxes), atol=1e-6)


def test_boxes_are_clipped_to_the_photo_and_left_out_where_none_of_them_is_in_it(network):
    boxes = [[-0.2, 0.1, 0.5, 1.3], [1.1, 0.1, 1.4, 0.5], [0.2, 0.2, 0.4, 0.4]]
    found, _, confidence, count = suppress(network, boxes, [[0.9, 0.0], [0.8, 0.0], [0.7, 0.0]])
    assert count == 2
    np.testing.assert_allclose(confidence[:3], [0.9, 0.7, 0.0])
    np.testing.assert_allclose(found[:2], [[0, 0.1, 0.5, 1], [0.2, 0.2, 0.4, 0.4]], atol=1e-6)


def test_many_boxes_outside_of_the_photo_do_not_take_the_place_of_others(network):
    inside = [[0.01 * row, 0.01 * row, 0.01 * row + 0.005, 0.01 * row + 0.005] for row in range(99)]
    boxes = [[-0.5 - row, 0.1, -0.4 - row, 0.5] for row in range(ssd_graph.SPARE)] + inside
    scores = np.linspace(0.9, 0.1, len(boxes))
    count = suppress(network, boxes, np.stack([scores, 0 * scores], 1))[3]
    assert count == 99

"""Graph of an SSD from an image of the network's size to its detections, in operations that mobile runtimes have.

The Object Detection API's own post-processing suppresses class by class, keeps 100 boxes of each, and sorts them: loops
and lists that no mobile runtime takes, and work for boxes that nobody gets. Here all classes go through one suppression
that ends at the number of detections. Its result is the same: boxes are moved apart by class, so that none suppresses
one of another class, and the suppression takes boxes by falling score.
"""

import math

import tensorflow as tf

from apparel.models.detector import Detections, Detector

CLASS_DISTANCE = 4.0
"""Distance between the places of two classes, in sides of the photo. Boxes of two classes would have to be wider than
16 photos to overlap by 0.6; the smaller the distance, the more digits of the boxes are left."""

SPARE = 20
"""Boxes to select beyond the number of detections, in place of those that lie outside of the photo."""


def detect(detector: Detector, image: tf.Tensor) -> Detections:
    """Detections on one image, to be traced into a graph of fixed shapes.

    Args:
        detector: an SSD, see `support.check_format`.
        image: float32 (1, H, W, 3), 0 to 255.
    """
    encodings, logits, anchors = raw_outputs(detector, image)
    boxes = decode(detector, encodings[0], anchors)
    scores = detector.model._score_conversion_fn(logits)[0, :, 1:]
    return suppress(detector, boxes, scores)


def raw_outputs(detector: Detector, image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Encoded boxes (1, A, 4), logits of background and classes (1, A, 1 + C), and the anchors (A, 4) in 0..1."""
    tf.keras.backend.set_learning_phase(False)
    detector.model._is_training = False
    predictions = detector._predict(image, tf.constant([image.shape[1:].as_list()]))
    return (
        predictions["box_encodings"],
        predictions["class_predictions_with_background"],
        detector.model._anchors.get(),
    )


def decode(detector: Detector, encodings: tf.Tensor, anchors: tf.Tensor) -> tf.Tensor:
    """Boxes (A, 4) ymin, xmin, ymax, xmax in 0..1 from their encodings, as the API's faster_rcnn_box_coder.py."""
    coder = detector.config.model.ssd.box_coder.faster_rcnn_box_coder
    ymin, xmin, ymax, xmax = tf.unstack(anchors, axis=1)
    anchor_sizes = tf.stack([ymax - ymin, xmax - xmin], axis=1)
    anchor_centres = tf.stack([ymin, xmin], axis=1) + anchor_sizes / 2
    centres = encodings[:, :2] * (anchor_sizes / [coder.y_scale, coder.x_scale]) + anchor_centres
    half_sizes = tf.exp(encodings[:, 2:] * (1 / tf.constant([coder.height_scale, coder.width_scale]))) * (
        anchor_sizes / 2
    )
    return tf.concat([centres - half_sizes, centres + half_sizes], axis=1)


def suppress(detector: Detector, boxes: tf.Tensor, scores: tf.Tensor) -> Detections:
    """Non-maximum suppression by class, as the API's post_processing.py: boxes (A, 4), scores (A, C)."""
    options = detector.config.model.ssd.post_processing.batch_non_max_suppression
    anchors, classes = scores.shape
    most = min(options.max_total_detections, anchors * classes)
    apart = boxes[:, tf.newaxis] + _class_offsets(classes)
    selected, selected_scores, count = tf.raw_ops.NonMaxSuppressionV5(
        boxes=tf.reshape(apart, [-1, 4]),
        scores=tf.reshape(scores, [-1]),
        max_output_size=tf.constant(min(most + SPARE, anchors * classes)),
        iou_threshold=tf.constant(options.iou_threshold),
        score_threshold=tf.constant(options.score_threshold),
        soft_nms_sigma=tf.constant(options.soft_nms_sigma),
        pad_to_max_output_size=True,
    )
    clipped = tf.clip_by_value(tf.gather(boxes, selected // classes), 0.0, 1.0)
    sides = clipped[:, 2:] - clipped[:, :2]
    is_detection = (tf.range(selected.shape[0] or most + SPARE) < count) & (sides[:, 0] * sides[:, 1] > 0)
    kept_scores, kept = tf.math.top_k(tf.where(is_detection, selected_scores, 0.0), most)
    kept_classes = tf.cast(tf.gather(selected % classes, kept), tf.float32)
    return Detections(
        tf.gather(clipped, kept)[tf.newaxis],
        kept_classes[tf.newaxis],
        kept_scores[tf.newaxis],
        tf.reduce_sum(tf.cast(kept_scores > 0, tf.float32), keepdims=True),
    )


def _class_offsets(classes: int) -> tf.Tensor:
    """Where the classes' boxes are moved to, (1, C, 4): the places of a square grid, which keeps the numbers small."""
    columns = math.ceil(math.sqrt(classes))
    places = [[number // columns, number % columns] * 2 for number in range(classes)]
    return tf.constant([places], tf.float32) * CLASS_DISTANCE

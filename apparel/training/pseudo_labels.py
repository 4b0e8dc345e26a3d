"""Pseudo labels: a teacher's detections as ground truth of its student, with thresholds by class.

Detections at or above the threshold of their class are learnt. The student may not learn from the others that there is
no garment either, since the negatives that an SSD mines are the anchors most like garments: anchors on them count for
nothing.
"""

import tensorflow as tf

from apparel.models.detections import Detections
from apparel.models.inputs import Batch
from apparel.models.tfod import box_overlap

LOWEST_SCORE = 0.1
"""Score below which a detection is background: of 100 detections on a photo, most have less."""

MOST_BOXES = 20
"""Detections of a photo that are looked at, by score; a photo has two or three garments."""

SAME_GARMENT_IOU = 0.5
"""IoU from which on two detections, also of different classes, are of one garment, as in AP50."""

MOST_HIDDEN = 0.7
"""Share of a box that may lie outside of the part of the photo that the student sees; of more, it is ignored."""


def pseudo_labels(detections: Detections, thresholds: tf.Tensor, window: tf.Tensor) -> tuple[Batch, tf.Tensor]:
    """The ground truth that detections give, and how many certain boxes of each class the photos have.

    Args:
        detections: of a batch, boxes in 0..1 of the photo's sides.
        thresholds: float32 (C,), by class.
        window: float32 (B, 4), ymin, xmin, ymax, xmax of the part that the student sees, in 0..1 of the photo's sides.

    Returns:
        `boxes` float32 (B, `MOST_BOXES`, 4) in 0..1 of that part's sides, zeros where there is none, `classes` float32
        (B, `MOST_BOXES`, C) one-hot, `weights` float32 (B, `MOST_BOXES`): 1 for boxes to learn, 0 for boxes to ignore;
        and float32 (B, C), the boxes from their threshold on, wherever they are on the photo.
    """
    most = min(MOST_BOXES, detections.scores.shape[1])
    listed = tf.range(detections.scores.shape[1])[tf.newaxis] < tf.cast(detections.count, tf.int32)[:, tf.newaxis]
    scores, order = tf.math.top_k(tf.where(listed, detections.scores, 0.0), most)
    boxes, classes = (tf.gather(values, order, batch_dims=1) for values in (detections.boxes, detections.classes))
    classes = tf.cast(classes, tf.int32)
    found = scores >= LOWEST_SCORE
    certain = found & (scores >= tf.gather(thresholds, classes))
    found, certain = _one_a_garment(boxes, found, certain)
    boxes, visible = _moved(boxes, window)
    weights = certain & (visible >= 1 - MOST_HIDDEN)
    boxes = tf.where((found & (visible > 0))[..., tf.newaxis], boxes, 0.0)
    one_hot = tf.one_hot(classes, thresholds.shape[0])
    counts = tf.reduce_sum(one_hot * tf.cast(certain, tf.float32)[..., tf.newaxis], axis=1)
    return {"boxes": boxes, "classes": one_hot, "weights": tf.cast(weights, tf.float32)}, counts


def split_ignored(batch: Batch) -> Batch:
    """The batch with boxes of weight 0 as `ignored`, and with `real` (B,), whether a photo has others.

    A photo without a box to learn counts for nothing: what is on it, the teacher did not see.
    """
    learnt = (batch["weights"] > 0)[..., tf.newaxis]
    boxes = {"boxes": tf.where(learnt, batch["boxes"], 0.0), "ignored": tf.where(learnt, 0.0, batch["boxes"])}
    return batch | boxes | {"real": tf.reduce_any(batch["weights"] > 0, axis=1)}


def _one_a_garment(boxes: tf.Tensor, found: tf.Tensor, certain: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Which of the boxes (B, N, 4), by falling score, are left, and which are certain.

    A box on a garment of a higher score that is certain is left out. One on a garment of a higher score that is not is
    not certain either: what the garment is, is open.
    """
    number = boxes.shape[1]
    before = tf.constant([[other < one for other in range(number)] for one in range(number)])
    on_it = (box_overlap.pairwise_iou(boxes, boxes) >= SAME_GARMENT_IOU) & before
    certain &= ~tf.reduce_any(on_it & (found & ~certain)[:, tf.newaxis], axis=2)
    found &= ~tf.reduce_any(on_it & certain[:, tf.newaxis], axis=2)
    return found, certain & found


def _moved(boxes: tf.Tensor, window: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The boxes (B, N, 4) in 0..1 of a window's sides, cut at its edges, and which share of each is left (B, N)."""
    corner, sides = window[:, tf.newaxis, :2], window[:, tf.newaxis, 2:] - window[:, tf.newaxis, :2]
    whole = (boxes - tf.concat([corner, corner], axis=2)) / tf.concat([sides, sides], axis=2)
    cut = tf.clip_by_value(whole, 0.0, 1.0)
    areas = [tf.reduce_prod(corners[..., 2:] - corners[..., :2], axis=2) for corners in (cut, whole)]
    return cut, tf.math.divide_no_nan(*areas)

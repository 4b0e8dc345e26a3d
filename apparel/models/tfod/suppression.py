"""Non-maximum suppression of a batch of photos, without a loop over them in TensorFlow's graph.

Patches `batch_multiclass_non_max_suppression` of the Object Detection API's post_processing.py, which goes through the
photos one by one, and through the classes of each, with some fifty small operations a class: they took as long as a
small network. Here each photo and class has the one operation that suppresses, and all else is done for the batch at
once. The results are the same to the bit. It may go once the API takes a batch. `tf.image.combined_non_max_suppression`
does not replace it: it takes the best 100 boxes before those without area are removed, and orders equal scores
otherwise.
"""

import inspect
from typing import NamedTuple

import tensorflow as tf
from object_detection.core import post_processing

_original = post_processing.batch_multiclass_non_max_suppression
_SIGNATURE = inspect.signature(_original)

SUPPORTED = {
    "score_thresh", "iou_thresh", "max_size_per_class", "max_total_size", "clip_window", "change_coordinate_frame",
    "additional_fields", "soft_nms_sigma", "scope", "boxes", "scores", "parallel_iterations", "use_dynamic_map_fn",
    "max_classes_per_detection",  # of suppression over all classes together alone
}  # fmt: skip
"""Arguments that `suppress_batch` takes or that change no result; with another one that is set the API's way is taken,
such as for masks, and for boxes that differ by class."""


class Survivors(NamedTuple):
    """Boxes that suppression leaves, of B photos and C classes, P of each at most.

    Attributes:
        anchors: int32 (B, C, P), positions of the boxes.
        scores: float32 (B, C, P), falling; -1 for padding.
    """

    anchors: tf.Tensor
    scores: tf.Tensor


def suppress_batch(*positional, **named):
    """Replaces `batch_multiclass_non_max_suppression`: the same arguments, the same results."""
    call = _SIGNATURE.bind(*positional, **named)
    call.apply_defaults()
    given = call.arguments
    special = {
        name
        for name, value in given.items()
        if name not in SUPPORTED and value is not _SIGNATURE.parameters[name].default
    }
    if special or given["boxes"].shape[2] != 1 or given["clip_window"] is None or not given["max_total_size"]:
        return _original(*positional, **named)
    boxes, scores = given["boxes"][:, :, 0], given["scores"]
    survivors = _suppress(boxes, scores, given)
    return _best(boxes, survivors, given)


def _suppress(boxes: tf.Tensor, scores: tf.Tensor, options: dict) -> Survivors:
    """Suppresses by class: boxes (B, A, 4), scores (B, A, C)."""
    most = min(options["max_size_per_class"], boxes.shape[1])
    by_class = tf.transpose(scores, [0, 2, 1])

    def one_class(photo_boxes, class_scores):
        anchors, kept_scores, count = tf.raw_ops.NonMaxSuppressionV5(
            boxes=photo_boxes,
            scores=class_scores,
            max_output_size=most,
            iou_threshold=options["iou_thresh"],
            score_threshold=options["score_thresh"],
            soft_nms_sigma=options["soft_nms_sigma"],
            pad_to_max_output_size=True,
        )
        kept_scores = tf.where(tf.range(most) < count, kept_scores, -1.0)
        return tf.ensure_shape(anchors, [most]), tf.ensure_shape(kept_scores, [most])

    def one_photo(photo):
        photo_boxes, photo_scores = photo
        classes = [one_class(photo_boxes, class_scores) for class_scores in tf.unstack(photo_scores)]
        return [tf.stack(parts) for parts in zip(*classes, strict=True)]

    if boxes.shape[0] is None:
        return Survivors(*tf.map_fn(one_photo, (boxes, by_class), fn_output_signature=[tf.int32, tf.float32]))
    photos = [one_photo(photo) for photo in zip(tf.unstack(boxes), tf.unstack(by_class), strict=True)]
    return Survivors(*(tf.stack(parts) for parts in zip(*photos, strict=True)))


def _best(boxes: tf.Tensor, survivors: Survivors, options: dict) -> tuple:
    """The best of all classes that have an area within the window, padded with zeros; as the API returns them."""
    classes, most = survivors.anchors.shape[1:]
    photos = tf.shape(boxes)[0]
    anchors = tf.reshape(survivors.anchors, [photos, classes * most])
    scores = tf.reshape(survivors.scores, [photos, classes * most])
    window = options["clip_window"]
    window = (tf.tile(window[tf.newaxis], [photos, 1]) if window.shape.ndims == 1 else window)[:, tf.newaxis]
    low, high = window[..., :2], window[..., 2:]
    corners = tf.gather(boxes, anchors, batch_dims=1)
    corners = tf.maximum(tf.minimum(corners, tf.tile(high, [1, 1, 2])), tf.tile(low, [1, 1, 2]))
    sides = corners[..., 2:] - corners[..., :2]
    has_area = sides[..., 0] * sides[..., 1] > 0
    total = min(options["max_total_size"], classes * most)
    # Of equal scores the lower position comes first, as in the API's two stable sorts.
    scores, order = tf.math.top_k(tf.where(has_area, scores, -1.0), total)
    is_detection = scores >= 0
    corners = tf.gather(corners, order, batch_dims=1)
    if options["change_coordinate_frame"]:
        corners = (corners - tf.tile(low, [1, 1, 2])) * _reciprocals(high - low, boxes.shape[0])
    padding = options["max_total_size"] - total

    def padded(values):
        values = tf.where(tf.reshape(is_detection, [photos, total] + [1] * (values.shape.ndims - 2)), values, 0)
        return tf.pad(values, [[0, 0], [0, padding]] + [[0, 0]] * (values.shape.ndims - 2))

    kept = tf.gather(anchors, order, batch_dims=1)
    fields = options["additional_fields"]
    fields = fields and {name: padded(tf.gather(field, kept, batch_dims=1)) for name, field in fields.items()}
    class_numbers = tf.cast(order // most, tf.float32)
    count = tf.reduce_sum(tf.cast(is_detection, tf.int32), axis=1)
    return padded(corners), padded(scores), padded(class_numbers), None, fields or None, count


def _reciprocals(sides: tf.Tensor, photos: int | None) -> tf.Tensor:
    """1 / height and 1 / width, twice, (B, 1, 4), of (B, 1, 2): one by one as the API does, since TensorFlow's division
    of several numbers at a time rounds otherwise."""

    def of_photo(photo_sides):
        height, width = tf.unstack(photo_sides[0])
        return tf.stack([1.0 / height, 1.0 / width] * 2)[tf.newaxis]

    if photos is None:
        return tf.map_fn(of_photo, sides)
    return tf.stack([of_photo(photo_sides) for photo_sides in tf.unstack(sides, photos)])


post_processing.batch_multiclass_non_max_suppression = suppress_batch

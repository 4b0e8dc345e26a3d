"""Detection models of the Object Detection API, on a TensorFlow that it was never tested with.

What is patched when this module is imported, why, and when the patch may go:

- **The depth multiplier is applied once.** The API's Keras MobileNet v1 passes `alpha` both to Keras' `MobileNet` and
  to its own layers, so that 0.75 becomes 0.56. Until `conv_pw_13` of a 0.75 model has 768 channels without the patch.
- **MobileNet v1 has the same layers below a depthwise feature pyramid** as below plain maps. The API makes its last two
  blocks narrower there, so that no published weights fit. Until the API's pipeline files can say so.
- **Target assignment and hard example mining take all photos of a batch at once**, and so does non-maximum suppression:
  `suppression.py`. The API unrolls them once a photo, which took most of a minute to trace at batch 24. The results are
  the same. Until the API takes a batch.
- **Anchors are constants** where the network's input has a fixed size: `constant_anchors.py`. Until the API's are.
- **EfficientNet-Lite** is among the feature extractors: `efficientnet_lite.py`, and of a Faster R-CNN
  `efficientnet_lite_rcnn.py`. Until the API has it.
- **A Faster R-CNN's samples** of anchors and proposals are repeatable: `sampling.py`. Until the API's are.
- **Keras 2** is selected by `apparel/utils/tf_environment.py` and `model_builder.py`. Until the API is written for
  Keras 3.
"""

from collections.abc import Sequence

import tensorflow as tf
from object_detection.builders import image_resizer_builder
from object_detection.core import box_list, losses
from object_detection.meta_architectures import ssd_meta_arch
from object_detection.models import ssd_mobilenet_v1_fpn_keras_feature_extractor
from object_detection.models.keras_models import mobilenet_v1
from object_detection.utils import shape_utils

from apparel.models.tfod import (  # noqa: F401 - all but model_builder patch the API, or add to it
    constant_anchors,
    efficientnet_lite,
    efficientnet_lite_rcnn,
    model_builder,
    sampling,
    suppression,
)
from apparel.models.tfod.pipeline_file import PipelineConfig


def build_model(config: PipelineConfig) -> tf.Module:
    """Builds a detection model; its weights are created when it is first called.

    The Keras learning phase while a function is traced decides whether it trains, as in the API's own loop.

    Raises:
        ValueError: the API cannot build the pipeline file's model; the message is the API's.
    """
    return model_builder.build(config.model, is_training=True)


def resizer(config: PipelineConfig):
    """The function that resizes a photo to the network's input: (H, W, 3) -> ((h, w, 3), true shape (3,))."""
    meta_architecture = config.model.WhichOneof("model")
    return image_resizer_builder.build(getattr(config.model, meta_architecture).image_resizer)


def adds_border(config: PipelineConfig) -> bool:
    """Whether the resizer may add a border to a photo, or leave its size to the photo; a fixed shape does neither."""
    meta_architecture = config.model.WhichOneof("model")
    image_resizer = getattr(config.model, meta_architecture).image_resizer
    return image_resizer.WhichOneof("image_resizer_oneof") != "fixed_shape_resizer"


def early_layers(backbone: tf.keras.Model) -> list[tf.keras.layers.Layer]:
    """The layers of a backbone before the first whose feature map is smaller than an eighth of the photo, in order."""
    outputs = [layer.output for layer in backbone.layers]
    shapes = tf.keras.Model(backbone.inputs, outputs).compute_output_shape([1, 256, 256, 3])
    border = next((number for number, shape in enumerate(shapes) if shape[1] < 256 / 8), len(shapes))
    return backbone.layers[:border]


def freeze_batch_norm(layers: Sequence[tf.keras.layers.Layer]) -> None:
    """Batch normalisation in these layers keeps its statistics, whatever the Keras learning phase."""
    for layer in layers:
        if hasattr(layer, "_training"):  # the API's FreezableBatchNorm
            layer._training = False


def _mobilenet_v1(batchnorm_training, alpha=1.0, **options):
    keras_options = {name: options.pop(name) for name in ("weights", "include_top", "input_shape") if name in options}
    layers = mobilenet_v1._LayersOverride(
        batchnorm_training,
        default_batchnorm_momentum=options.pop("default_batchnorm_momentum", 0.9997),
        alpha=alpha,
        **options,
    )
    return tf.keras.applications.MobileNet(alpha=1.0, layers=layers, **keras_options)


def _assign_targets(
    target_assigner,
    anchors_batch,
    gt_box_batch,
    gt_class_targets_batch,
    unmatched_class_label=None,
    gt_weights_batch=None,
):
    """Replaces `batch_assign` of the API's target_assigner.py, for photos padded to one number of boxes (weight 0).

    A Faster R-CNN's proposals, other ones in each photo, and its anchors, which learn no class, take the API's way.
    """
    if isinstance(anchors_batch, list) or gt_class_targets_batch[0] is None:
        return _assign_one_by_one(
            target_assigner,
            anchors_batch,
            gt_box_batch,
            gt_class_targets_batch,
            unmatched_class_label,
            gt_weights_batch,
        )

    def one_photo(photo):
        photo_boxes, photo_classes, photo_weights = photo
        return target_assigner.assign(
            anchors_batch, box_list.BoxList(photo_boxes), photo_classes, unmatched_class_label, photo_weights
        )

    boxes = tf.stack([photo.get() for photo in gt_box_batch])
    stacked = (boxes, tf.stack(gt_class_targets_batch), tf.stack(gt_weights_batch))
    return tf.vectorized_map(one_photo, without_padding(*stacked))


def without_padding(boxes, classes, weights):
    """Boxes (B, N, 4), classes and weights without what is padding for every photo: a mosaic has room for many boxes.

    Padding is zeros, which overlap with no anchor.
    """
    real = tf.reduce_any(boxes != 0, axis=2)
    most = tf.maximum(1, tf.reduce_max(tf.reduce_sum(tf.cast(real, tf.int32), axis=1)))
    order = tf.argsort(tf.cast(~real, tf.int32), axis=1, stable=True)[:, :most]
    return tuple(tf.gather(values, order, batch_dims=1) for values in (boxes, classes, weights))


def _mine_hard_examples(miner, location_losses, cls_losses, decoded_boxlist_list, match_list=None):
    """Replaces `HardExampleMiner.__call__` of the API's losses.py: mines the anchors of all photos of a batch at once.

    Returns the sums of the selected anchors' location and classification losses, two scalars.
    """
    losses_by_type = {
        "loc": location_losses,
        "cls": cls_losses,
        "both": cls_losses * miner._cls_loss_weight + location_losses * miner._loc_loss_weight,
    }
    mined_losses = tf.stop_gradient(losses_by_type[miner._loss_type])
    matches = tf.stack([match.match_results for match in match_list])
    anchors = mined_losses.shape[1]
    examples = min(miner._num_hard_examples or anchors, anchors)
    if miner._iou_threshold < 1:
        boxes = tf.stop_gradient(tf.stack([photo.get() for photo in decoded_boxlist_list]))
        most = tf.minimum(examples, _selections_that_count(miner, mined_losses, matches))
        indices = _suppressed(boxes, mined_losses, most, miner._iou_threshold)
    else:  # no overlap is above 1, so only the order of the suppression is left
        indices = tf.math.top_k(mined_losses, examples).indices
    selected = _selected(miner, indices, matches)
    return tf.reduce_sum(location_losses * selected), tf.reduce_sum(cls_losses * selected)


def _suppressed(boxes, losses, most, iou_threshold):
    """Anchors that non-maximum suppression leaves, by falling loss: int32 (B, most of any photo), filled with -1."""

    def one_photo(photo):
        photo_boxes, photo_losses, photo_most = photo
        indices = tf.image.non_max_suppression(photo_boxes, photo_losses, photo_most, iou_threshold)
        return tf.pad(indices, [[0, tf.size(photo_losses) - tf.size(indices)]], constant_values=-1)

    return tf.map_fn(one_photo, (boxes, losses, most), fn_output_signature=tf.int32)


def _selected(miner, indices, matches):
    """Float32 (B, anchors), 1 for the anchors that count. `indices`, int32 (B, K), are by falling loss, -1 for none.

    All positives do, and so many negatives for each of them, as in `_subsample_selection_to_desired_neg_pos_ratio` of
    the API's losses.py.
    """
    counted = indices >= 0
    anchors = tf.maximum(indices, 0)
    if miner._max_negatives_per_positive is not None:
        matched = tf.gather(matches, anchors, batch_dims=1)
        positive, negative = counted & (matched >= 0), counted & (matched == -1)
        positives = tf.reduce_sum(tf.cast(positive, tf.float32), axis=1, keepdims=True)
        negatives = tf.cast(miner._max_negatives_per_positive * positives, tf.int32)
        negatives = tf.maximum(miner._min_negatives_per_image, negatives)
        counted &= positive | (tf.cumsum(tf.cast(negative, tf.int32), axis=1) <= negatives)
    photos = tf.repeat(tf.range(tf.shape(indices)[0])[:, tf.newaxis], tf.shape(indices)[1], axis=1)
    places = tf.stack([photos, anchors], axis=2)
    return tf.scatter_nd(places, tf.cast(counted, tf.float32), tf.shape(matches))


def _selections_that_count(miner, losses, matches):
    """How many selections of the non-maximum suppression can change what is mined, int32 (B,).

    The suppression selects by falling loss; its cost grows with the square of the selections. All positives are kept,
    and negatives up to a number: nothing counts after both the last positive and the last negative of that number.
    """
    if miner._max_negatives_per_positive is None:
        return tf.fill(tf.shape(losses)[:1], tf.shape(losses)[1])
    positive = matches >= 0
    positives = tf.reduce_sum(tf.cast(positive, tf.float32), axis=1)
    negatives = tf.maximum(
        miner._min_negatives_per_image, tf.cast(miner._max_negatives_per_positive * positives, tf.int32)
    )
    others = tf.reduce_sum(tf.cast(matches != -1, tf.int32), axis=1)
    least = tf.reduce_min(tf.where(positive, losses, tf.float32.max), axis=1, keepdims=True)
    up_to_last_positive = tf.reduce_sum(tf.cast(losses >= least, tf.int32), axis=1)
    return tf.maximum(negatives + others, up_to_last_positive)


def _map_photos(fn, elems, dtype=None, parallel_iterations=32, back_prop=True):
    """Replaces `static_or_dynamic_map_fn` of the API's shape_utils.py: always its way that does not unroll."""
    del back_prop
    return tf.map_fn(fn, elems, fn_output_signature=dtype, parallel_iterations=parallel_iterations)


_assign_one_by_one = ssd_meta_arch.target_assigner.batch_assign_targets
mobilenet_v1.mobilenet_v1 = _mobilenet_v1
ssd_mobilenet_v1_fpn_keras_feature_extractor._create_modified_mobilenet_config = lambda: None
shape_utils.static_or_dynamic_map_fn = _map_photos
ssd_meta_arch.target_assigner.batch_assign_targets = _assign_targets
losses.HardExampleMiner.__call__ = _mine_hard_examples

"""Detection models of the Object Detection API, on a TensorFlow that it was never tested with.

What is patched when this module is imported, why, and when the patch may go:

- **The depth multiplier is applied once.** The API's Keras MobileNet v1 passes `alpha` both to Keras' `MobileNet` and
  to its own layers, so that 0.75 becomes 0.56. Until `conv_pw_13` of a 0.75 model has 768 channels without the patch.
- **Target assignment, hard example mining and non-maximum suppression run in a loop of the graph.** The API unrolls
  them once a photo, which took most of a minute to trace at batch 24. The results are the same. Until the API loops.
- **EfficientNet-Lite** is among the feature extractors: `efficientnet_lite.py`. Until the API has it.
- **Keras 2** is selected by `apparel/utils/tf_environment.py` and `model_builder.py`. Until the API is written for
  Keras 3.
"""

from collections.abc import Sequence

import tensorflow as tf
from object_detection.builders import image_resizer_builder
from object_detection.core import box_list, losses, matcher
from object_detection.meta_architectures import ssd_meta_arch
from object_detection.models.keras_models import mobilenet_v1
from object_detection.utils import shape_utils

from apparel.models.tfod import efficientnet_lite, model_builder  # noqa: F401 - the first registers its extractors
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


def _assign_targets(target_assigner, anchors, boxes, classes, unmatched_class_label=None, weights=None):
    """Replaces `batch_assign` of the API's target_assigner.py, for photos padded to one number of boxes (weight 0)."""

    def one_photo(photo):
        photo_boxes, photo_classes, photo_weights = photo
        return target_assigner.assign(
            anchors, box_list.BoxList(photo_boxes), photo_classes, unmatched_class_label, photo_weights
        )

    stacked = (tf.stack([photo.get() for photo in boxes]), tf.stack(classes), tf.stack(weights))
    result = (tf.float32, tf.float32, tf.float32, tf.float32, tf.int32)
    return tf.map_fn(one_photo, stacked, fn_output_signature=result)


def _mine_hard_examples(miner, location_losses, cls_losses, decoded_boxlist_list, match_list=None):
    """Replaces `HardExampleMiner.__call__` of the API's losses.py: selects the anchors that count in a loop of photos.

    Returns the sums of the selected anchors' location and classification losses, two scalars.
    """

    def select(photo):
        boxes, photo_losses, matches = photo
        match = matcher.Match(matches)
        most = tf.minimum(examples, _selections_that_count(miner, photo_losses, match))
        if miner._iou_threshold < 1:
            indices = tf.image.non_max_suppression(boxes, photo_losses, most, miner._iou_threshold)
        else:  # no overlap is above 1, so only the order of the suppression is left
            indices = tf.math.top_k(photo_losses, most).indices
        if miner._max_negatives_per_positive is not None:
            indices, _, _ = miner._subsample_selection_to_desired_neg_pos_ratio(
                indices, match, miner._max_negatives_per_positive, miner._min_negatives_per_image
            )
        return tf.scatter_nd(indices[:, None], tf.ones_like(indices, tf.float32), tf.shape(photo_losses))

    image_losses = {
        "loc": location_losses,
        "cls": cls_losses,
        "both": cls_losses * miner._cls_loss_weight + location_losses * miner._loc_loss_weight,
    }[miner._loss_type]
    boxes = tf.stack([photo.get() for photo in decoded_boxlist_list])
    anchors = tf.shape(boxes)[1]
    examples = tf.minimum(miner._num_hard_examples or anchors, anchors)
    matches = tf.stack([match.match_results for match in match_list])
    selected = tf.map_fn(
        select, (tf.stop_gradient(boxes), tf.stop_gradient(image_losses), matches), fn_output_signature=tf.float32
    )
    return tf.reduce_sum(location_losses * selected), tf.reduce_sum(cls_losses * selected)


def _selections_that_count(miner, photo_losses, match):
    """How many selections of the non-maximum suppression can change what is mined, a scalar int32.

    The suppression selects by falling loss; its cost grows with the square of the selections. All positives are kept,
    and negatives up to a number: nothing counts after both the last positive and the last negative of that number.
    """
    if miner._max_negatives_per_positive is None:
        return tf.size(photo_losses)
    positive = match.matched_column_indicator()
    positives = tf.reduce_sum(tf.cast(positive, tf.float32))
    negatives = tf.maximum(
        miner._min_negatives_per_image, tf.cast(miner._max_negatives_per_positive * positives, tf.int32)
    )
    others = tf.reduce_sum(tf.cast(~match.unmatched_column_indicator(), tf.int32))
    least = tf.reduce_min(tf.where(positive, photo_losses, tf.float32.max))
    up_to_last_positive = tf.reduce_sum(tf.cast(photo_losses >= least, tf.int32))
    return tf.maximum(negatives + others, up_to_last_positive)


def _map_photos(fn, elems, dtype=None, parallel_iterations=32, back_prop=True):
    """Replaces `static_or_dynamic_map_fn` of the API's shape_utils.py: always its way that does not unroll."""
    del back_prop
    return tf.map_fn(fn, elems, fn_output_signature=dtype, parallel_iterations=parallel_iterations)


mobilenet_v1.mobilenet_v1 = _mobilenet_v1
shape_utils.static_or_dynamic_map_fn = _map_photos
ssd_meta_arch.target_assigner.batch_assign_targets = _assign_targets
losses.HardExampleMiner.__call__ = _mine_hard_examples

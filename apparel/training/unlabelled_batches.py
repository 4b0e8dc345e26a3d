"""Batches of unlabelled photos: augmented with the labels beside them, or in two views for a teacher and its student.

The teacher sees a photo whole, perhaps mirrored (weak augmentation). The student sees a part of that view in other
colours (strong augmentation; Sohn et al. 2020, STAC, arXiv 2005.04757). Where the part lies is known, so that boxes
that the teacher finds later are moved along; the Object Detection API's crops need the boxes before.
"""

import math

import tensorflow as tf

from apparel import params
from apparel.data import examples
from apparel.data.index import UNLABELLED, Index
from apparel.models import inputs
from apparel.models.tfod import augmentation
from apparel.models.tfod.model import resizer
from apparel.models.tfod.pipeline_file import PipelineConfig, augmentation_steps
from apparel.training import input_pipeline

COLOURS = "random_distort_color"
"""The API's step that makes the augmentation strong, where the parameters do not have it already."""

SMALLEST_PART = 0.3
"""Area of the part that a student sees, as a share of the photo's; the largest is the whole photo."""

ASPECT_RATIOS = (3 / 4, 4 / 3)
"""Width by height of the part, relative to the photo's; as of the crops that classifiers are trained with."""

_DRAW = 1_000_003
"""Number of this draw from a photo's seed, beside those of `mosaic`, `copy_paste` and `multi_scale`."""


def batch_size(train: params.Train) -> int:
    """Unlabelled photos in a step, 1 or more."""
    return max(1, round(train.unlabelled_ratio * train.batch_size))


def unlabelled_batches(
    index: Index, config: PipelineConfig, train: params.Train, epoch: int = 0, position: int = 0
) -> tf.data.Dataset:
    """Endless batches of the unlabelled photos, shuffled; the same for the same seed wherever the stream begins.

    Args:
        index: of the TFRecords.
        config: the merged pipeline file.
        train: the section `train` of params.yaml.
        epoch: pass over the photos to begin in, from 0.
        position: records of that pass to skip.

    Returns:
        Batches as of `input_pipeline.training_batches`, of `batch_size` photos. With `train.teacher: labels` they are
        the photos that have labels, and boxes that the labels call difficult have the weight 0. With `mean`, there are
        no boxes; `weak` float32 (B, H, W, 3) is what the teacher sees, `weak_shape` int32 (B, 3) its part that is
        photo, and `window` float32 (B, 4) is ymin, xmin, ymax, xmax of `image` in it, in 0..1 of the photo's sides.
    """
    photos = input_pipeline.shuffled_records(index, UNLABELLED, train.seed, epoch, position)
    if train.teacher == "labels":
        photos = photos.filter(_has_boxes)
        photos = photos.map(_with_labels(index, config, train), tf.data.AUTOTUNE, deterministic=True)
    else:
        photos = photos.map(_in_two_views(config), tf.data.AUTOTUNE, deterministic=True)
    most_boxes = max(1, index.splits[UNLABELLED].most_boxes)
    batches = photos.padded_batch(batch_size(train), inputs.padded_shapes(photos, most_boxes), drop_remainder=True)
    return batches.map(input_pipeline.with_last_position).prefetch(2)


@tf.autograph.experimental.do_not_convert
def _has_boxes(_epoch, _number, _pass_seed, record) -> tf.Tensor:
    return tf.size(examples.parse_example(record)["classes"]) > 0


def _with_labels(index: Index, config: PipelineConfig, train: params.Train):
    """A function that augments a photo as the parameters say, its colours, too, with the labels beside it."""
    strong = PipelineConfig()
    strong.CopyFrom(config)
    steps = strong.train_config.data_augmentation_options
    if COLOURS not in {step.WhichOneof("preprocessing_step") for step in steps}:
        steps.extend(augmentation_steps((COLOURS,), config))
    encode_classes = inputs.one_hot(len(index.classes))
    class_weights = input_pipeline.weight_of_class(index, train.class_balance).numpy()

    @tf.autograph.experimental.do_not_convert
    def prepare(epoch, number, pass_seed, record):
        example = examples.parse_example(record)
        weights = tf.where(example["difficult"], 0.0, tf.gather(class_weights, example["classes"] - 1))
        image, true_shape, boxes, classes, weights = input_pipeline.augment_and_resize(
            strong, _photo_seed(pass_seed, number), example["image"], example["boxes"], example["classes"], weights
        )
        values = {"image": image, "true_shape": true_shape, "boxes": boxes, "weights": weights}
        return values | {"classes": encode_classes(classes), "epoch": epoch, "position": number + 1}

    return prepare


def _in_two_views(config: PipelineConfig):
    """A function that gives a photo as the teacher and as the student see it.

    It is mirrored and cropped where the parameters mirror and crop at all.
    """
    resize = resizer(config)
    names = [step.WhichOneof("preprocessing_step") for step in config.train_config.data_augmentation_options]
    mirrors, crops = "random_horizontal_flip" in names, any("crop" in name for name in names)
    colours = augmentation_steps((COLOURS,), config)

    @tf.autograph.experimental.do_not_convert
    def prepare(epoch, number, pass_seed, record):
        photo_seed = _photo_seed(pass_seed, number)
        draws = tf.random.stateless_uniform([5], tf.random.fold_in(photo_seed, 0, alg="philox"))
        pixels = inputs.decode_pixels(examples.parse_example(record)["image"])
        if mirrors:
            pixels = tf.cond(draws[0] < 0.5, lambda: pixels[:, ::-1], lambda: pixels)
        weak, weak_shape = resize(tf.cast(pixels, tf.float32))
        window = draw_window(draws[1:]) if crops else tf.constant([0.0, 0.0, 1.0, 1.0])
        part, window = _cut(pixels, window)
        image, true_shape = resize(tf.cast(part, tf.float32))
        nothing = tf.zeros([0, 4]), tf.zeros([0], tf.int64), tf.zeros([0])
        colour_seed = tf.random.fold_in(photo_seed, 1, alg="philox")
        image, *_ = augmentation.augment(colours, colour_seed, image, *nothing)
        views = {"image": image, "true_shape": true_shape, "weak": weak, "weak_shape": weak_shape, "window": window}
        return views | {"epoch": epoch, "position": number + 1}

    return prepare


def draw_window(draws: tf.Tensor) -> tf.Tensor:
    """The part of a photo, float32 (4,) ymin, xmin, ymax, xmax in 0..1 of its sides, by four numbers from 0 to 1."""
    area, ratio, top, left = tf.unstack(draws)
    area = SMALLEST_PART + (1 - SMALLEST_PART) * area
    low, high = map(math.log, ASPECT_RATIOS)
    ratio = tf.exp(low + (high - low) * ratio)
    height, width = tf.minimum(tf.sqrt(area / ratio), 1.0), tf.minimum(tf.sqrt(area * ratio), 1.0)
    corner = tf.stack([top * (1 - height), left * (1 - width)])
    return tf.concat([corner, corner + tf.stack([height, width])], axis=0)


def _cut(pixels: tf.Tensor, window: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The part of a photo (H, W, 3) in a window, to whole pixels and at least one, and the window of these pixels."""
    sides = tf.shape(pixels)[:2]
    exact = tf.reshape(window, [2, 2]) * tf.cast(sides, tf.float32)
    low = tf.minimum(tf.cast(tf.round(exact[0]), tf.int32), sides - 1)
    high = tf.maximum(tf.minimum(tf.cast(tf.round(exact[1]), tf.int32), sides), low + 1)
    part = pixels[low[0] : high[0], low[1] : high[1]]
    part.set_shape([None, None, 3])
    whole = tf.cast(tf.concat([sides, sides], axis=0), tf.float32)
    return part, tf.cast(tf.concat([low, high], axis=0), tf.float32) / whole


def _photo_seed(pass_seed: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """Of a photo by its number in a pass; another one than that of the labelled photo of this number."""
    seed = tf.random.fold_in(pass_seed, tf.cast(number, tf.int32), alg="philox")
    return tf.random.fold_in(seed, _DRAW, alg="philox")

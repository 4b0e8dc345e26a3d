"""Training batches from TFRecords: shuffled, balanced by class, augmented, and the same for the same seed."""

import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from apparel import params
from apparel.data import examples
from apparel.data.index import Index
from apparel.models import inputs
from apparel.models.inputs import Batch
from apparel.models.tfod import augmentation, determinism
from apparel.models.tfod.model import adds_border, resizer
from apparel.models.tfod.pipeline_file import PipelineConfig
from apparel.training import copy_paste, mosaic, multi_scale
from apparel.training.replicas import take

SHUFFLE_PHOTOS, SHUFFLE_BYTES = 2048, 2**29
"""Photos among which the next one is drawn, and the memory that they may take: large photos are fewer."""


def training_batches(
    index: Index,
    config: PipelineConfig,
    train: params.Train,
    epoch: int = 0,
    position: int = 0,
    share: slice = slice(None),
) -> tf.data.Dataset:
    """Endless batches of augmented training photos.

    After `determinism.enable` the batches depend on the seed alone, not on threads or on where the stream begins: a
    stream that begins at the epoch and position of a batch continues with the batch that followed it.

    Args:
        index: of the TFRecords.
        config: the merged pipeline file.
        train: the section `train` of params.yaml.
        epoch: pass over the photos to begin in, from 0.
        position: records of that pass to skip.
        share: the photos of each batch that are wanted, where other machines take the others.

    Returns:
        Batches of `train.batch_size` photos: `image` float32 (B, H, W, 3) as the network takes it, `true_shape` int32
        (B, 3), the part of it that is photo and not padding, `boxes` float32 (B, N, 4) ymin, xmin, ymax, xmax in 0..1
        of the photo's sides, `classes` float32 (B, N, classes) one-hot, `weights` float32 (B, N), 0 for padding, which
        may lie between boxes, and `epoch` and `position` (scalar int64) of the first record after the batch.
    """
    config = multi_scale.at_largest(config, train)
    repeat_factors = _repeat_factors(index) if train.class_balance == "sampling" else None
    photos = shuffled_records(index, "train", train.seed, epoch, position, repeat_factors)
    batch_size, mixes_photos = train.batch_size, bool(train.mosaic or train.copy_paste)
    if share != slice(None) and not mixes_photos:
        photos = _of_share(photos, batch_size, share)
        batch_size = share.stop - share.start
    photos = photos.map(_augmented(index, config, train), num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    most_boxes = max(1, index.splits["train"].most_boxes)
    batches = photos.padded_batch(batch_size, inputs.padded_shapes(photos, most_boxes), drop_remainder=True)
    if train.copy_paste:
        batches = batches.map(lambda batch: copy_paste.combine(batch, train.copy_paste))
    if train.mosaic:
        batches = batches.map(mosaic.combine)
    batches = batches.map(with_last_position)
    if train.multi_scale:
        batches = batches.map(lambda batch: multi_scale.resize(batch, train))
    if share != slice(None) and mixes_photos:
        batches = batches.map(lambda batch: take(batch, share))
    return batches.prefetch(4)


def _augmented(index: Index, config: PipelineConfig, train: params.Train) -> Callable:
    """A function from a record, as `shuffled_records` or `_of_share` give it, to the values of one photo of a batch."""
    encode_classes = inputs.one_hot(len(index.classes))

    @tf.autograph.experimental.do_not_convert
    def prepare(epoch, number, pass_seed, record, *last):
        example = examples.parse_example(record)
        weights = weight_of_class(index, train.class_balance)
        photo_seed = tf.random.fold_in(pass_seed, tf.cast(number, tf.int32), alg="philox")
        image, true_shape, boxes, classes, box_weights = augment_and_resize(
            config,
            photo_seed,
            example["image"],
            example["boxes"],
            example["classes"],
            tf.gather(weights, example["classes"] - 1),
        )
        values = {"image": image, "true_shape": true_shape, "boxes": boxes, "weights": box_weights}
        if train.copy_paste:
            values["copy_paste"] = copy_paste.draw(photo_seed)
        if train.mosaic:
            values["mosaic"] = mosaic.drawn(train.mosaic, photo_seed)
        epoch, number = last or (epoch, number)
        return values | {"classes": encode_classes(classes), "epoch": epoch, "position": number + 1}

    return prepare


def augment_and_resize(config: PipelineConfig, seed: tf.Tensor, encoded: tf.Tensor, boxes, classes, weights):
    """Augments one photo, JPEG or PNG bytes, as the pipeline file says: image, true shape, boxes, classes, weights.

    Steps that only move pixels run on 8 bits a colour. The last steps that only change colours run after the resizing,
    on fewer pixels, where no border is added to the photo; the Object Detection API runs them before.
    """
    draws = itertools.count()
    moves, others, colours = augmentation.split_steps(list(config.train_config.data_augmentation_options))
    if adds_border(config):
        others, colours = others + colours, []
    image, *truth = augmentation.augment(moves, seed, inputs.decode_pixels(encoded), boxes, classes, weights, draws)
    image, *truth = augmentation.augment(others, seed, tf.cast(image, tf.float32), *truth, draws)
    image, true_shape = resizer(config)(image)
    image, *truth = augmentation.augment(colours, seed, image, *truth, draws)
    return image, true_shape, *truth


def shuffled_records(
    index: Index, split: str, seed: int, epoch: int, position: int, repeat_factors: tf.Tensor | None = None
) -> tf.data.Dataset:
    """Endless passes over the records of a split, each shuffled anew: epoch, number in the pass, its seed, record.

    Args:
        index: of the TFRecords.
        split: the split.
        seed: of the order; the same for the same one.
        epoch: pass to begin in, from 0.
        position: records of that pass to skip.
        repeat_factors: float32 (classes,), how often a photo with a box of each class comes; None for once.
    """
    files = inputs.record_files(index, split)
    one_pass = _shuffled_passes(files, _shuffle_buffer(files, index.splits[split].photos), seed, repeat_factors)
    return tf.data.Dataset.range(epoch, 2**31).flat_map(one_pass).skip(position)


def _shuffled_passes(files: list[str], buffer_size: int, seed: int, repeat_factors: tf.Tensor | None) -> Callable:
    """A function from an epoch to a dataset of its records."""
    seed = tf.constant([seed, 0], tf.int32)

    @tf.autograph.experimental.do_not_convert
    def one_pass(epoch):
        pass_seed = tf.random.fold_in(seed, tf.cast(epoch, tf.int32), alg="philox")
        shuffle_seed = tf.cast(pass_seed[0], tf.int64)
        records = determinism.shuffle(tf.data.Dataset.from_tensor_slices(files), len(files), shuffle_seed)
        records = records.interleave(tf.data.TFRecordDataset, cycle_length=4)
        if repeat_factors is not None:
            records = records.enumerate().flat_map(
                lambda number, record: _repeated(record, number, pass_seed, repeat_factors)
            )
        records = determinism.shuffle(records, buffer_size, shuffle_seed)
        return records.enumerate().map(lambda number, record: (epoch, number, pass_seed, record))

    return one_pass


def _of_share(records: tf.data.Dataset, batch_size: int, share: slice) -> tf.data.Dataset:
    """The records of one machine's share of each batch, each with epoch and number of the batch's last record."""

    @tf.autograph.experimental.do_not_convert
    def divide(epoch, number, *others):
        photos = share.stop - share.start
        last = (tf.repeat(values[-1:], photos, axis=0) for values in (epoch, number))
        return *(values[share] for values in (epoch, number, *others)), *last

    return records.batch(batch_size, drop_remainder=True).map(divide).unbatch()


def class_weights(index: Index) -> dict[str, float]:
    """Weight of a box of each class, above 0 to 1: the square root of the rarest class's boxes by those of the class.

    The rarest class weighs 1, all others less.
    """
    boxes = Counter(index.splits["train"].boxes_per_class)
    rarest = min(boxes[name] for name in index.classes)
    return {name: (rarest / boxes[name]) ** 0.5 for name in index.classes}


def weight_of_class(index: Index, class_balance: str) -> tf.Tensor:
    """Float32 (classes,)."""
    weights = class_weights(index)
    return tf.constant([weights[name] if class_balance == "loss" else 1.0 for name in index.classes], tf.float32)


def _shuffle_buffer(files: list[str], photos: int) -> int:
    size = sum(Path(file).stat().st_size for file in files)
    return max(1, min(SHUFFLE_PHOTOS, SHUFFLE_BYTES * photos // max(1, size)))


def _repeat_factors(index: Index) -> tf.Tensor:
    """How often a photo with a box of each class comes in one pass, float32 (classes,), at least 1.

    Repeat factors as of LVIS (Gupta et al. 2019, arXiv 1908.03195), but by boxes where LVIS counts photos, and
    relative to the most common class.
    """
    weights = class_weights(index)
    most_common = min(weights.values())
    return tf.constant([weights[name] / most_common for name in index.classes], tf.float32)


def _repeated(record, number, pass_seed, repeat_factors) -> tf.data.Dataset:
    """The record as often as its rarest class asks for, the fraction rounded up or down at random."""
    classes = examples.parse_example(record)["classes"]
    factor = tf.reduce_max(tf.concat([[1.0], tf.gather(repeat_factors, classes - 1)], axis=0))
    draw = tf.random.stateless_uniform([], tf.random.fold_in(pass_seed, tf.cast(number, tf.int32), alg="philox"))
    # Slices of one record: `from_tensors` would keep TensorFlow from preparing batches ahead, see `determinism`.
    return tf.data.Dataset.from_tensor_slices(record[tf.newaxis]).repeat(tf.cast(tf.floor(factor + draw), tf.int64))


def with_last_position(batch: Batch) -> Batch:
    return batch | {"epoch": batch["epoch"][-1], "position": batch["position"][-1]}

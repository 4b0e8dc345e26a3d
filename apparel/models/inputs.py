"""TFRecords -> batches for the detector, in an order and with random numbers that depend on the seed alone."""

from collections import Counter
from pathlib import Path

import tensorflow as tf

from apparel import params, paths
from apparel.data import examples
from apparel.data.index import Index
from apparel.models.tfod import augmentation, determinism, model
from apparel.models.tfod.pipeline_file import PipelineConfig
from apparel.training import mosaic

BATCH = dict[str, tf.Tensor]

SHUFFLED, SHUFFLED_BYTES = 2048, 2**29
"""Photos among which the next one is drawn, and the memory that they may take: large photos are fewer."""


def records(index: Index, split: str) -> list[str]:
    """The TFRecord files of a split, in the order of `index.json`."""
    return [str(paths.TFRECORD / shard.file) for shard in index.splits[split].shards]


def first_photo(index: Index, split: str) -> bytes:
    """The first photo of a split: JPEG or PNG."""
    record = next(iter(tf.data.TFRecordDataset(records(index, split))))
    return examples.parse_example(record)["image"].numpy()


def training_batches(
    index: Index, config: PipelineConfig, train: params.Train, epoch: int = 0, position: int = 0
) -> tf.data.Dataset:
    """Endless batches of augmented training photos.

    After `determinism.enable` the stream depends on the seed alone, not on threads or on where it was begun: one that
    starts at the epoch and position which a batch carries goes on with the batch that followed it.

    Args:
        index: of the TFRecords.
        config: the merged pipeline file.
        train: the section `train` of params.yaml.
        epoch: pass over the photos to begin in, from 0.
        position: records of that pass to leave out.

    Returns:
        Batches of `train.batch_size` photos: `image` float32 (B, H, W, 3) as the network takes it, `true_shape` int32
        (B, 3), how much of it is photo and no padding, `boxes` float32 (B, N, 4) ymin, xmin, ymax, xmax in 0..1 of the
        photo's sides, `classes` float32 (B, N, classes) one-hot, `weights` float32 (B, N), 0 for padding, which may lie
        between boxes, and `epoch` and `position` (scalar int64) of the first record behind the batch.
    """
    files = records(index, "train")
    shuffled = _shuffled(files, index.splits["train"].photos)
    seed = tf.constant([train.seed, 0], tf.int32)
    copies = _copies(index) if train.class_balance == "sampling" else None

    @tf.autograph.experimental.do_not_convert
    def one_pass(number):
        pass_seed = tf.random.fold_in(seed, tf.cast(number, tf.int32), alg="philox")
        shuffle_seed = tf.cast(pass_seed[0], tf.int64)
        stream = determinism.shuffle(tf.data.Dataset.from_tensor_slices(files), len(files), shuffle_seed)
        stream = stream.interleave(tf.data.TFRecordDataset, cycle_length=4)
        if copies is not None:
            stream = stream.enumerate().flat_map(lambda place, record: _repeated(record, place, pass_seed, copies))
        stream = determinism.shuffle(stream, shuffled, shuffle_seed)
        return stream.enumerate().map(lambda place, record: (number, place, pass_seed, record))

    @tf.autograph.experimental.do_not_convert
    def prepare(number, place, pass_seed, record):
        example = examples.parse_example(record)
        weights = _class_weights(index, train.class_balance)
        photo_seed = tf.random.fold_in(pass_seed, tf.cast(place, tf.int32), alg="philox")
        image, boxes, classes, box_weights = augmentation.augment(
            list(config.train_config.data_augmentation_options),
            photo_seed,
            decode(example["image"]),
            example["boxes"],
            example["classes"],
            tf.gather(weights, example["classes"] - 1),
        )
        image, true_shape = resize(image)
        values = {"image": image, "true_shape": true_shape, "boxes": boxes, "weights": box_weights}
        if train.mosaic:
            values["mosaic"] = mosaic.drawn(train.mosaic, photo_seed)
        return values | {"classes": one_hot(classes), "epoch": number, "position": place + 1}

    resize = model.resizer(config)
    one_hot = _one_hot(len(index.classes))
    stream = tf.data.Dataset.range(epoch, 2**31).flat_map(one_pass).skip(position)
    stream = stream.map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    most_boxes = max(1, index.splits["train"].most_boxes)
    stream = stream.padded_batch(train.batch_size, _shapes(stream, most_boxes), drop_remainder=True)
    if train.mosaic:
        stream = stream.map(mosaic.combine)
    return stream.map(_last_place).prefetch(4)


def evaluation_batches(index: Index, config: PipelineConfig, split: str, batch_size: int) -> tf.data.Dataset:
    """Every photo of a split once, in the order of its records.

    Returns:
        Batches as of `training_batches`, and for each photo `filename`, `width`, `height` (pixels of the photo),
        `difficult` bool (B, N), `count` (its boxes) and `real`: the last batch is filled with empty photos, for which
        it is False.
    """
    resize = model.resizer(config)
    one_hot = _one_hot(len(index.classes))

    @tf.autograph.experimental.do_not_convert
    def prepare(record):
        example = examples.parse_example(record)
        image, true_shape = resize(decode(example.pop("image")))
        classes = example["classes"]
        return example | {
            "image": image,
            "true_shape": true_shape,
            "classes": one_hot(classes),
            "weights": 1.0 - tf.cast(example["difficult"], tf.float32),
            "count": tf.size(classes),
            "real": True,
        }

    stream = tf.data.TFRecordDataset(records(index, split)).map(
        prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    # Room for the photo with most boxes of any split: one traced function then takes the batches of all.
    most_boxes = max(1, *(counts.most_boxes for counts in index.splits.values()))
    stream = stream.padded_batch(batch_size, _shapes(stream, most_boxes))
    return stream.map(lambda batch: _filled(batch, batch_size)).prefetch(2)


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """JPEG or PNG bytes (scalar string) -> float32 (H, W, 3), 0 to 255."""
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    image.set_shape([None, None, 3])
    return tf.cast(image, tf.float32)


def class_weights(index: Index) -> dict[str, float]:
    """How much a box of each class weighs: the root of how much rarer it is than the commonest, so that the rarest
    weighs 1 and none more."""
    boxes = Counter(index.splits["train"].boxes_per_class)
    rarest = min(boxes[name] for name in index.classes)
    return {name: (rarest / boxes[name]) ** 0.5 for name in index.classes}


def _class_weights(index: Index, class_balance: str) -> tf.Tensor:
    weights = class_weights(index)
    return tf.constant([weights[name] if class_balance == "loss" else 1.0 for name in index.classes], tf.float32)


def _shuffled(files: list[str], photos: int) -> int:
    size = sum(Path(file).stat().st_size for file in files)
    return max(1, min(SHUFFLED, SHUFFLED_BYTES * photos // max(1, size)))


def _copies(index: Index) -> tf.Tensor:
    """How often a photo with a box of each class comes in one pass: repeat factors as of LVIS (Gupta et al. 2019,
    arXiv 1908.03195), but by boxes where LVIS counts photos, and relative to the commonest class."""
    weights = class_weights(index)
    commonest = min(weights.values())
    return tf.constant([weights[name] / commonest for name in index.classes], tf.float32)


def _repeated(record, place, pass_seed, copies) -> tf.data.Dataset:
    classes = examples.parse_example(record)["classes"]
    times = tf.reduce_max(tf.concat([[1.0], tf.gather(copies, classes - 1)], axis=0))
    draw = tf.random.stateless_uniform([], tf.random.fold_in(pass_seed, tf.cast(place, tf.int32), alg="philox"))
    # Slices of one record: `from_tensors` would keep TensorFlow from preparing batches ahead, see `determinism`.
    return tf.data.Dataset.from_tensor_slices(record[tf.newaxis]).repeat(tf.cast(tf.floor(times + draw), tf.int64))


def _one_hot(classes: int):
    return lambda ids: tf.one_hot(ids - 1, classes)


def _shapes(stream: tf.data.Dataset, most_boxes: int) -> dict:
    """Shapes to pad to: as many boxes as the photo with the most of them has."""
    shapes = {name: spec.shape for name, spec in stream.element_spec.items()}
    for name in {"boxes", "classes", "weights", "difficult"} & shapes.keys():
        shapes[name] = [most_boxes, *shapes[name][1:]]
    return shapes


def _last_place(batch: BATCH) -> BATCH:
    return batch | {"epoch": batch["epoch"][-1], "position": batch["position"][-1]}


def _filled(batch: BATCH, batch_size: int) -> BATCH:
    """The batch with empty photos behind it up to `batch_size`, so that one traced function takes every batch."""

    def fill(values):
        missing = batch_size - tf.shape(values)[0]
        values = tf.pad(values, [[0, missing]] + [[0, 0]] * (len(values.shape) - 1), constant_values=_nothing(values))
        values.set_shape([batch_size, *values.shape[1:]])
        return values

    return {name: fill(values) for name, values in batch.items()}


def _nothing(values: tf.Tensor):
    return tf.zeros([], values.dtype) if values.dtype != tf.string else ""

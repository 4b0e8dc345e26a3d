"""TFRecords as batches for evaluation, and what training batches share with them: records, decoding, padding."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from apparel import paths
from apparel.data import examples
from apparel.data.index import Index
from apparel.models.tfod.model import resizer
from apparel.models.tfod.pipeline_file import PipelineConfig

Batch = dict[str, tf.Tensor]
"""Tensors by name; `evaluation_batches` and `training.input_pipeline.training_batches` list names and shapes."""


def record_files(index: Index, split: str) -> list[str]:
    """The TFRecord files of a split, in the order of the index."""
    return [str(paths.TFRECORD / shard.file) for shard in index.splits[split].shards]


def first_photo(index: Index, split: str) -> bytes:
    """The first photo of a split: JPEG or PNG."""
    return first_photos(index, split, 1)[0]


def first_photos(index: Index, split: str, count: int) -> list[bytes]:
    """The first photos of a split, fewer where it has fewer: JPEG or PNG."""
    records = tf.data.TFRecordDataset(record_files(index, split)).take(count)
    return [examples.parse_example(record)["image"].numpy() for record in records]


def box_sizes(index: Index, config: PipelineConfig, split: str) -> np.ndarray:
    """Widths and heights of a split's boxes, float32 (N, 2), as fractions of the network's input.

    A resizer that keeps the shape of photos makes the longer side the network's.
    """
    resizer = getattr(config.model, config.model.WhichOneof("model")).image_resizer
    keeps_shape = resizer.WhichOneof("image_resizer_oneof") == "keep_aspect_ratio_resizer"

    @tf.autograph.experimental.do_not_convert
    def sizes(record):
        example = examples.parse_example(record)
        photo = tf.cast(tf.stack([example["width"], example["height"]]), tf.float32)
        share = photo / tf.reduce_max(photo) if keeps_shape else tf.ones(2)
        ymin, xmin, ymax, xmax = tf.unstack(example["boxes"], axis=1)
        return tf.data.Dataset.from_tensor_slices(tf.stack([xmax - xmin, ymax - ymin], axis=1) * share)

    boxes = tf.data.TFRecordDataset(record_files(index, split)).flat_map(sizes)
    return np.array(list(boxes.as_numpy_iterator()), np.float32).reshape(-1, 2)


def evaluation_batches(index: Index, config: PipelineConfig, split: str, batch_size: int) -> tf.data.Dataset:
    """Every photo of a split once, in the order of its records.

    Returns:
        Batches of `batch_size` photos (B), boxes (N) padded to the photo with most of them in any split:

        - `image` float32 (B, H, W, 3) as the network takes it, `true_shape` int32 (B, 3), the part of it that is photo
          and not padding;
        - `boxes` float32 (B, N, 4) ymin, xmin, ymax, xmax in 0..1 of the photo's sides, `classes` float32
          (B, N, classes) one-hot, `weights` float32 (B, N), 0 for padding and difficult boxes, `difficult` bool (B, N),
          `count` int32 (B,), the boxes of each photo without padding;
        - `filename` string (B,), `width` and `height` int64 (B,), pixels of the photo;
        - `real` bool (B,): False for the empty photos that fill the last batch.
    """
    resize = resizer(config)
    encode_classes = one_hot(len(index.classes))

    @tf.autograph.experimental.do_not_convert
    def prepare(record):
        example = examples.parse_example(record)
        image, true_shape = resize(decode_pixels(example.pop("image")))
        classes = example["classes"]
        return example | {
            "image": tf.cast(image, tf.float32),
            "true_shape": true_shape,
            "classes": encode_classes(classes),
            "weights": 1.0 - tf.cast(example["difficult"], tf.float32),
            "count": tf.size(classes),
            "real": True,
        }

    photos = tf.data.TFRecordDataset(record_files(index, split)).map(
        prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    # The most boxes of any split: one traced function then takes the batches of all.
    most_boxes = max(1, *(counts.most_boxes for counts in index.splits.values()))
    batches = photos.padded_batch(batch_size, padded_shapes(photos, most_boxes))
    fill = tf.autograph.experimental.do_not_convert(lambda batch: _filled(batch, batch_size))
    return batches.map(fill).prefetch(2)


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """JPEG or PNG bytes (scalar string) -> float32 (H, W, 3), 0 to 255."""
    return tf.cast(decode_pixels(encoded), tf.float32)


def decode_pixels(encoded: tf.Tensor) -> tf.Tensor:
    """JPEG or PNG bytes (scalar string) -> uint8 (H, W, 3): resized, the same values as of `decode`, sooner."""
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    image.set_shape([None, None, 3])
    return image


def one_hot(classes: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function from class ids, int64 (N,) from 1, to float32 (N, classes)."""
    return lambda ids: tf.one_hot(ids - 1, classes)


def padded_shapes(photos: tf.data.Dataset, most_boxes: int) -> dict:
    """Shapes for `padded_batch` by name: boxes, classes, weights and difficult are padded to `most_boxes` rows."""
    shapes = {name: spec.shape for name, spec in photos.element_spec.items()}
    for name in {"boxes", "classes", "weights", "difficult"} & shapes.keys():
        shapes[name] = [most_boxes, *shapes[name][1:]]
    return shapes


def _filled(batch: Batch, batch_size: int) -> Batch:
    """The batch, filled with empty photos up to `batch_size`, so that one traced function takes every batch."""

    missing = batch_size - tf.shape(batch["width"])[0]

    def filled():
        return {
            name: tf.pad(values, [[0, missing]] + [[0, 0]] * (len(values.shape) - 1), constant_values=_zero(values))
            for name, values in batch.items()
        }

    whole = tf.cond(missing > 0, filled, lambda: dict(batch))  # `tf.pad` by nothing would copy the photos
    return {name: tf.ensure_shape(values, [batch_size, *batch[name].shape[1:]]) for name, values in whole.items()}


def _zero(values: tf.Tensor):
    return tf.zeros([], values.dtype) if values.dtype != tf.string else ""

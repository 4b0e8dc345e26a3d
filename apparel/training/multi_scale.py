"""Multi-scale training: each batch at one of a few resolutions (Redmon and Farhadi 2016, YOLO9000, arXiv 1612.08242).

Batches are made at the largest and made smaller. The step is traced once a resolution.
"""

import tensorflow as tf

from apparel import params
from apparel.models.inputs import Batch
from apparel.models.tfod.pipeline_file import PipelineConfig

_DRAW = 1_000_002
"""Number of this draw from the seed, beside those of `mosaic` and `copy_paste`."""


def resolutions(train: params.Train) -> tuple[int, ...]:
    """Pixels, `train.resolution` first."""
    return (train.resolution, *train.multi_scale)


def at_largest(config: PipelineConfig, train: params.Train) -> PipelineConfig:
    """The merged pipeline file at the largest resolution, itself if that is its own."""
    if not train.multi_scale:
        return config
    largest = PipelineConfig()
    largest.CopyFrom(config)
    resizer = getattr(largest.model, largest.model.WhichOneof("model")).image_resizer.fixed_shape_resizer
    resizer.height = resizer.width = max(resolutions(train))
    return largest


def resize(batch: Batch, train: params.Train) -> Batch:
    """The batch at a resolution that is drawn by the seed and the batch's place in the training.

    Args:
        batch: with `image` float32 (B, H, W, 3), `true_shape` int32 (B, 3), and `epoch` and `position`, int64 scalars.
        train: the section `train` of params.yaml.
    """
    sides, seed = resolutions(train), tf.constant([train.seed, _DRAW])
    for number in (batch["epoch"], batch["position"]):
        seed = tf.random.fold_in(seed, tf.cast(number, tf.int32), alg="philox")
    side = tf.gather(sides, tf.random.stateless_uniform([], seed, 0, len(sides), tf.int32))
    photos = batch["image"].shape[0]
    true_shape = tf.tile(tf.stack([side, side, 3])[tf.newaxis], [photos, 1])
    return batch | {"image": tf.image.resize(batch["image"], [side, side]), "true_shape": true_shape}

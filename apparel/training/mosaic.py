"""Four photos at half size in place of one (mosaic augmentation, Bochkovskiy et al. 2020, arXiv 2004.10934).

The Object Detection API has no such step: its preprocessor sees one photo at a time.
"""

import tensorflow as tf

_DRAW = 1_000_000
"""Number of this draw from a photo's seed, above those that `models.tfod.augmentation` takes."""


def drawn(share: float, photo_seed: tf.Tensor) -> tf.Tensor:
    """Whether a mosaic replaces a photo, a scalar bool.

    Args:
        share: 0 to 1, the share of photos that are replaced.
        photo_seed: int32 (2,); the same seed gives the same answer.
    """
    return tf.random.stateless_uniform([], tf.random.fold_in(photo_seed, _DRAW, alg="philox")) < share


def combine(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Replaces some photos of a batch by mosaics.

    A mosaic is made of the photo that it replaces and the next three of the batch, whose first follows its last: top
    left, top right, bottom left, bottom right. Photos must fill the network's input, without a border.

    Args:
        batch: `image` float32 (B, H, W, 3), `boxes` float32 (B, N, 4) normalised ymin, xmin, ymax, xmax, `classes`
            (B, N, classes), `weights` float32 (B, N), 0 for padding, and `mosaic` bool (B,): which photos to replace.
            Other entries are returned as they are.

    Returns:
        The batch without `mosaic`, with room for 4 N boxes a photo; padding is zeros, and may lie between boxes.
    """
    height, width = batch["image"].shape[1:3]
    half = tf.nn.avg_pool2d(batch["image"], 2, 2, "SAME")  # of an odd side the larger half
    scale = [half.shape[1] / height, half.shape[2] / width]
    top = tf.concat([half, _next(half, 1)], axis=2)
    bottom = tf.concat([_next(half, 2), _next(half, 3)], axis=2)
    corners = [[y * scale[0], x * scale[1]] for y in (0, 1) for x in (0, 1)]
    moved = [tf.minimum(batch["boxes"] * (scale * 2) + corner * 2, 1.0) for corner in corners]
    mosaics = {
        "image": tf.concat([top, bottom], axis=1)[:, :height, :width],
        "boxes": tf.concat([_next(boxes, offset) for offset, boxes in enumerate(moved)], axis=1),
        "classes": tf.concat([_next(batch["classes"], offset) for offset in range(4)], axis=1),
        "weights": tf.concat([_next(batch["weights"], offset) for offset in range(4)], axis=1),
    }
    mosaics["boxes"] *= tf.cast(mosaics["weights"] > 0, tf.float32)[..., tf.newaxis]
    mixed = {name: _where(batch["mosaic"], values, batch[name]) for name, values in mosaics.items()}
    return {name: values for name, values in batch.items() if name != "mosaic"} | mixed


def _next(values: tf.Tensor, offset: int) -> tf.Tensor:
    """For each photo of the batch the values of the one `offset` photos later."""
    return tf.roll(values, -offset, axis=0)


def _where(is_mosaic: tf.Tensor, mosaics: tf.Tensor, photos: tf.Tensor) -> tf.Tensor:
    """Values of the mosaic where `is_mosaic`, else of the photo, padded to as many boxes as a mosaic has room for."""
    missing = mosaics.shape[1] - photos.shape[1]
    photos = tf.pad(photos, [[0, 0], [0, missing]] + [[0, 0]] * (len(photos.shape) - 2))
    return tf.where(tf.reshape(is_mosaic, [-1] + [1] * (len(photos.shape) - 1)), mosaics, photos)

"""Four photos at half size in place of one (mosaic augmentation, Bochkovskiy et al. 2020, arXiv 2004.10934).

The Object Detection API has no such step: its preprocessor sees one photo at a time.
"""

import tensorflow as tf

_DRAW = 1_000_000
"""Place of this draw among those of a photo's seed, behind the ones of `compat.augmentation`."""


def drawn(share: float, photo_seed: tf.Tensor) -> tf.Tensor:
    """Whether a mosaic takes a photo's place, a scalar bool.

    Args:
        share: 0 to 1, how often that is so.
        photo_seed: int32 (2,); the same seed gives the same answer.
    """
    return tf.random.stateless_uniform([], tf.random.fold_in(photo_seed, _DRAW, alg="philox")) < share


def combine(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Puts mosaics in the place of some photos of a batch.

    A mosaic is made of the photo that it replaces and the next three of the batch, behind whose last comes its first:
    top left, top right, bottom left, bottom right. Photos must fill the network's input, without a border.

    Args:
        batch: `image` float32 (B, H, W, 3), `boxes` float32 (B, N, 4) normalised ymin, xmin, ymax, xmax, `classes`
            (B, N, classes), `weights` float32 (B, N), 0 for padding, and `mosaic` bool (B,): which photos to replace.
            What else is in it stays.

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
        "boxes": tf.concat([_next(boxes, place) for place, boxes in enumerate(moved)], axis=1),
        "classes": tf.concat([_next(batch["classes"], place) for place in range(4)], axis=1),
        "weights": tf.concat([_next(batch["weights"], place) for place in range(4)], axis=1),
    }
    mosaics["boxes"] *= tf.cast(mosaics["weights"] > 0, tf.float32)[..., tf.newaxis]
    chosen = {name: _where(batch["mosaic"], values, batch[name]) for name, values in mosaics.items()}
    return {name: values for name, values in batch.items() if name != "mosaic"} | chosen


def _next(values: tf.Tensor, places: int) -> tf.Tensor:
    return tf.roll(values, -places, axis=0)


def _where(chosen: tf.Tensor, mosaics: tf.Tensor, photos: tf.Tensor) -> tf.Tensor:
    """Photos with fewer boxes than a mosaic has room for are padded."""
    missing = mosaics.shape[1] - photos.shape[1]
    photos = tf.pad(photos, [[0, 0], [0, missing]] + [[0, 0]] * (len(photos.shape) - 2))
    return tf.where(tf.reshape(chosen, [-1] + [1] * (len(photos.shape) - 1)), mosaics, photos)

"""Garments of another photo pasted into a photo (copy-paste augmentation, Ghiasi et al. 2021, arXiv 2012.07177).

The paper pastes masks; here there are boxes alone, so that a garment comes with what is around it in its box. The
Object Detection API has no such step: its preprocessor sees one photo at a time.
"""

import tensorflow as tf

_DRAW = 1_000_001
"""Number of this draw from a photo's seed, beside that of `mosaic`."""

SMALLEST, LARGEST = 0.3, 0.8
"""Sides of a pasted garment, as factors of its own. Garments fill most of a photo: as large as they are, they would
cover the photo's own."""

MOST_COVERED = 0.5
"""Share of a box that a pasted garment may cover: boxes of which less is left are no longer learnt."""


def draw(photo_seed: tf.Tensor) -> tf.Tensor:
    """Five numbers from 0 to 1, float32 (5,), for `combine`: whether to paste, which box, its size, its place (y, x).

    Args:
        photo_seed: int32 (2,); the same seed gives the same numbers.
    """
    return tf.random.stateless_uniform([5], tf.random.fold_in(photo_seed, _DRAW, alg="philox"))


def combine(batch: dict[str, tf.Tensor], share: float) -> dict[str, tf.Tensor]:
    """Pastes into some photos of a batch one garment of the next photo, whose first follows its last.

    The garment is made smaller and put anywhere. Boxes that it covers by more than `MOST_COVERED` become padding.

    Args:
        batch: `image` float32 (B, H, W, 3), `boxes` float32 (B, N, 4) normalised ymin, xmin, ymax, xmax, `classes`
            (B, N, classes), `weights` float32 (B, N), 0 for padding, and `copy_paste` float32 (B, 5) of `draw`. Other
            entries are returned as they are.
        share: 0 to 1, the share of photos that get a garment; those whose next photo has none do not.

    Returns:
        The batch without `copy_paste`, with room for N + 1 boxes a photo; padding is zeros, and may lie between boxes.
    """
    chance, which, *place = tf.unstack(batch["copy_paste"], axis=1)
    following = {name: tf.roll(batch[name], -1, axis=0) for name in ("boxes", "classes", "weights")}
    real = following["weights"] > 0
    count = tf.reduce_sum(tf.cast(real, tf.int32), axis=1)
    is_pasted = (chance < share) & (count > 0)
    chosen = tf.minimum(tf.cast(which * tf.cast(count, tf.float32), tf.int32), count - 1)  # of the real boxes
    number = tf.argmax(real & (tf.cumsum(tf.cast(real, tf.int32), axis=1) == chosen[:, tf.newaxis] + 1), axis=1)
    box, classes, weight = (tf.gather(following[name], number, batch_dims=1) for name in following)
    pasted_box = _place(box, *place)
    kept = ~(is_pasted[:, tf.newaxis] & (_covered(batch["boxes"], pasted_box) > MOST_COVERED))
    added = {"boxes": pasted_box, "classes": classes, "weights": weight}
    truth = {}
    for name, values in added.items():
        own = tf.where(_as_rank(kept, batch[name]), batch[name], tf.zeros_like(batch[name]))
        pasted = tf.where(_as_rank(is_pasted, values), values, tf.zeros_like(values))
        truth[name] = tf.concat([own, pasted[:, tf.newaxis]], axis=1)
    image = _paste(batch["image"], tf.where(is_pasted)[:, 0], box, pasted_box)
    return {name: values for name, values in batch.items() if name != "copy_paste"} | truth | {"image": image}


def _place(box: tf.Tensor, size: tf.Tensor, top: tf.Tensor, left: tf.Tensor) -> tf.Tensor:
    """The box (B, 4) made smaller and moved inside the photo, by three numbers from 0 to 1 (B,)."""
    sides = (box[:, 2:] - box[:, :2]) * (SMALLEST + (LARGEST - SMALLEST) * size)[:, tf.newaxis]
    corner = tf.stack([top, left], axis=1) * (1 - sides)
    return tf.concat([corner, corner + sides], axis=1)


def _covered(boxes: tf.Tensor, cover: tf.Tensor) -> tf.Tensor:
    """Share of each box (B, N, 4) that the photo's `cover` (B, 4) hides, 0 where a box has no area."""
    cover = cover[:, tf.newaxis]
    sides = tf.minimum(boxes[..., 2:], cover[..., 2:]) - tf.maximum(boxes[..., :2], cover[..., :2])
    hidden = tf.reduce_prod(tf.maximum(sides, 0.0), axis=2)
    return tf.math.divide_no_nan(hidden, tf.reduce_prod(boxes[..., 2:] - boxes[..., :2], axis=2))


def _as_rank(condition: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """The condition with as many axes as the values."""
    return tf.reshape(condition, [*condition.shape, *[1] * (len(values.shape) - len(condition.shape))])


def _paste(images: tf.Tensor, numbers: tf.Tensor, boxes: tf.Tensor, pasted_boxes: tf.Tensor) -> tf.Tensor:
    """The images with the pixels of a box of the next one in the photos of these numbers, at `pasted_boxes`."""
    height, width = images.shape[1:3]
    size = tf.constant([height, width], tf.float32)
    source, target = tf.gather(boxes, numbers), tf.gather(pasted_boxes, numbers)
    zoom = tf.math.divide_no_nan(source[:, 2:] - source[:, :2], target[:, 2:] - target[:, :2])
    first = (source[:, :2] + (0.5 / size - target[:, :2]) * zoom) * size - 0.5  # the next image's pixel at 0, 0
    (zoom_y, zoom_x), (y, x), zeros = tf.unstack(zoom, axis=1), tf.unstack(first, axis=1), tf.zeros_like(zoom[:, 0])
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.gather(tf.roll(images, -1, axis=0), numbers),
        transforms=tf.stack([zoom_x, zeros, x, zeros, zoom_y, y, zeros, zeros], axis=1),
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    rows, columns = ((tf.range(side, dtype=tf.float32) + 0.5) / side for side in (height, width))
    inside_rows = (rows > target[:, :1]) & (rows < target[:, 2:3])
    inside_columns = (columns > target[:, 1:2]) & (columns < target[:, 3:4])
    inside = inside_rows[:, :, tf.newaxis, tf.newaxis] & inside_columns[:, tf.newaxis, :, tf.newaxis]
    return tf.tensor_scatter_nd_update(
        images, numbers[:, tf.newaxis], tf.where(inside, moved, tf.gather(images, numbers))
    )

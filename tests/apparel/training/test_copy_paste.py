"""Copy-paste: a pasted garment lies in its box, and what it covers is no longer learnt."""

import numpy as np
import pytest
import tensorflow as tf

from apparel.training import copy_paste

SIDE = 40
PASTE, LEAVE = 0.0, 0.99
"""Draws that are below and above the share of the tests, 0.5."""


def _batch(boxes: list[list[list[float]]], draws: list[list[float]]) -> dict[str, tf.Tensor]:
    """Photo k has brightness 10 k, and in its boxes, whose corners are at whole pixels, 100 + 10 k + the number."""
    room = max(1, *(len(photo) for photo in boxes))
    image = np.zeros((len(boxes), SIDE, SIDE, 3), np.float32)
    padded = np.zeros((len(boxes), room, 4), np.float32)
    classes = np.zeros((len(boxes), room, 3), np.float32)
    weights = np.zeros((len(boxes), room), np.float32)
    for photo, its_boxes in enumerate(boxes):
        image[photo] = 10 * photo
        for number, box in enumerate(its_boxes):
            ymin, xmin, ymax, xmax = np.round(np.array(box) * SIDE).astype(int)
            image[photo, ymin:ymax, xmin:xmax] = 100 + 10 * photo + number
            padded[photo, number], weights[photo, number] = box, 0.5 + 0.1 * photo
            classes[photo, number, photo % 3] = 1
    values = {"image": image, "boxes": padded, "classes": classes, "weights": weights}
    return {name: tf.constant(value) for name, value in (values | {"copy_paste": np.float32(draws)}).items()}


def _combine(boxes, draws, share: float = 0.5) -> dict[str, np.ndarray]:
    combined = copy_paste.combine(_batch(boxes, draws), share)
    assert "copy_paste" not in combined
    return {name: values.numpy() for name, values in combined.items()}


def test_the_garment_of_the_next_photo_is_made_smaller_and_put_where_the_draw_says() -> None:
    """At the smallest size, 0.3, the second box of the next photo, 20 x 40 pixels, is 6 x 12: at the bottom right."""
    boxes = [[[0.0, 0.0, 0.5, 0.5]], [[0.0, 0.0, 0.25, 0.25], [0.5, 0.0, 1.0, 1.0]]]
    made = _combine(boxes, [[PASTE, 0.6, 0.0, 1.0, 1.0], [LEAVE] * 5])
    np.testing.assert_allclose(made["boxes"][0], [[0, 0, 0.5, 0.5], [0, 0, 0, 0], [0.85, 0.7, 1, 1]], atol=1e-6)
    np.testing.assert_array_equal(made["classes"][0], [[1, 0, 0], [0, 0, 0], [0, 1, 0]])
    np.testing.assert_allclose(made["weights"][0], [0.5, 0, 0.6])
    expected = _batch(boxes, [[0.0] * 5] * 2)["image"].numpy()[0]
    expected[34:, 28:] = 111
    np.testing.assert_allclose(made["image"][0], expected, atol=1e-3)
    np.testing.assert_array_equal(made["image"][1], _batch(boxes, [[0.0] * 5] * 2)["image"][1])
    assert made["boxes"].shape == (2, 3, 4) and not made["boxes"][1, 2].any() and not made["weights"][1, 2]


def test_pixels_keep_their_place_in_the_garment() -> None:
    """A ramp from 0 to 39 along x, pasted at a factor of 0.8 with its left border at 4: column 4 + c shows 1.25 c."""
    batch = _batch([[], [[0.0, 0.0, 1.0, 1.0]]], [[PASTE, 0.0, 1.0, 0.0, 0.5], [LEAVE] * 5])
    ramp = np.tile(np.arange(SIDE, dtype=np.float32)[None, :, None], (SIDE, 1, 3))
    batch["image"] = tf.constant(np.stack([np.full_like(ramp, -1), ramp]))
    image = copy_paste.combine(batch, 0.5)["image"].numpy()[0]
    columns = (np.arange(32) + 0.5) * 1.25 - 0.5
    np.testing.assert_allclose(image[:32, 4:36, 0], np.tile(columns, (32, 1)), atol=1e-3)
    assert (image[32:] == -1).all() and (image[:, :4] == -1).all() and (image[:, 36:] == -1).all()


@pytest.mark.parametrize(("right", "is_kept"), [(0.62, True), (0.58, False)])
def test_a_box_that_is_covered_by_more_than_half_is_no_longer_learnt(right: float, is_kept: bool) -> None:
    """The pasted garment is at the top left, 0.3 of the photo wide and high."""
    made = _combine([[[0.0, 0.0, 0.3, right]], [[0.0, 0.0, 1.0, 1.0]]], [[PASTE, 0, 0, 0, 0], [LEAVE] * 5])
    assert (
        bool(made["weights"][0, 0]) == is_kept == bool(made["boxes"][0, 0].any()) == bool(made["classes"][0, 0].any())
    )
    np.testing.assert_allclose(made["boxes"][0, 1], [0, 0, 0.3, 0.3], atol=1e-6)


def test_a_photo_without_garments_gives_none() -> None:
    """The last photo takes from the first; the first, whose next has none, stays."""
    made = _combine([[[0.0, 0.0, 0.5, 0.5]], [], [[0.5, 0.5, 1.0, 1.0]]], [[PASTE] * 5] * 3)
    np.testing.assert_array_equal((made["weights"] > 0).sum(axis=1), [1, 1, 2])
    assert made["classes"][1, 1].argmax() == 2 and made["classes"][2, 1].argmax() == 0
    nothing = _combine([[], []], [[PASTE] * 5] * 2)
    assert not nothing["weights"].any() and (nothing["image"][1] == 10).all()


def test_the_share_decides_how_many_get_one_and_the_seed_which() -> None:
    draws = np.array([copy_paste.draw(tf.constant([seed, 5])) for seed in range(200)])
    assert draws.shape == (200, 5) and (draws >= 0).all() and (draws < 1).all()
    assert abs((draws[:, 0] < 0.3).mean() - 0.3) < 0.1
    np.testing.assert_array_equal(draws[7], copy_paste.draw(tf.constant([7, 5])))

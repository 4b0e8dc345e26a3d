"""Mosaics: every box stays on its garment, and what is no garment stays padding."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from apparel.training import mosaic

PHOTOS, ROOM = 5, 2


def _batch(side: int, first: np.ndarray, chosen: list[bool]) -> dict[str, tf.Tensor]:
    """Photo k has one garment of brightness 50 (k + 1) and class k, at `first[k]` (left, top, width, height)."""
    image = np.zeros((PHOTOS, side, side, 3), np.float32)
    boxes = np.zeros((PHOTOS, ROOM, 4), np.float32)
    for photo, (left, top, width, height) in enumerate(first):
        image[photo, top : top + height, left : left + width] = 50 * (photo + 1)
        boxes[photo, 0] = np.array([top, left, top + height, left + width]) / side
    classes = np.zeros((PHOTOS, ROOM, PHOTOS), np.float32)
    classes[:, 0] = np.eye(PHOTOS)
    weights = np.tile(np.array([1, 0], np.float32), (PHOTOS, 1))
    batch = {"image": image, "boxes": boxes, "classes": classes, "weights": weights, "position": np.arange(PHOTOS)}
    return {name: tf.constant(values) for name, values in (batch | {"mosaic": chosen}).items()}


@settings(max_examples=50)
@given(
    st.sampled_from([64, 65]),
    st.lists(st.tuples(*[st.integers(0, 25)] * 2, *[st.integers(10, 39)] * 2), min_size=PHOTOS, max_size=PHOTOS),
    st.lists(st.booleans(), min_size=PHOTOS, max_size=PHOTOS),
)
def test_boxes_stay_on_their_garments(side: int, garments: list, chosen: list[bool]) -> None:
    batch = _batch(side, np.array(garments), chosen)
    made = {name: values.numpy() for name, values in mosaic.combine(batch).items()}
    assert made["image"].shape == batch["image"].shape
    assert made["boxes"].shape == (PHOTOS, 4 * ROOM, 4)
    for photo, is_mosaic in enumerate(chosen):
        real = made["weights"][photo] > 0
        classes = made["classes"][photo][real].argmax(axis=1)
        assert classes.tolist() == [(photo + place) % PHOTOS for place in range(4 if is_mosaic else 1)]
        assert not made["boxes"][photo][~real].any() and not made["classes"][photo][~real].any()
        for box, garment in zip(made["boxes"][photo][real], classes, strict=True):
            assert box.min() >= 0 and box.max() <= 1
            inside = _pixels(made["image"][photo], box)
            assert np.median(inside) == 50 * (garment + 1)
        if not is_mosaic:
            np.testing.assert_array_equal(made["image"][photo], batch["image"][photo])


def _pixels(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    ymin, xmin, ymax, xmax = np.round(box * len(image)).astype(int)
    return image[ymin:ymax, xmin:xmax]


def test_a_mosaic_shows_four_photos_in_reading_order() -> None:
    batch = _batch(64, np.array([(0, 0, 64, 64)] * PHOTOS), [False, False, False, True, False])
    image = mosaic.combine(batch)["image"][3].numpy()
    tiles = image.reshape(2, 32, 2, 32, 3)
    assert (tiles == np.array([[200, 250], [50, 100]])[:, None, :, None, None]).all()


def test_the_rest_of_a_batch_stays() -> None:
    made = mosaic.combine(_batch(64, np.array([(0, 0, 9, 9)] * PHOTOS), [True] * PHOTOS))
    assert "mosaic" not in made
    assert made["position"].numpy().tolist() == list(range(PHOTOS))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_so_many_are_drawn_as_the_share_says(share: float) -> None:
    drawn = [bool(mosaic.drawn(share, tf.constant([seed, 5]))) for seed in range(300)]
    assert abs(np.mean(drawn) - share) < 0.1

"""Augmentation is a function of the seed, and boxes stay on their garments."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from apparel.errors import UserError
from apparel.models.tfod import augmentation, pipeline_file

STEPS = (
    "random_horizontal_flip",
    "ssd_random_crop",
    "random_distort_color",
    "random_adjust_brightness",
    "random_crop_image",
    "random_pad_image",
    "random_rgb_to_gray",
    "random_vertical_flip",
    "random_rotation90",
)
SIDE = 60


def _augmented(names: tuple[str, ...]):
    steps = pipeline_file.augmentation_steps(names, pipeline_file.PipelineConfig())

    @tf.function
    def function(seed, image, boxes):
        ids = tf.ones([tf.shape(boxes)[0]], tf.int64)
        return augmentation.augment(steps, seed, image, boxes, ids, tf.ones_like(ids, tf.float32))

    return function


FLIP_AND_CROP = _augmented(("random_horizontal_flip", "ssd_random_crop"))


def _photo(left: int, top: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """A red garment on blue, and its box, normalised."""
    image = np.zeros((SIDE, SIDE, 3), np.float32)
    image[..., 2] = 255
    image[top : top + height, left : left + width] = (255, 0, 0)
    return image, np.array([[top, left, top + height, left + width]], np.float32) / SIDE


@settings(max_examples=25)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(8, 30), st.integers(8, 30), st.integers(0, 2**31 - 1))
def test_boxes_stay_on_their_garment(left: int, top: int, width: int, height: int, seed: int) -> None:
    image, boxes = _photo(left, top, width, height)
    cropped, kept, _, _ = FLIP_AND_CROP(tf.constant([seed, 1]), image, boxes)
    red = cropped.numpy()[..., 0] > 128
    for ymin, xmin, ymax, xmax in kept.numpy() * [*red.shape, *red.shape]:
        inside = red[round(ymin) : round(ymax), round(xmin) : round(xmax)]
        assert inside.mean() > 0.9
        assert inside.sum() > 0.9 * red.sum()


@pytest.mark.parametrize("name", STEPS)
def test_the_seed_says_it_all(name: str) -> None:
    image, boxes = _photo(10, 20, 25, 30)
    image += np.linspace(0, 20, image.size, dtype=np.float32).reshape(image.shape)
    function = _augmented((name,))
    results = [function(tf.constant([seed, 0]), image, boxes) for seed in range(20)]
    for seed, first in enumerate(results):
        again = function(tf.constant([seed, 0]), image, boxes)
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert len({result[0].numpy().tobytes() for result in results}) > 1


def test_nothing_is_changed_without_steps() -> None:
    image, boxes = _photo(1, 2, 30, 30)
    same = augmentation.augment([], tf.constant([0, 0]), image, boxes, None, None)
    assert same[0] is image
    assert same[1] is boxes


def test_a_step_that_does_not_run_is_refused_by_name() -> None:
    with pytest.raises(UserError, match="autoaugment_image cannot run"):
        _augmented(("autoaugment_image",))(tf.constant([0, 0]), *_photo(1, 2, 30, 30))


def test_draws_without_the_seed_are_refused() -> None:
    governed = tf.function(lambda: tf.random.stateless_uniform([], [1, 2])).get_concrete_function()
    augmentation._refuse_stateful_draws(governed.graph)
    free = tf.function(
        lambda: tf.cond(tf.constant(True), lambda: tf.random.uniform([]), lambda: 0.0)
    ).get_concrete_function()
    with pytest.raises(UserError, match="without a seed"):
        augmentation._refuse_stateful_draws(free.graph)


def test_the_apis_own_draws_still_come_from_a_generator_with_a_state() -> None:
    from object_detection.builders import preprocessor_builder
    from object_detection.core import preprocessor

    (step,) = pipeline_file.augmentation_steps(("random_horizontal_flip",), pipeline_file.PipelineConfig())

    @tf.function
    def flipped(image):
        tensors = {"image": image[tf.newaxis], "groundtruth_boxes": tf.zeros([0, 4])}
        return preprocessor.preprocess(tensors, [preprocessor_builder.build(step)])["image"]

    graph = flipped.get_concrete_function(tf.TensorSpec([8, 8, 3], tf.float32)).graph
    assert "RandomUniform" in {operation.type for operation in graph.get_operations()}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("ssd_random_crop_pad", marks=pytest.mark.slow),
        "subtract_channel_mean",
        "rgb_to_gray",
        "scale_boxes_to_pixel_coordinates",
        "random_square_crop_by_scale",
        "normalize_image",
    ],
)
def test_steps_that_fail_or_give_no_photo_with_boxes_are_refused_before_training(name: str) -> None:
    with pytest.raises(UserError, match=f"train.augmentation: one of .*{name}"):
        augmentation.check_steps(
            pipeline_file.augmentation_steps(("random_horizontal_flip", name), pipeline_file.PipelineConfig())
        )


def test_known_steps_are_run_where_the_pipeline_file_gives_them_options() -> None:
    config = pipeline_file.PipelineConfig()
    config.train_config.data_augmentation_options.add().random_distort_color.color_ordering = 9
    with pytest.raises(UserError, match="random_distort_color"):
        augmentation.check_steps(list(config.train_config.data_augmentation_options))


def test_steps_that_work_pass_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(augmentation.TRAINABLE) <= set(STEPS)
    monkeypatch.setattr(augmentation, "TRAINABLE", ())  # they are run, too
    steps = pipeline_file.augmentation_steps(STEPS, pipeline_file.PipelineConfig())
    assert augmentation.check_steps([]) is None
    assert augmentation.check_steps(steps) is None

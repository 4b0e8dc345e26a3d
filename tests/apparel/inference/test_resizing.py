import numpy as np
import pytest
import tensorflow as tf

from apparel.inference.resizing import resize
from apparel.models.tfod.model import resizer
from tests.support import tiny_detector


@pytest.mark.parametrize("size", [(64, 64), (640, 480), (37, 91), (1, 1), (63, 1500)])
def test_photos_are_resized_to_the_values_of_the_object_detection_api(size: tuple[int, int]) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    config = tiny_detector.config(tiny_detector.train_params())
    expected, _ = resizer(config)(tf.constant(photo, tf.float32))
    resized = resize(photo, tiny_detector.SIDE, tiny_detector.SIDE)
    assert resized.dtype == np.float32
    np.testing.assert_allclose(resized, expected.numpy(), rtol=0, atol=1e-3)

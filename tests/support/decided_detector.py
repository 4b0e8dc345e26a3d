"""A detector whose scores differ by more than float noise, without a training: photos reach its heads undamped."""

import numpy as np
import tensorflow as tf

from apparel.inference.tensorflow_network import TensorFlowNetwork, of_detector
from apparel.models.detector import Detector
from apparel.models.thresholds import Thresholds
from tests.support import tiny_detector

THRESHOLDS = Thresholds({"bright": 0.25, "dark": 0.75}, None, {})


def network(head_gain: float = 5.0, **changes) -> TensorFlowNetwork:
    """The tiny detector as a network, always with the same weights.

    Args:
        head_gain: how much larger the heads' outputs are than their inputs; scores near 0 or 1 are too alike.
        changes: of the section `train`.
    """
    tf.keras.utils.set_random_seed(0)
    detector = Detector(tiny_detector.config(tiny_detector.train_params(**changes)), tiny_detector.CLASSES)
    random = np.random.default_rng(0)
    for variable in detector.model.variables:
        if "kernel" in variable.name:  # kept as large as it came in, through all layers, as after a training
            inputs = np.prod(variable.shape[:2] if "depthwise_kernel" in variable.name else variable.shape[:3])
            gain = head_gain if "Head" in variable.name else 1
            variable.assign(random.normal(0, gain * np.sqrt(2 / inputs), variable.shape))
    return of_detector(detector, THRESHOLDS, "0" * 32 + ".dir")


def images(count: int = 4) -> np.ndarray:
    """Photos of the network's size with edges and areas, float32 (count, H, W, 3), whole numbers from 0 to 255."""
    random = np.random.default_rng(1)
    small = random.integers(0, 256, (count, 8, 8, 3))
    side = tiny_detector.SIDE // 8
    return small.repeat(side, axis=1).repeat(side, axis=2).astype(np.float32)

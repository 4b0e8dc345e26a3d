"""A small detector as an ONNX file, with scores and boxes that are worth suppressing."""

from pathlib import Path

import numpy as np

from apparel.models.detector import Detector
from apparel.models.metadata import Metadata
from apparel.models.thresholds import default_thresholds
from tests.support import tiny_detector

METADATA = Metadata(
    "ssd_mobilenet_v1",
    tiny_detector.CLASSES,
    default_thresholds(tiny_detector.CLASSES),
    tiny_detector.SIDE,
    tiny_detector.SIDE,
    f"{'0' * 32}.dir",
)


def detector(**changes) -> Detector:
    """Random weights; those of the heads so large that scores differ, and boxes overlap and leave the photo.

    Args:
        changes: of the section `train`.
    """
    detector = Detector(tiny_detector.config(tiny_detector.train_params(**changes)), tiny_detector.CLASSES)
    random = np.random.default_rng(0)
    for heads in detector.model._box_predictor._prediction_heads.values():
        for weight in (weight for head in heads for weight in head.variables):
            weight.assign(random.normal(0, 0.2, weight.shape))
    return detector


def photos(number: int) -> np.ndarray:
    """Noise of several grains."""
    random = np.random.default_rng(number)
    side = tiny_detector.SIDE
    grains = [random.uniform(0, 255, (number, side // 2**power, side // 2**power, 3)) for power in range(5)]
    images = sum(np.kron(grain, np.ones((1, 2**power, 2**power, 1))) for power, grain in enumerate(grains))
    return (images / len(grains)).astype(np.float32)


def write(path: Path, **changes) -> Detector:
    from apparel.models.export import onnx

    written = detector(**changes)
    onnx.write(written, METADATA, path)
    return written

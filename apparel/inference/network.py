"""A trained detector on some runtime: what predictions, the server and the measurement of exports need of it."""

from typing import Protocol

import numpy as np

from apparel.inference import resizing
from apparel.models.detections import Detections
from apparel.models.metadata import Metadata


class Network(Protocol):
    """A trained detector that is ready to run.

    Attributes:
        runtime: what runs it, such as `TensorFlow` or `ONNX Runtime`.
        metadata: its classes, thresholds and the size of its input.
        batch_size: photos that a call takes; None: any number.
    """

    runtime: str
    metadata: Metadata
    batch_size: int | None

    def prepare(self, photo: np.ndarray) -> np.ndarray:
        """Resizes a photo, uint8 (H, W, 3) RGB, to the network's input: float32 (height, width, 3), 0 to 255."""
        ...

    def detect(self, images: np.ndarray) -> Detections:
        """Detects on a batch of photos.

        Args:
            images: float32 (B, height, width, 3) RGB, 0 to 255, of photos that `prepare` resized.

        Returns:
            NumPy arrays; the highest score first in each photo.
        """
        ...


class FixedInput:
    """What networks share whose input has one size: `prepare`."""

    metadata: Metadata

    def prepare(self, photo: np.ndarray) -> np.ndarray:
        """As `Network.prepare`."""
        return resizing.resize(photo, self.metadata.height, self.metadata.width)

"""A network that finds the bright part of a photo, for tests of what surrounds networks."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from apparel.errors import UserError
from apparel.inference.network import FixedInput
from apparel.models.detections import Detections
from apparel.models.metadata import Metadata
from apparel.models.thresholds import Thresholds

CLASSES = ("bright", "dim")

THRESHOLDS = {"bright": 0.6, "dim": 0.5}


class StandInNetwork(FixedInput):
    """Detects the box of the pixels above 127 as `bright`, score 0.75, and again as `dim`, score 0.25."""

    runtime = "stand-in"

    def __init__(self, model: str = "0" * 32 + ".dir", batch_size: int | None = None):
        self.metadata = Metadata("stand-in", CLASSES, Thresholds(THRESHOLDS, None, {}), 32, 48, model)
        self.batch_size = batch_size
        self.batches: list[int] = []
        self.go = threading.Event()
        self.go.set()

    def detect(self, images: np.ndarray) -> Detections:
        """Waits while `go` is cleared, as a slow network would."""
        assert self.go.wait(60)
        self.batches.append(len(images))
        boxes = np.zeros((len(images), 3, 4), np.float32)
        boxes[:, :2] = np.stack([_bright(image) for image in images])[:, np.newaxis]
        classes = np.tile(np.array([0, 1, 0], np.float32), (len(images), 1))
        scores = np.tile(np.array([0.75, 0.25, 0], np.float32), (len(images), 1))
        return Detections(boxes, classes, scores, np.full(len(images), 2, np.float32))


def _bright(image: np.ndarray) -> Sequence[float]:
    rows, columns = np.nonzero(image.max(axis=2) > 127)
    if not len(rows):
        return 0, 0, 1, 1
    height, width, _ = image.shape
    return rows.min() / height, columns.min() / width, (rows.max() + 1) / height, (columns.max() + 1) / width


def load(path: Path) -> list[StandInNetwork]:
    """The network whose hash lies in a file, or in a folder's file `hash`."""
    file = path / "hash" if path.is_dir() else path
    text = file.read_text(encoding="utf-8")
    if text == "damaged":
        raise UserError(f"{path} is damaged")
    return [StandInNetwork(text)]


def photo(width: int = 96, height: int = 64) -> Image.Image:
    """A dark photo whose right half is bright."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, width // 2 :] = 200
    return Image.fromarray(pixels)


def pixels() -> np.ndarray:
    """Those of `photo`, uint8 (H, W, 3)."""
    return np.asarray(photo())

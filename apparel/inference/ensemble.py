"""Ensemble: several networks, each on one or two views of a photo, whose detections are fused; itself a `Network`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from apparel.inference import fusion
from apparel.inference.network import FixedInput, Network
from apparel.models.detections import Detections
from apparel.models.metadata import Metadata


@dataclass(frozen=True)
class View:
    """What a network sees of a photo.

    Attributes:
        network: the trained detector.
        weight: in the fusion, above 0.
        is_mirrored: whether the photo's left and right are exchanged, as training's `random_horizontal_flip` does.
    """

    network: Network
    weight: float
    is_mirrored: bool = False

    def prepare(self, photo: np.ndarray) -> np.ndarray:
        """As `Network.prepare`. The photo is mirrored before it is resized: resizing shifts it by half a pixel."""
        return self.network.prepare(np.ascontiguousarray(photo[:, ::-1]) if self.is_mirrored else photo)

    def detect(self, images: np.ndarray) -> Detections:
        """As `Network.detect`, with the boxes where they are on the photo itself."""
        detections = self.network.detect(images)
        return fusion.mirror(detections) if self.is_mirrored else detections

    @property
    def input(self) -> tuple:
        """Equal for two views that take the same pixels of every photo."""
        network = self.network
        has_one_size = isinstance(network, FixedInput) and network.batch_size is None
        size = (network.metadata.height, network.metadata.width) if has_one_size else id(network)
        return self.is_mirrored, size


class EnsembleNetwork:
    """A `Network` of views.

    `prepare` gives the pixels of all views as one row of numbers, since callers stack photos to batches and the views
    differ in size: for each input its height and width, then for each its values.
    """

    def __init__(self, views: Sequence[View], iou: float, metadata: Metadata):
        """Takes views of networks with the same classes in the same order.

        Args:
            views: two or more.
            iou: overlap above which boxes are fused.
            metadata: of the ensemble: its thresholds are for scores of fused boxes.
        """
        self.views, self.iou, self.metadata = tuple(views), iou, metadata
        self.runtime = ", ".join(dict.fromkeys(view.network.runtime for view in views))
        self.batch_size = min((n for view in views if (n := view.network.batch_size) is not None), default=None)
        inputs = list(dict.fromkeys(view.input for view in views))
        self._input_of_view = [inputs.index(view.input) for view in views]
        self._first_views = [views[self._input_of_view.index(number)] for number in range(len(inputs))]

    def prepare(self, photo: np.ndarray) -> np.ndarray:
        """Resizes a photo, uint8 (H, W, 3) RGB, for each view: float32 (numbers,)."""
        images = [view.prepare(photo) for view in self._first_views]
        sizes = np.array([image.shape[:2] for image in images], np.float32)
        return np.concatenate([sizes.ravel(), *(np.ravel(image) for image in images)], dtype=np.float32)

    def detect(self, images: np.ndarray) -> Detections:
        """As `Network.detect`, on float32 (B, numbers) that `prepare` made."""
        return self.fuse(self.detect_views(images))

    def detect_views(self, images: np.ndarray) -> list[Detections]:
        """The detections of each view."""
        return [call() for call in self.calls(images)]

    def calls(self, images: np.ndarray) -> list[Callable[[], Detections]]:
        """A function a view that gives its detections, so that each can be timed."""
        by_input = self._unpack(images)
        return [
            partial(view.detect, by_input[number]) for view, number in zip(self.views, self._input_of_view, strict=True)
        ]

    def fuse(self, detections: Sequence[Detections]) -> Detections:
        """What `detect_views` gave as one set of detections."""
        return fusion.fuse(detections, [view.weight for view in self.views], self.iou)

    def _unpack(self, images: np.ndarray) -> list[np.ndarray]:
        """float32 (B, height, width, 3) of each input. The first photo's sizes hold for all: others may be padding."""
        count = len(self._first_views)
        sizes = images[0, : 2 * count].reshape(count, 2).astype(int)
        ends = 2 * count + np.cumsum(3 * sizes.prod(axis=1))
        parts = np.split(images[:, : ends[-1]], [2 * count, *ends[:-1]], axis=1)[1:]
        return [part.reshape(len(images), height, width, 3) for part, (height, width) in zip(parts, sizes, strict=True)]

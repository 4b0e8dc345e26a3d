"""Small copies of photos for the page of a prediction run: the photos may lie in an archive or on a server."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from apparel.analysis.predictions.output_names import thumbnail_path
from apparel.evaluation.drawing import save_jpeg
from apparel.inference.writer import WrittenDetection

THUMBNAILS = "thumbnails"
"""Folder of the small photos, below that of the output."""

SIDE = 400
"""Longer side of a thumbnail in pixels, at most half as much again: sharp in a cell of the page."""

QUALITY = 75
"""JPEG quality. WebP takes a third less room, but ten times as long, as long as a fast network for the photo."""


class Thumbnails:
    """Writes a small JPEG of each photo; an `apparel.inference.writer.Writer`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, photo: Image.Image, detections: Sequence[WrittenDetection]) -> None:
        """Writes the thumbnail; the page draws the detections."""
        # Means of whole blocks of pixels take a fifth of the time of a resize to an exact size.
        factor = max(1, round(max(photo.size) / SIDE))
        small = photo.reduce(tuple(min(factor, side) for side in photo.size)) if factor > 1 else photo
        save_jpeg(small, self._folder / thumbnail_path(name), quality=QUALITY)

    def close(self) -> None:
        """Nothing is open."""

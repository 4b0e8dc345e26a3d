"""Photos with their detections drawn on them: box, class and score."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from PIL import Image

from apparel.analysis.predictions.output_names import picture_path
from apparel.boxes import CORNERS
from apparel.evaluation import drawing
from apparel.inference.writer import WrittenDetection

LONGEST_SIDE = 1600
"""Longer side of a picture at most, in pixels: fills a screen."""


class Pictures:
    """Writes `FOLDERS/PHOTO~HASH.jpg`; an `apparel.inference.writer.Writer`."""

    def __init__(self, folder: Path, classes: Sequence[str]) -> None:
        """`classes` are all of the model, in order: the order decides the colours."""
        self._folder, self._classes = folder, list(classes)

    def write(self, name: str, photo: Image.Image, detections: Sequence[WrittenDetection]) -> None:
        """Writes the photo with the detections at or above their thresholds, the highest score on top."""
        shown = pd.DataFrame(
            [detection[:-1] for detection in reversed(detections) if detection.is_shown],
            columns=["class", "score", *CORNERS],
        ).assign(matched=True)
        side = min(LONGEST_SIDE, max(drawing.SIDE, *photo.size))
        picture = drawing.draw_boxes(photo, shown, self._classes, side)
        drawing.save_jpeg(picture, self._folder / picture_path(name, ".jpg"))

    def close(self) -> None:
        """Nothing is open."""

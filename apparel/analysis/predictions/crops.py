"""Detections cut out of their photos, a file each, in a folder for each class."""

import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from apparel.analysis.predictions.output_names import name_hash, picture_path, safe_part
from apparel.evaluation.drawing import save_jpeg
from apparel.inference.writer import WrittenDetection


class Crops:
    """Writes `CLASS/FOLDERS/PHOTO~HASH~NUMBER.jpg`; an `apparel.inference.writer.Writer`.

    The number is that of the detection among those of the photo, from 1, the highest score first; the photo's whole
    name stands in the file as a JPEG comment, too.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, photo: Image.Image, detections: Sequence[WrittenDetection]) -> None:
        """Writes a file for each detection at or above its threshold."""
        for number, detection in enumerate(detections, 1):
            if detection.is_shown:
                crop = photo.crop(_pixels(detection.corners, photo.size))
                comment = f"{name}\n{detection.name}\n{number}".encode("utf-8", errors="surrogatepass")
                path = Path(class_folder(detection.name), picture_path(name, f"~{number:03}.jpg"))
                save_jpeg(crop, self._folder / path, comment)

    def close(self) -> None:
        """Nothing is open."""


def class_folder(name: str) -> str:
    """The folder of a class: its name, or a safe form of it with its hash."""
    return name if safe_part(name) == name else f"{safe_part(name)}~{name_hash(name)}"


def _pixels(corners: Sequence[float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The whole pixels that a box touches, at least one, inside the photo."""
    xmin, ymin, xmax, ymax = corners
    left, top = (min(max(0, math.floor(low)), side - 1) for low, side in zip((xmin, ymin), size, strict=True))
    right, bottom = (min(math.ceil(high), side) for high, side in zip((xmax, ymax), size, strict=True))
    return left, top, max(right, left + 1), max(bottom, top + 1)

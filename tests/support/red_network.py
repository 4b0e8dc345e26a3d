"""A network that finds what is red in a photo, with names of classes that hold HTML, and photos for it."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from apparel.models.metadata import Metadata
from apparel.models.thresholds import Thresholds
from tests.support import photo_files
from tests.support.stand_in_network import StandInNetwork

CLASSES = ("<img src=x onerror=alert(1)>", 'dim & "quoted"')
THRESHOLDS = {CLASSES[0]: 0.7475, CLASSES[1]: 0.5}


class RedNetwork(StandInNetwork):
    """Detects what is red as the first class, score 0.75, and as the second, score 0.25."""

    def __init__(self):
        super().__init__()
        thresholds = Thresholds(THRESHOLDS, None, {})
        self.metadata = Metadata("stand-in", CLASSES, thresholds, 400, 400, "ab" * 16 + ".dir")

    def detect(self, images: np.ndarray):
        red = (images[..., :1] > 120) & (images[..., 1:2] < 100)
        return super().detect(np.where(red, 255, 0))


def red_photo(path: Path, size=(300, 200), box=(30, 40, 120, 180), orientation=1, **options) -> Path:
    """A photo with a red rectangle where `box` says once EXIF has turned it."""
    photo = Image.new("RGB", size, "white")
    ImageDraw.Draw(photo).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=photo_files.RED)
    exif = Image.Exif()
    exif[0x0112] = orientation
    if orientation > 1:
        photo = photo.transpose(photo_files.AS_STORED[orientation])
    photo.save(path, exif=exif, **options)
    return path

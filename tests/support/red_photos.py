"""Photos with a red rectangle each, annotated in the ways that real sets are wrong; where each box belongs is known."""

import random
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from PIL import Image, ImageDraw

from apparel import boxes
from apparel.annotations.convert import Converted, convert_data_set
from tests.support.photo_files import AS_STORED, RED

TEXT = (
    "<annotation><filename>{filename}</filename><size><width>{width}</width><height>{height}</height></size>"
    "<object><name>red</name><bndbox><xmin>{box[0]:g}</xmin><ymin>{box[1]:g}</ymin><xmax>{box[2]:g}</xmax>"
    "<ymax>{box[3]:g}</ymax></bndbox></object></annotation>"
)


@dataclass
class RedPhotos:
    """A data set in `folder`; `truth` holds the corners of the red rectangle of each photo as a viewer shows it."""

    folder: Path
    seed: int = 0
    truth: dict[str, tuple[int, ...]] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        for name in ("photos", "annotations"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def photo(
        self, name: str, size: tuple[int, int] = (64, 48), box: tuple[int, ...] | None = None, orientation: int = 1
    ) -> tuple[int, ...]:
        """Draws a photo of this size as shown, stored so that EXIF turns it; returns the rectangle as shown."""
        box = box or self.place(size)
        image = Image.new("RGB", size, "white")
        ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=RED)
        exif = Image.Exif()
        exif[0x0112] = orientation
        if orientation != 1:
            image = image.transpose(AS_STORED[orientation])
        image.save(self.folder / "photos" / name, exif=exif)
        self.truth[name], self.sizes[name] = box, size
        return box

    def place(self, size: tuple[int, int], inside: tuple[int, int] | None = None) -> tuple[int, ...]:
        """A rectangle somewhere in a photo, or in its upper left part of a smaller size."""
        width, height = inside or size
        wide, high = self.random.randint(8, width // 2), self.random.randint(8, height // 2)
        left, top = self.random.randint(0, width - wide), self.random.randint(0, height - high)
        return left, top, left + wide, top + high

    def xml(
        self,
        file: str,
        of: str,
        filename: str | None = None,
        size: tuple[int, int] | None = None,
        box: tuple[float, ...] | None = None,
    ) -> None:
        """Writes the annotation of photo `of` under the name `file`; by default all in it is right."""
        width, height = size or self.sizes[of]
        path = self.folder / "annotations" / file
        path.parent.mkdir(exist_ok=True)
        text = TEXT.format(filename=filename or of, width=width, height=height, box=box or self.truth[of])
        path.write_text(text, encoding="utf-8")

    def convert(self, **options: object) -> Converted:
        """Converts the data set with every class."""
        return convert_data_set(self.folder / "photos", self.folder / "annotations", None, cores=1, **options)

    def wrong(self, labels: pd.DataFrame) -> list[str]:
        """The photos with a box that is not on the red."""
        rows = zip(labels["filename"], labels[boxes.CORNERS].to_numpy(), strict=True)
        return [name for name, corners in rows if abs(corners - self.truth[name]).max() > 1.01]


def stored_box(box: tuple[int, ...], orientation: int, size: tuple[int, int]) -> tuple[int, ...]:
    """Where a box of the photo as shown, of this size, lies in the photo as stored."""
    image = Image.new("L", size)
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=255)
    return image.transpose(AS_STORED[orientation]).getbbox()

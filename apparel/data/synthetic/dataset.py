"""The drawn data set: photos of garments, LabelImg files for them, and the truth as a published list would have it."""

from pathlib import Path
from random import Random
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFilter
from tqdm import tqdm

from apparel import boxes
from apparel.annotations.records import Box
from apparel.data.synthetic import garments, textures
from apparel.utils import csv_tables, files

SHARES = {"Dresses": 25, "Tops": 24, "Pants_Leggings": 18, "Shorts": 13, "Lingerie": 10, "Skirts": 10}
"""How often each class is drawn: as uneven as in a shop, yet enough of each to learn from."""

SMOOTHING = 2
"""Outlines are drawn this many times larger and then reduced, which makes their edges smooth."""


def draw_set(folder: Path, photos: int, empty: int, side: int, seed: int) -> pd.DataFrame:
    """Draws a data set into `folder`/photos, /annotations and /lists; the same arguments give the same bytes.

    Args:
        folder: where to; files of the same names are replaced.
        photos: how many photos, those without a garment included.
        empty: how many of them are without a garment.
        side: width and height of a photo in pixels.
        seed: another one draws other photos.

    Returns:
        The label table, which is also lists/labels.csv.
    """
    for part in ("photos", "annotations", "lists"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    names = [f"drawn-{number:04d}" for number in range(1, photos + 1)]
    bare = set(Random(f"{seed} empty").sample(names, empty))
    rows = []
    for name in tqdm(names, desc="draw", unit="photo", delay=1):
        picture, found = draw_photo(Random(f"{seed} {name}"), side, 0 if name in bare else None)
        picture.save(folder / "photos" / f"{name}.jpg", quality=90)
        files.write_text(folder / "annotations" / f"{name}.xml", labelimg(f"{name}.jpg", side, found))
        rows += [(f"{name}.jpg", side, side, box.label, *box.corners) for box in found]
    labels = boxes.check(pd.DataFrame(rows, columns=boxes.LABEL_COLUMNS))
    boxes.write(labels, folder / "lists" / "labels.csv")
    files.write_text(folder / "lists" / "photos.txt", "".join(f"{name}.jpg\n" for name in names))
    return labels


def draw_photo(random: Random, side: int, count: int | None = None) -> tuple[Image.Image, list[Box]]:
    """One photo of `side` pixels, RGB, and the boxes of its garments: `count` of them, or one to three."""
    picture, behind = textures.backdrop(random, side)
    if count is None:
        count = random.choices([1, 2, 3], [5, 3, 2])[0]
    longest = {0: 0, 1: 0.9, 2: 0.62, 3: 0.48}[count]
    found: list[Box] = []
    for _ in range(count):
        label = random.choices(list(SHARES), list(SHARES.values()))[0]
        extent = side * random.uniform(longest * 0.8, longest)
        place_garment(random, picture, label, extent, behind, found)
    return picture, found


def place_garment(
    random: Random, picture: Image.Image, label: str, extent: float, behind: textures.Colour, found: list[Box]
) -> None:
    """Draws a garment whose longer side has `extent` pixels where there is room, and adds its box to `found`."""
    degrees = random.uniform(-12, 12)
    mask, seams = outline(garments.make(label, random), extent, degrees)
    corner = _free_corner(random, picture.width, mask.size, found)
    if corner is None:
        return
    edge, line = (
        np.asarray(part, dtype=np.float64) / 255 for part in (mask.filter(ImageFilter.BoxBlur(extent / 30)), seams)
    )
    cloth = textures.cloth(random, (0.6 + 0.4 * edge**2) * (1 - 0.45 * line), degrees, behind)
    shift = round(extent / 30)
    shadow = mask.point(lambda value: value * 0.35).filter(ImageFilter.BoxBlur(shift))
    picture.paste((20, 20, 20), (corner[0] + shift // 2, corner[1] + shift), shadow)
    picture.paste(cloth, corner, mask)
    left, top, right, bottom = mask.point(lambda value: 255 * (value >= 128)).getbbox()
    found.append(Box(label, (corner[0] + left, corner[1] + top, corner[0] + right, corner[1] + bottom)))


def outline(garment: garments.Garment, extent: float, degrees: float) -> tuple[Image.Image, Image.Image]:
    """A garment's area and its seams as 8-bit masks of the same size, turned by `degrees`."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    shapes, lines = ([np.array(points) @ turn for points in group] for group in (garment.outlines, garment.seams))
    every = np.concatenate(shapes)
    low, span = every.min(axis=0), np.ptp(every, axis=0)
    scale = extent / span.max()
    margin = round(extent / 12)  # for the shadow
    width, height = (int(length * scale) + 2 * margin for length in span)
    canvases = [Image.new("L", (width * SMOOTHING, height * SMOOTHING)) for _ in range(2)]
    area, seams = (ImageDraw.Draw(canvas) for canvas in canvases)
    for shape in shapes:
        area.polygon(_pixels(shape, low, scale, margin), fill=255)
    for line in lines:
        seams.line(_pixels(line, low, scale, margin), fill=255, width=max(2, round(extent / 60)))
    mask, seam_mask = (canvas.reduce(SMOOTHING) for canvas in canvases)
    return mask, seam_mask


def labelimg(photo: str, side: int, found: list[Box]) -> str:
    """A PASCAL VOC file as LabelImg writes it, but for the photo's path, which here is the same on every machine."""
    lines = [
        "<annotation>",
        "\t<folder>photos</folder>",
        f"\t<filename>{escape(photo)}</filename>",
        f"\t<path>photos/{escape(photo)}</path>",
        "\t<source>\n\t\t<database>Unknown</database>\n\t</source>",
        f"\t<size>\n\t\t<width>{side}</width>\n\t\t<height>{side}</height>\n\t\t<depth>3</depth>\n\t</size>",
        "\t<segmented>0</segmented>",
    ]
    for box in found:
        corners = [
            f"\t\t\t<{name}>{csv_tables.number(value)}</{name}>"
            for name, value in zip(boxes.CORNERS, box.corners, strict=True)
        ]
        lines += ["\t<object>", f"\t\t<name>{escape(box.label)}</name>", "\t\t<pose>Unspecified</pose>"]
        lines += ["\t\t<truncated>0</truncated>", f"\t\t<difficult>{box.difficult:d}</difficult>"]
        lines += ["\t\t<bndbox>", *corners, "\t\t</bndbox>", "\t</object>"]
    return "\n".join([*lines, "</annotation>"]) + "\n"


def _pixels(points: np.ndarray, low: np.ndarray, scale: float, margin: int) -> list[tuple[float, float]]:
    return [tuple(point) for point in (((points - low) * scale + margin) * SMOOTHING).tolist()]


def _free_corner(random: Random, side: int, size: tuple[int, int], found: list[Box]) -> tuple[int, int] | None:
    """Where a garment of this size hides little of the others, shadows included; None if that place isn't found."""
    others = np.array([box.corners for box in found], dtype=np.float64).reshape(-1, 4)
    for _ in range(100):
        left, top = (random.randint(0, max(0, side - length)) for length in size)
        here = np.array([[left, top, left + size[0], top + size[1]]], dtype=np.float64)
        if (boxes.intersection(here, others) <= 0.1 * boxes.area(others)).all():
            return left, top
    return None

"""The synthetic data set: drawn photos of garments, LabelImg files for them, and the ground truth as a CSV list."""

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

CLASS_WEIGHTS = {"Dresses": 25, "Tops": 24, "Pants_Leggings": 18, "Shorts": 13, "Lingerie": 10, "Skirts": 10}
"""Percentage of garments of each class: as uneven as in a shop, but with enough of each class to learn from."""

SUPERSAMPLING = 2
"""Outlines are drawn this many times larger and then reduced, which makes their edges smooth."""

MAX_HIDDEN = 0.1
"""Largest share of a garment's box that another garment may cover, shadow included."""

PLACEMENT_TRIES = 100
"""Random positions to try before a garment is left out; a full photo then has fewer garments than asked for."""


def draw_data_set(folder: Path, photos: int, empty: int, side: int, seed: int) -> pd.DataFrame:
    """Draws a data set into `folder`/photos, /annotations and /lists; the same arguments give the same bytes.

    Args:
        folder: the data set's folder; files of the same names are replaced.
        photos: number of photos, including those without a garment.
        empty: number of photos without a garment.
        side: width and height of a photo in pixels.
        seed: of all random choices.

    Returns:
        The label table, which is also written to lists/labels.csv.
    """
    for part in ("photos", "annotations", "lists"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    names = [f"drawn-{number:04d}" for number in range(1, photos + 1)]
    without_garment = set(Random(f"{seed} empty").sample(names, empty))
    rows = []
    for name in tqdm(names, desc="draw", unit="photo", delay=1):
        image, drawn_boxes = draw_photo(Random(f"{seed} {name}"), side, 0 if name in without_garment else None)
        image.save(folder / "photos" / f"{name}.jpg", quality=90)
        files.write_text(folder / "annotations" / f"{name}.xml", labelimg_xml(f"{name}.jpg", side, drawn_boxes))
        rows += [(f"{name}.jpg", side, side, box.label, *box.corners) for box in drawn_boxes]
    labels = boxes.validate_labels(pd.DataFrame(rows, columns=boxes.LABEL_COLUMNS))
    boxes.write_labels(labels, folder / "lists" / "labels.csv")
    files.write_text(folder / "lists" / "photos.txt", "".join(f"{name}.jpg\n" for name in names))
    return labels


def draw_photo(random: Random, side: int, count: int | None = None) -> tuple[Image.Image, list[Box]]:
    """Draws an RGB photo of `side` pixels with `count` garments, or one to three; returns it with its boxes."""
    image, background = textures.paint_background(random, side)
    if count is None:
        count = random.choices([1, 2, 3], [5, 3, 2])[0]
    longest = {0: 0, 1: 0.9, 2: 0.62, 3: 0.48}[count]
    drawn_boxes: list[Box] = []
    for _ in range(count):
        label = random.choices(list(CLASS_WEIGHTS), list(CLASS_WEIGHTS.values()))[0]
        extent = side * random.uniform(longest * 0.8, longest)
        draw_garment(random, image, label, extent, background, drawn_boxes)
    return image, drawn_boxes


def draw_garment(
    random: Random,
    image: Image.Image,
    label: str,
    extent: float,
    background: textures.Colour,
    drawn_boxes: list[Box],
) -> None:
    """Draws a garment into `image` if there is room for it, and appends its box to `drawn_boxes`.

    Args:
        random: decides on everything else.
        image: the photo, square.
        label: the garment's class.
        extent: length of the garment's longer side in pixels.
        background: main colour behind the garment.
        drawn_boxes: boxes of the garments that are in the photo already.
    """
    degrees = random.uniform(-12, 12)
    mask, seams = garment_masks(garments.make_garment(label, random), extent, degrees)
    corner = _free_corner(random, image.width, mask.size, drawn_boxes)
    if corner is None:
        return
    edge, line = (
        np.asarray(part, dtype=np.float64) / 255 for part in (mask.filter(ImageFilter.BoxBlur(extent / 30)), seams)
    )
    cloth = textures.paint_cloth(random, (0.6 + 0.4 * edge**2) * (1 - 0.45 * line), degrees, background)
    shift = round(extent / 30)
    shadow = mask.point(lambda value: value * 0.35).filter(ImageFilter.BoxBlur(shift))
    image.paste((20, 20, 20), (corner[0] + shift // 2, corner[1] + shift), shadow)
    image.paste(cloth, corner, mask)
    left, top, right, bottom = mask.point(lambda value: 255 * (value >= 128)).getbbox()
    drawn_boxes.append(Box(label, (corner[0] + left, corner[1] + top, corner[0] + right, corner[1] + bottom)))


def garment_masks(garment: garments.Garment, extent: float, degrees: float) -> tuple[Image.Image, Image.Image]:
    """Returns a garment's area and its seams as 8-bit masks of the same size, turned by `degrees`."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    shapes, lines = ([np.array(points) @ turn for points in group] for group in (garment.outlines, garment.seams))
    points = np.concatenate(shapes)
    low, span = points.min(axis=0), np.ptp(points, axis=0)
    scale = extent / span.max()
    margin = round(extent / 12)  # for the shadow
    width, height = (int(length * scale) + 2 * margin for length in span)
    canvases = [Image.new("L", (width * SUPERSAMPLING, height * SUPERSAMPLING)) for _ in range(2)]
    area, seams = (ImageDraw.Draw(canvas) for canvas in canvases)
    for shape in shapes:
        area.polygon(_pixels(shape, low, scale, margin), fill=255)
    for line in lines:
        seams.line(_pixels(line, low, scale, margin), fill=255, width=max(2, round(extent / 60)))
    mask, seam_mask = (canvas.reduce(SUPERSAMPLING) for canvas in canvases)
    return mask, seam_mask


def labelimg_xml(photo: str, side: int, photo_boxes: list[Box]) -> str:
    """Returns a PASCAL VOC file as LabelImg writes it, except that the path of the photo is relative."""
    lines = [
        "<annotation>",
        "\t<folder>photos</folder>",
        f"\t<filename>{escape(photo)}</filename>",
        f"\t<path>photos/{escape(photo)}</path>",
        "\t<source>\n\t\t<database>Unknown</database>\n\t</source>",
        f"\t<size>\n\t\t<width>{side}</width>\n\t\t<height>{side}</height>\n\t\t<depth>3</depth>\n\t</size>",
        "\t<segmented>0</segmented>",
    ]
    for box in photo_boxes:
        corners = [
            f"\t\t\t<{name}>{csv_tables.number(value)}</{name}>"
            for name, value in zip(boxes.CORNERS, box.corners, strict=True)
        ]
        lines += ["\t<object>", f"\t\t<name>{escape(box.label)}</name>", "\t\t<pose>Unspecified</pose>"]
        lines += ["\t\t<truncated>0</truncated>", f"\t\t<difficult>{box.difficult:d}</difficult>"]
        lines += ["\t\t<bndbox>", *corners, "\t\t</bndbox>", "\t</object>"]
    return "\n".join([*lines, "</annotation>"]) + "\n"


def _pixels(points: np.ndarray, low: np.ndarray, scale: float, margin: int) -> list[tuple[float, float]]:
    return [tuple(point) for point in (((points - low) * scale + margin) * SUPERSAMPLING).tolist()]


def _free_corner(random: Random, side: int, size: tuple[int, int], drawn_boxes: list[Box]) -> tuple[int, int] | None:
    """Returns left and top of a random position that hides little of the other garments, or None if none is found."""
    others = np.array([box.corners for box in drawn_boxes], dtype=np.float64).reshape(-1, 4)
    for _ in range(PLACEMENT_TRIES):
        left, top = (random.randint(0, max(0, side - length)) for length in size)
        position = np.array([[left, top, left + size[0], top + size[1]]], dtype=np.float64)
        if (boxes.intersection(position, others) <= MAX_HIDDEN * boxes.area(others)).all():
            return left, top
    return None

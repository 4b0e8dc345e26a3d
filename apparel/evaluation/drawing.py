"""Boxes on photos and plots of results: the same bytes for the same input.

A box is drawn solid where the other side has its match, dashed where it has none: a ground truth that was missed, a
detection that is wrong.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pandas as pd
from PIL import Image, ImageColor, ImageDraw, ImageFont

from apparel.boxes import CORNERS
from apparel.errors import plain

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
"""Told apart by colour-blind people, too; more classes than colours take them in turn, and their names tell.

Source: Okabe and Ito, "Color Universal Design" (2008), without black.
"""

SIDE = 480
"""Pixels: the longer side of a photo in a picture."""

MARGIN = 8
TITLE = 24
LINE = 3
DASH = 9
DARK = (25, 25, 25)
QUALITY = 90


def colours(classes: Sequence[str]) -> dict[str, str]:
    """The colour of each class, as #rrggbb."""
    return {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(classes)}


def side_by_side(
    photo: Image.Image, ground_truth: pd.DataFrame, detections: pd.DataFrame, classes: Sequence[str]
) -> Image.Image:
    """Ground truth on the left, detections on the right.

    Args:
        photo: upright RGB.
        ground_truth: the photo's boxes: a class, corners in pixels of the photo, `matched` (bool).
        detections: the same, and a `score`.
        classes: all classes in order, which gives them their colours.
    """
    left = annotate(photo, ground_truth, classes)
    right = annotate(photo, detections.sort_values("score", kind="stable"), classes)
    picture = Image.new("RGB", (2 * left.width + 3 * MARGIN, left.height + TITLE + MARGIN), "white")
    draw = ImageDraw.Draw(picture)
    for start, panel, title in ((MARGIN, left, "Ground truth"), (left.width + 2 * MARGIN, right, "Detections")):
        draw.text((start, TITLE / 2), title, DARK, _font(14), anchor="lm")
        picture.paste(panel, (start, TITLE))
    return picture


def annotate(photo: Image.Image, table: pd.DataFrame, classes: Sequence[str]) -> Image.Image:
    """The photo, scaled to `SIDE`, with its boxes; later rows lie above earlier ones."""
    scale = SIDE / max(photo.size)
    panel = photo.resize([max(1, round(side * scale)) for side in photo.size], Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(panel)
    colour = colours(classes)
    scaled = [tuple(row) for row in table[CORNERS].to_numpy(float) * scale]
    for corners, name, matched in zip(scaled, table["class"], table["matched"], strict=True):
        _outline(draw, corners, colour[name], solid=matched)
    taken = []
    # The strongest detection, which is the last, gets the best place for its label.
    for corners, name, score in list(zip(scaled, table["class"], _scores(table), strict=True))[::-1]:
        taken.append(_label(draw, panel.size, corners, f"{plain(name)}{score}", colour[name], taken))
    return panel


def _scores(table: pd.DataFrame) -> list[str]:
    return [f" {score:.2f}" for score in table["score"]] if "score" in table else [""] * len(table)


def _outline(draw: ImageDraw.ImageDraw, corners: tuple[float, ...], colour: str, solid: bool) -> None:
    xmin, ymin, xmax, ymax = corners
    # A dark rim keeps light colours visible on light photos.
    draw.rectangle((xmin - 1, ymin - 1, xmax + 1, ymax + 1), outline=DARK, width=LINE + 2)
    draw.rectangle(corners, outline=colour, width=LINE)
    if solid:
        return
    for start in range(round(xmin) + DASH, round(xmax) - DASH, 2 * DASH):
        for y in (ymin, ymax - LINE + 1):
            draw.rectangle((start, y, start + DASH, y + LINE - 1), fill="white")
    for start in range(round(ymin) + DASH, round(ymax) - DASH, 2 * DASH):
        for x in (xmin, xmax - LINE + 1):
            draw.rectangle((x, start, x + LINE - 1, start + DASH), fill="white")


Rectangle = tuple[float, float, float, float]


def _label(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    corners: Rectangle,
    text: str,
    colour: str,
    taken: list[Rectangle],
) -> Rectangle:
    """Writes a label at a corner of its box, if it can where no other label is; returns the rectangle it takes."""
    width, height = draw.textlength(text, _font(13)) + 8, 19
    xmin, ymin, xmax, ymax = corners
    corner_points = [(x, y) for y in (ymin - height, ymin, ymax - height, ymax) for x in (xmin, xmax - width)]
    places = [_inside(x, y, width, height, size) for x, y in corner_points]
    place = next((place for place in places if not any(_overlap(place, other) for other in taken)), places[0])
    draw.rectangle(place, fill=colour, outline=DARK)
    red, green, blue = ImageColor.getrgb(colour)
    ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 120 else "white"
    draw.text((place[0] + 4, (place[1] + place[3]) / 2), text, ink, _font(13), anchor="lm")
    return place


def _inside(x: float, y: float, width: float, height: float, size: tuple[int, int]) -> Rectangle:
    x, y = max(0, min(x, size[0] - 1 - width)), max(0, min(y, size[1] - 1 - height))
    return x, y, x + width, y + height


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    import matplotlib

    # Matplotlib's own font, which is the same on every machine and covers more letters than Pillow's.
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def save(picture: Image.Image, path: Path) -> None:
    """Writes a picture as JPEG, without anything that tells when or where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, "JPEG", quality=QUALITY, subsampling=0)

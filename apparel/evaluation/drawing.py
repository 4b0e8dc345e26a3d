"""Boxes drawn on photos: the same input gives the same bytes.

A box is solid where it is matched, dashed where it is not: a ground truth box that was missed, or a wrong detection.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from PIL import Image, ImageColor, ImageDraw, ImageFont

from apparel.boxes import CORNERS
from apparel.errors import plain

if TYPE_CHECKING:
    from matplotlib.ft2font import FT2Font

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
"""Colours of classes, distinct for colour-blind people too; with more classes they repeat, and labels have the names.

Source: Okabe and Ito, "Color Universal Design" (2008), without black.
"""

SIDE = 480
"""Longer side of a photo with boxes, in pixels."""

MARGIN = 8
"""Space around each photo of a pair, in pixels."""

TITLE = 24
"""Height of the line above a pair of photos, in pixels."""

LINE = 3
"""Width of a box's outline, in pixels."""

DASH = 9
"""Length of a dash and of the gap after it, in pixels."""

DARK = (25, 25, 25)
"""RGB of text and of the rim around outlines."""

QUALITY = 90
"""JPEG quality: labels stay sharp."""

Rectangle = tuple[float, float, float, float]
"""xmin, ymin, xmax, ymax in pixels."""


def class_colours(classes: Sequence[str]) -> dict[str, str]:
    """The colour of each class, as #rrggbb."""
    return {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(classes)}


def font_has(text: str) -> bool:
    """Whether the font of pictures and charts has all letters of a text.

    It has no Chinese, Japanese, Korean or Thai ones.
    """
    return all(map(_font_face().get_char_index, map(ord, text)))


def class_label(name: str, classes: Sequence[str]) -> str:
    """The name of a class as pictures show it: its number among the classes where the font lacks its letters."""
    shown = plain(name)
    return shown if font_has(shown) else f"class {list(classes).index(name) + 1}"


def draw_side_by_side(
    photo: Image.Image, ground_truth: pd.DataFrame, detections: pd.DataFrame, classes: Sequence[str]
) -> Image.Image:
    """Draws ground truth on the left and detections on the right.

    Args:
        photo: upright RGB.
        ground_truth: the photo's boxes: `class`, corners in pixels of the photo, `matched` (bool).
        detections: the same columns, and `score`.
        classes: all classes, in order: the order decides the colours.
    """
    left = draw_boxes(photo, ground_truth, classes)
    right = draw_boxes(photo, detections.sort_values("score", kind="stable"), classes)
    picture = Image.new("RGB", (2 * left.width + 3 * MARGIN, left.height + TITLE + MARGIN), "white")
    draw = ImageDraw.Draw(picture)
    for start, panel, title in ((MARGIN, left, "Ground truth"), (left.width + 2 * MARGIN, right, "Detections")):
        draw.text((start, TITLE / 2), title, DARK, _font(14), anchor="lm")
        picture.paste(panel, (start, TITLE))
    return picture


def draw_boxes(photo: Image.Image, table: pd.DataFrame, classes: Sequence[str], side: int = SIDE) -> Image.Image:
    """Draws boxes on a scaled copy of the photo; later rows lie above earlier ones.

    Args:
        photo: upright RGB.
        table: `class`, corners in pixels of the photo, `matched` (bool), and `score` for detections.
        classes: all classes, in order.
        side: longer side of the copy, in pixels.
    """
    scale = side / max(photo.size)
    panel = photo.resize([max(1, round(length * scale)) for length in photo.size], Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(panel)
    colours = class_colours(classes)
    scaled = [tuple(row) for row in table[CORNERS].to_numpy(float) * scale]
    for corners, name, matched in zip(scaled, table["class"], table["matched"], strict=True):
        _outline(draw, corners, colours[name], solid=matched)
    taken = []
    # The detection with the highest score is last; it is the first to choose where its label goes.
    for corners, name, score in list(zip(scaled, table["class"], _scores(table), strict=True))[::-1]:
        text = f"{class_label(name, classes)}{score}"
        taken.append(_label(draw, panel.size, corners, text, colours[name], taken))
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


def _label(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    corners: Rectangle,
    text: str,
    colour: str,
    taken: list[Rectangle],
) -> Rectangle:
    """Writes a label at the first corner of its box that no other label covers, else at the first corner.

    Returns:
        The rectangle of the label.
    """
    width, height = draw.textlength(text, _font(13)) + 8, 19
    xmin, ymin, xmax, ymax = corners
    corner_points = [(x, y) for y in (ymin - height, ymin, ymax - height, ymax) for x in (xmin, xmax - width)]
    rectangles = [_inside(x, y, width, height, size) for x, y in corner_points]
    free = (rectangle for rectangle in rectangles if not any(_overlap(rectangle, other) for other in taken))
    rectangle = next(free, rectangles[0])
    draw.rectangle(rectangle, fill=colour, outline=DARK)
    red, green, blue = ImageColor.getrgb(colour)
    # Luma of ITU-R BT.601: black text on light colours, white on dark ones.
    text_colour = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 120 else "white"
    draw.text((rectangle[0] + 4, (rectangle[1] + rectangle[3]) / 2), text, text_colour, _font(13), anchor="lm")
    return rectangle


def _inside(x: float, y: float, width: float, height: float, size: tuple[int, int]) -> Rectangle:
    """A rectangle at x, y, moved into a picture of this size."""
    x, y = max(0, min(x, size[0] - 1 - width)), max(0, min(y, size[1] - 1 - height))
    return x, y, x + width, y + height


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_font_face().fname, size)


@cache
def _font_face() -> "FT2Font":
    """Matplotlib's own font, which is the same on every machine and covers more letters than Pillow's."""
    import matplotlib
    from matplotlib.ft2font import FT2Font

    return FT2Font(str(Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")))


def save_jpeg(picture: Image.Image, path: Path, comment: bytes = b"", quality: int = QUALITY) -> None:
    """Writes a picture as JPEG without metadata but the comment.

    Colours keep their full resolution at `QUALITY` and above, so that labels stay sharp.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    subsampling = 0 if quality >= QUALITY else -1
    picture.save(path, "JPEG", quality=quality, subsampling=subsampling, comment=comment)

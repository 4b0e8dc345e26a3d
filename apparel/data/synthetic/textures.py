"""Textures: cloth of garments, and backgrounds, painted with Pillow and NumPy."""

import colorsys
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

MIN_COLOUR_DISTANCE = 110
"""Smallest `colour_distance` of a garment from its background: a quarter of the range, so that it stands out."""


def random_colour(random: Random, saturation: tuple[float, float], value: tuple[float, float]) -> Colour:
    """Returns a colour of any hue, its saturation and value (0 to 1) within these bounds."""
    red, green, blue = colorsys.hsv_to_rgb(random.random(), random.uniform(*saturation), random.uniform(*value))
    return round(red * 255), round(green * 255), round(blue * 255)


def colour_distance(one: Colour, other: Colour) -> float:
    """Returns the Euclidean distance of two colours, 0 to 441."""
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5


def paint_cloth(random: Random, shade: np.ndarray, degrees: float, background: Colour) -> Image.Image:
    """Returns an RGB image of cloth: plain, striped, dotted or checked, in a colour that stands out from `background`.

    Args:
        random: decides colour, pattern and folds.
        shade: `(height, width)`, brightness, 0 (black) to 1 (lit).
        degrees: by how much the pattern and the folds are turned.
        background: the colour to stand out from.
    """
    height, width = shade.shape
    base = random_colour(random, (0.25, 0.9), (0.2, 0.95))
    while colour_distance(base, background) < MIN_COLOUR_DISTANCE:
        base = random_colour(random, (0.05, 0.95), (0.1, 1.0))
    accent = tuple(round(part + 0.6 * (255 - part)) if sum(base) < 400 else round(part * 0.6) for part in base)
    across, down = _turned_grid(width, height, degrees)
    step = max(6.0, width * random.uniform(0.07, 0.16))
    pattern = random.choice([*[_plain] * 5, _stripes, _dots, _checks])(across / step, down / step)[..., None]
    folds = np.sin(across * (2 * np.pi / (width * random.uniform(0.22, 0.4))) + random.uniform(0, 6))
    light = shade * (1 + 0.08 * folds - 0.1 * (across / width - 0.5))
    colours = (base + pattern * (np.array(accent) - base)) * light[..., None]
    return Image.fromarray(np.minimum(colours, 255).astype(np.uint8))


def paint_background(random: Random, side: int) -> tuple[Image.Image, Colour]:
    """Returns a square RGB image of `side` pixels without a garment, and its main colour."""
    pale = random.random() < 0.8
    main = random_colour(random, (0.02, 0.25), (0.8, 1.0)) if pale else random_colour(random, (0.1, 0.5), (0.15, 0.4))
    image = _wall(random, side, main)
    if random.random() < 0.5:
        random.choice([_planks, _blobs, _tiles])(random, ImageDraw.Draw(image, "RGBA"), side, main)
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1.5)))
    return image, main


def _turned_grid(width: int, height: int, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns each pixel's coordinates across and down the cloth, in pixels; each `(height, width)`."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    angle = np.radians(degrees)
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _plain(across: np.ndarray, down: np.ndarray) -> np.ndarray:
    return np.zeros_like(across)


def _stripes(across: np.ndarray, down: np.ndarray) -> np.ndarray:
    return np.floor(down) % 2


def _dots(across: np.ndarray, down: np.ndarray) -> np.ndarray:
    return (np.square(across % 1 - 0.5) + np.square(down % 1 - 0.5) < 0.27**2).astype(np.float64)


def _checks(across: np.ndarray, down: np.ndarray) -> np.ndarray:
    return (np.floor(across) % 2 + np.floor(down) % 2) / 2


def _wall(random: Random, side: int, main: Colour) -> Image.Image:
    """Returns a wall in `main`, lighter on one side. Light changes slowly: 32 x 32 pixels are computed and enlarged."""
    x, y = np.meshgrid(*[np.linspace(-1, 1, 32)] * 2)
    light = 1 + 0.1 * (random.uniform(-1, 1) * x + random.uniform(-1, 1) * y) - 0.05 * (x**2 + y**2)
    coarse = np.clip(light[..., None] * main, 0, 255).astype(np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def _tint(random: Random, main: Colour, largest_shift: int = 28) -> tuple[int, int, int, int]:
    shift = random.uniform(-largest_shift, largest_shift)
    return (*(round(min(255, max(0, part + shift + random.uniform(-8, 8)))) for part in main), random.randint(120, 230))


def _planks(random: Random, draw: ImageDraw.ImageDraw, side: int, main: Colour) -> None:
    width, across = random.uniform(0.08, 0.2) * side, random.random() < 0.5
    for start in np.arange(0, side, width):
        low, high = round(start), round(start + width - 1)
        draw.rectangle((low, 0, high, side) if across else (0, low, side, high), fill=_tint(random, main))


def _tiles(random: Random, draw: ImageDraw.ImageDraw, side: int, main: Colour) -> None:
    step = random.uniform(0.1, 0.22) * side
    for left in np.arange(0, side, step):
        for top in np.arange(0, side, step):
            draw.rectangle((left, top, left + step - 2, top + step - 2), fill=_tint(random, main, 20))


def _blobs(random: Random, draw: ImageDraw.ImageDraw, side: int, main: Colour) -> None:
    for _ in range(random.randint(10, 30)):
        x, y, radius = random.uniform(0, side), random.uniform(0, side), random.uniform(0.02, 0.14) * side
        shape = random.choice([draw.ellipse, draw.rectangle])
        shape((x - radius, y - radius, x + radius, y + radius), fill=_tint(random, main, 40))

"""What garments are made of and what lies behind them, painted with Pillow and NumPy."""

import colorsys
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]


def colour(random: Random, saturation: tuple[float, float], value: tuple[float, float]) -> Colour:
    """A colour of any hue, its saturation and value (0 to 1) within these bounds."""
    red, green, blue = colorsys.hsv_to_rgb(random.random(), random.uniform(*saturation), random.uniform(*value))
    return round(red * 255), round(green * 255), round(blue * 255)


def apart(one: Colour, other: Colour) -> float:
    """How far two colours are from each other, 0 to 441."""
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5


def cloth(random: Random, shade: np.ndarray, degrees: float, behind: Colour) -> Image.Image:
    """An RGB piece of cloth, plain, striped, dotted or checked, in a colour that stands out from `behind`.

    Args:
        random: decides on colour, pattern and folds.
        shade: `(height, width)`, 0 (black) to 1 (lit): where the cloth lies in shade.
        degrees: how far the pattern and the folds are turned.
        behind: the colour to stand out from.
    """
    height, width = shade.shape
    base = colour(random, (0.25, 0.9), (0.2, 0.95))
    while apart(base, behind) < 110:
        base = colour(random, (0.05, 0.95), (0.1, 1.0))
    accent = tuple(round(part + 0.6 * (255 - part)) if sum(base) < 400 else round(part * 0.6) for part in base)
    across, down = _turned_grid(width, height, degrees)
    step = max(6.0, width * random.uniform(0.07, 0.16))
    painted = random.choice([*[_plain] * 5, _stripes, _dots, _checks])(across / step, down / step)[..., None]
    folds = np.sin(across * (2 * np.pi / (width * random.uniform(0.22, 0.4))) + random.uniform(0, 6))
    light = shade * (1 + 0.08 * folds - 0.1 * (across / width - 0.5))
    colours = (base + painted * (np.array(accent) - base)) * light[..., None]
    return Image.fromarray(np.minimum(colours, 255).astype(np.uint8))


def backdrop(random: Random, side: int) -> tuple[Image.Image, Colour]:
    """A square RGB picture of `side` pixels without a garment, and the colour that prevails in it."""
    pale = random.random() < 0.8
    main = colour(random, (0.02, 0.25), (0.8, 1.0)) if pale else colour(random, (0.1, 0.5), (0.15, 0.4))
    painted = _wall(random, side, main)
    if random.random() < 0.5:
        random.choice([_planks, _blobs, _tiles])(random, ImageDraw.Draw(painted, "RGBA"), side, main)
        painted = painted.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 1.5)))
    return painted, main


def _turned_grid(width: int, height: int, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Each pixel's distance across and down the cloth."""
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
    """A wall in `main`, lighter on one side: computed coarsely, since it changes slowly."""
    x, y = np.meshgrid(*[np.linspace(-1, 1, 32)] * 2)
    light = 1 + 0.1 * (random.uniform(-1, 1) * x + random.uniform(-1, 1) * y) - 0.05 * (x**2 + y**2)
    coarse = np.clip(light[..., None] * main, 0, 255).astype(np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def _tint(random: Random, main: Colour, most: int = 28) -> tuple[int, int, int, int]:
    shift = random.uniform(-most, most)
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

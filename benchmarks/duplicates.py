"""How many copies of photos are found by kind, and how often different photos are taken for copies."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from tqdm import tqdm

from apparel import images
from apparel.data import duplicates
from apparel.data.synthetic import dataset, textures
from apparel.errors import UserError

COPIED = 40
"""Photos of which copies are made."""

WALLS, GARMENTS = 6, 12
"""Walls, and photos of different garments before each."""

WALL_SIDE = 320
"""Width and height of the photos before a wall, in pixels."""

WHITE = 243
"""Least value of a white pixel, of 255."""


def _crop(photo: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = photo.size
    return photo.crop(
        (round(width * left), round(height * top), round(width * (1 - right)), round(height * (1 - bottom)))
    )


def _pad(photo: Image.Image, share: float, colour: str) -> Image.Image:
    return ImageOps.expand(photo, (round(photo.width * share), round(photo.height * share)), colour)


def _banner(photo: Image.Image) -> Image.Image:
    photo = photo.copy()
    ImageDraw.Draw(photo).rectangle((0, round(photo.height * 0.88), *photo.size), fill=(200, 20, 60))
    return photo


def _augment(photo: Image.Image) -> Image.Image:
    """Several changes at once, as tools for augmentation make them."""
    photo = ImageOps.mirror(photo.rotate(8, Image.Resampling.BILINEAR)).resize((416, 416))
    return ImageEnhance.Brightness(photo).enhance(0.85)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half the size": lambda photo: photo.resize((photo.width // 2, photo.height // 2)),
    "grey": lambda photo: photo.convert("L").convert("RGB"),
    "brighter by 20%": lambda photo: ImageEnhance.Brightness(photo).enhance(1.2),
    "banner on 12%": _banner,
    "mirrored": ImageOps.mirror,
    "upside down": ImageOps.flip,
    "turned by 90°": lambda photo: photo.transpose(Image.Transpose.ROTATE_90),
    "turned by 180°": lambda photo: photo.transpose(Image.Transpose.ROTATE_180),
    "turned by 270°": lambda photo: photo.transpose(Image.Transpose.ROTATE_270),
    "turned by 5°": lambda photo: photo.rotate(5, Image.Resampling.BILINEAR),
    "cropped by 5% at each edge": partial(_crop, left=0.05, top=0.05, right=0.05, bottom=0.05),
    "cropped by 10% at each edge": partial(_crop, left=0.1, top=0.1, right=0.1, bottom=0.1),
    "cropped by 12, 0, 3 and 8%": partial(_crop, left=0.12, top=0, right=0.03, bottom=0.08),
    "padded by 10%, white": partial(_pad, share=0.1, colour="white"),
    "padded by 15%, black": partial(_pad, share=0.15, colour="black"),
    "mirrored, turned by 8°, resized, darker": _augment,
}
"""What is done to a photo, by kind of copy; each copy is saved as a JPEG of quality 60."""


def measure(folder: Path, count: int) -> str:
    """Copies some photos of a folder, and returns a table of how many copies are found, and of false alarms.

    Args:
        folder: of photos.
        count: at most so many photos, at equal distances by name.

    Raises:
        UserError: the folder is missing, has no photos, or has a damaged one.
    """
    names = sorted(path.name for path in folder.glob("*") if path.is_file())
    if not names:
        raise UserError(f"{folder} has no photos; run `dvc repro` first, or name another data set with --name")
    names = _spaced(names, count)
    with tempfile.TemporaryDirectory() as temporary:
        output = Path(temporary)
        start = time.perf_counter()
        hashes, unreadable = duplicates.hash_photos(folder, names)
        for reason in unreadable.values():
            raise UserError(reason)
        hashed = time.perf_counter()
        pairs = duplicates.compare_hashes(hashes, names)
        compared = time.perf_counter()
        found = _find_copies(folder, _spaced(names, COPIED), hashes, output)
        single = [name for name, first in duplicates.group_duplicates(names, pairs).items() if name == first]
        walls = {
            title: _false_alarms(output / title, photos)
            for title, photos in (("drawn", _drawn_walls()), ("cut_out", _photo_walls(folder, single)))
        }
    return "\n".join(
        [
            f"duplicates: {len(names)} photos of {folder}, found as copies of their sources:",
            *(f"{number:4} of {total}  {kind}" for kind, (number, total) in found.items()),
            f"pairs among the {len(names)} photos themselves: {duplicates.summary(pairs)}",
            f"different garments before one wall, drawn: {walls['drawn']}",
            f"different garments before one wall, cut out of these photos: {walls['cut_out']}",
            f"seconds to read the photos {hashed - start:.1f}, to compare them {compared - hashed:.1f}",
        ]
    )


def _spaced(names: list[str], count: int) -> list[str]:
    return [names[row] for row in np.unique(np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int))]


def _find_copies(
    folder: Path, names: list[str], hashes: Mapping[str, duplicates.PhotoHash], output: Path
) -> dict[str, tuple[int, int]]:
    """How many copies of each kind are paired with their source, and of how many; `hashes` are of all photos."""
    found = {}
    for kind, change in tqdm(CHANGES.items(), desc="kinds of copies", unit="", disable=False, leave=False):
        copies = {f"{number}.copy": name for number, name in enumerate(names)}
        for copy, name in copies.items():
            change(images.read(folder / name)).save(output / copy, "JPEG", quality=60)
        together = dict(hashes) | duplicates.hash_photos(output, list(copies))[0]
        pairs = duplicates.compare_hashes(together, list(together))
        paired = set(zip(pairs["first"], pairs["second"], strict=True))
        found[kind] = (sum(tuple(sorted(pair)) in paired for pair in copies.items()), len(names))
    return found


def _false_alarms(folder: Path, photos: Iterator[Image.Image]) -> str:
    folder.mkdir()
    names = []
    for number, photo in enumerate(photos):
        names.append(f"{number:03}.png")
        photo.save(folder / names[-1])
    pairs = duplicates.find_duplicates(folder, names)
    before_one_wall = len(names) // GARMENTS * (GARMENTS * (GARMENTS - 1) // 2)
    return f"{len(pairs)} of {before_one_wall} pairs are taken for copies ({duplicates.count_kinds(pairs) or 'none'})"


def _drawn_walls() -> Iterator[Image.Image]:
    """Photos of drawn garments, `GARMENTS` before each wall."""
    for wall in range(WALLS):
        background, colour = textures.paint_background(Random(f"wall {wall}"), WALL_SIDE)
        for number in range(GARMENTS):
            random, photo = Random(f"{wall} {number}"), background.copy()
            label = random.choice(list(dataset.CLASS_WEIGHTS))
            dataset.draw_garment(random, photo, label, WALL_SIDE * random.uniform(0.5, 0.85), colour, [])
            yield photo


def _photo_walls(folder: Path, names: list[str]) -> Iterator[Image.Image]:
    """Garments cut out of photos on white, `GARMENTS` before each wall, which is a photo that is not on white."""
    cut_out, walls = [], []
    for name in names:
        photo = images.read(folder / name).resize((WALL_SIDE, WALL_SIDE))
        pixels = np.asarray(photo).min(axis=2)
        white = np.mean(
            [(part > WHITE).mean() for part in (pixels[:10], pixels[-10:], pixels[:, :10], pixels[:, -10:])]
        )
        if white > 0.97 and 0.1 < (pixels <= WHITE).mean() < 0.5:
            cut_out.append((photo, Image.fromarray(pixels <= WHITE)))
        elif white < 0.1:
            walls.append(Image.blend(photo, Image.new("RGB", photo.size, "white"), 0.25))
    for wall in range(min(WALLS, len(walls), len(cut_out) // GARMENTS)):
        for photo, mask in cut_out[wall * GARMENTS : (wall + 1) * GARMENTS]:
            before = walls[wall].copy()
            before.paste(photo, (0, 0), mask)
            yield before

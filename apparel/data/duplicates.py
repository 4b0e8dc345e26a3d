"""Photos that are there twice, exactly or nearly: in another size, compression, brightness, or slightly cropped.

The hash is pHash at 256 bits (`imagehash`): the signs of the 16 x 16 lowest frequencies of the grey photo about their
median. On 2,090 product photos it parted copies from look-alikes best of those that imagehash has: coarser ones give
garments on the same white background the same hash. Photos of one garment in two colours count as near duplicates.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from apparel import images
from apparel.errors import UserError

SIDE = 16
"""Frequencies across and down; a hash has the square of it as bits."""

NEAR = 64
"""Bits of 256. Measured: halved or quartered, JPEG quality 10, 20% brighter, 2% cropped or padded at each edge: up to
58. Photos of different garments: 70 and more, in two million pairs."""

PAIR_COLUMNS = ["first", "second", "bits", "exact"]


class Print(NamedTuple):
    """A photo's hash, `(256,)` of -1 and 1, and the SHA-256 of its file."""

    signs: np.ndarray
    digest: bytes


def group(names: Sequence[str], found: pd.DataFrame) -> dict[str, str]:
    """The group of each photo: the name of the group's first photo, which is its own where it has no duplicate.

    Args:
        names: the photos.
        found: from `pairs`; duplicates of duplicates are in one group.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names = sorted(names)
    place = pd.Index(names)
    edges = place.get_indexer(found["first"]), place.get_indexer(found["second"])
    linked = coo_array((np.ones(len(found)), edges), shape=(len(names), len(names)))
    _, label = connected_components(linked, directed=False)
    _, first = np.unique(label, return_index=True)
    return {name: names[first[number]] for name, number in zip(names, label, strict=True)}


def pairs(folder: Path, names: Sequence[str]) -> pd.DataFrame:
    """Every two photos that are near duplicates: `compare` of what `look` finds; no photo that cannot be decoded."""
    return compare(look(folder, names)[0])


def look(folder: Path, names: Sequence[str]) -> tuple[dict[str, Print], dict[str, str]]:
    """The prints of photos, and of those that cannot be decoded why not; both by name, sorted."""
    from tqdm import tqdm

    names = sorted(names)
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # Pillow decodes outside Python's global lock
        work = threads.map(partial(_print, folder), names)
        results = list(tqdm(work, total=len(names), desc="comparing photos", unit="", delay=1, leave=False))
    found = dict(zip(names, results, strict=True))
    prints = {name: result for name, result in found.items() if isinstance(result, Print)}
    return prints, {name: result for name, result in found.items() if isinstance(result, str)}


def compare(prints: Mapping[str, Print]) -> pd.DataFrame:
    """Every two photos that are near duplicates, the nearest first.

    Returns:
        A table with `PAIR_COLUMNS`: two names, the first before the second; the bits in which their hashes differ,
        0..`NEAR`; and whether the files are the same byte for byte.
    """
    names = sorted(prints)
    signs = np.array([prints[name].signs for name in names]).reshape(-1, SIDE * SIDE)
    rows = [
        (names[one], names[other], bits, prints[names[one]].digest == prints[names[other]].digest)
        for one, other, bits in _near(signs)
    ]
    table = pd.DataFrame(rows, columns=PAIR_COLUMNS)
    return table.sort_values(["bits", "first", "second"], kind="stable", ignore_index=True)


def _print(folder: Path, name: str) -> Print | str:
    import imagehash

    try:
        data = images.load(folder / name)
        found = imagehash.phash(images.decode(data, folder / name), hash_size=SIDE)
    except UserError as error:
        return str(error)
    return Print(np.where(found.hash, np.float32(1), np.float32(-1)).ravel(), hashlib.sha256(data).digest())


def _near(signs: np.ndarray, rows: int = 256) -> list[tuple[int, int, int]]:
    """Pairs of rows of `signs` `(N, bits)` that differ in at most `NEAR` places, with that number; block by block."""
    found = []
    for start in range(0, len(signs), rows):
        # The product of two rows of -1 and 1 is the places that agree less those that differ.
        differ = (signs.shape[1] - signs[start : start + rows] @ signs[start:].T) / 2
        for one, other in np.argwhere(np.triu(differ <= NEAR, k=1)):
            found.append((start + int(one), start + int(other), int(differ[one, other])))
    return found

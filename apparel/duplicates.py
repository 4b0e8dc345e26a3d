"""Photos that are there twice, exactly or nearly: in another size, compression, brightness, or slightly cropped.

The hash is pHash at 256 bits (`imagehash`): the signs of the 16 x 16 lowest frequencies of the grey photo about their
median. On 2,090 product photos it parted copies from look-alikes best of those that imagehash has: coarser ones give
garments on the same white background the same hash. Photos of one garment in two colours count as near duplicates.
"""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from apparel import photos
from apparel.errors import UserError

SIDE = 16
"""Frequencies across and down; a hash has the square of it as bits."""

NEAR = 64
"""Bits of 256. Measured: halved or quartered, JPEG quality 10, 20% brighter, 2% cropped or padded at each edge: up to
58. Photos of different garments: 70 and more, in two million pairs."""

PAIR_COLUMNS = ["first", "second", "bits", "exact"]


def groups(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """The group of each photo: the name of the group's first photo, which is its own where it has no duplicate.

    Args:
        folder: where the photos lie.
        names: the photos to compare. One that cannot be decoded has no duplicates here.
    """
    return group(names, pairs(folder, names))


def group(names: Sequence[str], found: pd.DataFrame) -> dict[str, str]:
    """Joins what `pairs` found into groups, as `groups` does: duplicates of duplicates are together."""
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
    """Every two photos that are near duplicates, the nearest first.

    Returns:
        A table with `PAIR_COLUMNS`: two names, the first before the second; the bits in which their hashes differ,
        0..`NEAR`; and whether the files are the same byte for byte.
    """
    from tqdm import tqdm

    names = sorted(names)
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # Pillow decodes outside Python's global lock
        work = threads.map(partial(_prints, folder), names)
        prints = list(tqdm(work, total=len(names), desc="comparing photos", unit="", delay=1, leave=False))
    readable = [number for number, found in enumerate(prints) if found]
    signs = np.array([prints[number][0] for number in readable]).reshape(-1, SIDE * SIDE)
    rows = []
    for first, second, bits in _near(signs):
        first, second = readable[first], readable[second]
        exact = prints[first][1] == prints[second][1]
        rows.append((names[first], names[second], bits, exact))
    table = pd.DataFrame(rows, columns=PAIR_COLUMNS)
    return table.sort_values(["bits", "first", "second"], kind="stable", ignore_index=True)


def _prints(folder: Path, name: str) -> tuple[np.ndarray, bytes] | None:
    """The photo's hash as -1 and 1, and that of its file; None if it can't be decoded."""
    import imagehash

    try:
        data = photos.load(folder / name)
        found = imagehash.phash(photos.decode(data, folder / name), hash_size=SIDE)
    except UserError:
        return None
    return np.where(found.hash, np.float32(1), np.float32(-1)).ravel(), hashlib.sha256(data).digest()


def _near(signs: np.ndarray, rows: int = 256) -> list[tuple[int, int, int]]:
    """Pairs of rows of `signs` `(N, bits)` that differ in at most `NEAR` places, with that number; block by block."""
    found = []
    for start in range(0, len(signs), rows):
        # The product of two rows of -1 and 1 is the places that agree less those that differ.
        differ = (signs.shape[1] - signs[start : start + rows] @ signs[start:].T) / 2
        for one, other in np.argwhere(np.triu(differ <= NEAR, k=1)):
            found.append((start + int(one), start + int(other), int(differ[one, other])))
    return found

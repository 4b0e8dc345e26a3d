"""Exact and near duplicates among photos: other sizes, compressions and brightnesses of one photo, slight crops of it.

The hash is pHash at 256 bits (`imagehash`): the signs of the 16 x 16 lowest frequencies of the grey photo, relative to
their median. Of the hashes in imagehash it separated copies from look-alikes best, on 2,090 product photos: coarser
hashes are equal for different garments on the same white background. Photos of one garment in two colours count as
near duplicates.
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

HASH_SIZE = 16
"""Frequencies across and down; a hash has `HASH_SIZE ** 2` bits."""

MAX_DISTANCE = 64
"""Largest Hamming distance of near duplicates, in bits of 256. Measured: copies that are halved or quartered, of JPEG
quality 10, 20% brighter, or cropped or padded by 2% at each edge differ in up to 58 bits; photos of different garments
in 70 and more, in two million pairs."""

PAIR_COLUMNS = ["first", "second", "bits", "exact"]


class PhotoHash(NamedTuple):
    """A photo's perceptual hash, `(256,)` of -1 and 1, and the SHA-256 of its file."""

    signs: np.ndarray
    digest: bytes


def group_duplicates(names: Sequence[str], pairs: pd.DataFrame) -> dict[str, str]:
    """Returns the group of each photo: the name of the group's first photo, its own if it has no duplicate.

    Args:
        names: the photos.
        pairs: from `find_duplicates`; duplicates of duplicates are in one group.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names = sorted(names)
    index = pd.Index(names)
    edges = index.get_indexer(pairs["first"]), index.get_indexer(pairs["second"])
    graph = coo_array((np.ones(len(pairs)), edges), shape=(len(names), len(names)))
    _, components = connected_components(graph, directed=False)
    _, firsts = np.unique(components, return_index=True)
    return {name: names[firsts[component]] for name, component in zip(names, components, strict=True)}


def find_duplicates(folder: Path, names: Sequence[str]) -> pd.DataFrame:
    """Returns the pairs of near duplicates, as `compare_hashes`; photos that cannot be decoded are left out."""
    return compare_hashes(hash_photos(folder, names)[0])


def hash_photos(folder: Path, names: Sequence[str]) -> tuple[dict[str, PhotoHash], dict[str, str]]:
    """Returns the hashes of photos, and why the others cannot be decoded; both by name, sorted."""
    from tqdm import tqdm

    names = sorted(names)
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # Pillow decodes outside Python's global lock
        work = threads.map(partial(_hash_photo, folder), names)
        results = list(tqdm(work, total=len(names), desc="comparing photos", unit="", delay=1, leave=False))
    by_name = dict(zip(names, results, strict=True))
    hashes = {name: result for name, result in by_name.items() if isinstance(result, PhotoHash)}
    return hashes, {name: result for name, result in by_name.items() if isinstance(result, str)}


def compare_hashes(hashes: Mapping[str, PhotoHash]) -> pd.DataFrame:
    """Returns all pairs of near duplicates, the nearest first.

    Returns:
        A table with `PAIR_COLUMNS`: two names, the first before the second; the number of bits in which their hashes
        differ, 0..`MAX_DISTANCE`; and whether the files are the same byte for byte.
    """
    names = sorted(hashes)
    signs = np.array([hashes[name].signs for name in names]).reshape(-1, HASH_SIZE * HASH_SIZE)
    rows = [
        (names[one], names[other], bits, hashes[names[one]].digest == hashes[names[other]].digest)
        for one, other, bits in _near_pairs(signs)
    ]
    table = pd.DataFrame(rows, columns=PAIR_COLUMNS)
    return table.sort_values(["bits", "first", "second"], kind="stable", ignore_index=True)


def _hash_photo(folder: Path, name: str) -> PhotoHash | str:
    import imagehash

    try:
        data = images.read_bytes(folder / name)
        bits = imagehash.phash(images.decode(data, folder / name), hash_size=HASH_SIZE).hash
    except UserError as error:
        return str(error)
    return PhotoHash(np.where(bits, np.float32(1), np.float32(-1)).ravel(), hashlib.sha256(data).digest())


def _near_pairs(signs: np.ndarray, rows: int = 256) -> list[tuple[int, int, int]]:
    """Returns pairs of rows of `signs`, `(N, bits)`, at most `MAX_DISTANCE` apart, and their distance.

    Works in blocks of `rows`, since a matrix of all distances would need memory for N x N numbers.
    """
    pairs = []
    for start in range(0, len(signs), rows):
        # The dot product of two rows of -1 and 1 is the number of equal bits less the number of different ones.
        distances = (signs.shape[1] - signs[start : start + rows] @ signs[start:].T) / 2
        for one, other in np.argwhere(np.triu(distances <= MAX_DISTANCE, k=1)):
            pairs.append((start + int(one), start + int(other), int(distances[one, other])))
    return pairs

"""Exact and near duplicates among photos, by four kinds of evidence.

- pHash at 256 bits (`imagehash`): the signs of the 16 x 16 lowest frequencies of the grey photo, relative to their
  median. It finds other sizes, compressions and brightnesses, banners and very slight crops. Of the hashes in imagehash
  it separated copies from look-alikes best, on 2,090 product photos: coarser hashes are equal for different garments on
  the same white background. Photos of one garment in two colours count as near duplicates.
- Keypoints and an alignment that is compared pixel by pixel: mirrored, turned, cropped and padded copies.
- Names that augmentation tools write.
- The SHA-256 of the files.

What each finds, and how often it is wrong: `python -m benchmarks duplicates`, docs/duplicates.md.
"""

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from apparel import images
from apparel.data import alignment, keypoints, source_names
from apparel.data.keypoints import Keypoints
from apparel.errors import UserError

HASH_SIZE = 16
"""Frequencies across and down; a hash has `HASH_SIZE ** 2` bits."""

MAX_DISTANCE = 64
"""Largest Hamming distance of near duplicates, in bits of 256. Measured: copies that are halved or quartered, of JPEG
quality 10, 20% brighter, or cropped or padded by 2% at each edge differ in up to 58 bits; photos of different garments
in 70 and more, in two million pairs."""

MIN_DEGREES = 3.0
"""Angle from which an aligned copy counts as turned."""

MAX_CROPPED = 0.94
"""Share of a photo that its copy shows, below which the copy counts as cropped or padded."""

KINDS = ("same file", "same picture", "mirrored", "turned", "cropped or padded", "by name")
"""Kinds of near duplicates, the closest first; a pair has the first that fits. `same picture`: another size,
compression or brightness. Mirrored ones may be turned and cropped, too, and turned ones cropped."""

PAIR_COLUMNS = ["first", "second", "kind"]


class PhotoHash(NamedTuple):
    """A photo's perceptual hash, `(256,)` of -1 and 1, the SHA-256 of its file, and its keypoints."""

    signs: np.ndarray
    digest: bytes
    keypoints: Keypoints


def group_duplicates(names: Collection[str], pairs: pd.DataFrame) -> dict[str, str]:
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
    """Returns the pairs of near duplicates, as `compare_hashes`; those that cannot be decoded are compared by name."""
    return compare_hashes(hash_photos(folder, names)[0], names)


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


def compare_hashes(hashes: Mapping[str, PhotoHash], names: Sequence[str]) -> pd.DataFrame:
    """Returns all pairs of near duplicates.

    Args:
        hashes: of the photos that can be decoded, by name.
        names: all photos.

    Returns:
        A table with `PAIR_COLUMNS`, sorted by kind, then by name: two names, the first before the second, and one of
        `KINDS`.
    """
    photos = sorted(hashes)
    kinds = _pairs_by_keypoints([hashes[name].keypoints for name in photos])
    signs = np.array([hashes[name].signs for name in photos]).reshape(-1, HASH_SIZE * HASH_SIZE)
    for one, other in _near_pairs(signs):
        if hashes[photos[one]].digest == hashes[photos[other]].digest:
            kinds[one, other] = "same file"
        else:
            kinds.setdefault((one, other), "same picture")
    alike = {(photos[one], photos[other]): kind for (one, other), kind in kinds.items()}
    siblings = source_names.find_siblings(names, alike)
    return _pair_table(dict.fromkeys(siblings, "by name") | alike)


def summary(pairs: pd.DataFrame) -> str:
    """Returns the number of photos, groups and pairs of each kind, in words."""
    if pairs.empty:
        return "none"
    groups = group_duplicates({*pairs["first"], *pairs["second"]}, pairs)
    return f"{len(groups)} photos in {len(set(groups.values()))} groups (pairs: {count_kinds(pairs)})"


def count_kinds(pairs: pd.DataFrame) -> str:
    """Returns how many pairs there are of each kind, such as `same file 2, mirrored 3`; the closest kind first."""
    counts = pairs["kind"].value_counts()
    return ", ".join(f"{kind} {counts[kind]}" for kind in KINDS if kind in counts.index)


def _hash_photo(folder: Path, name: str) -> PhotoHash | str:
    import imagehash

    try:
        data = images.read_bytes(folder / name)
        photo = images.decode(data, folder / name)
    except UserError as error:
        return str(error)
    signs = np.where(imagehash.phash(photo, hash_size=HASH_SIZE).hash, np.float32(1), np.float32(-1)).ravel()
    return PhotoHash(signs, hashlib.sha256(data).digest(), keypoints.detect(photo))


def _pair_table(kinds: Mapping[tuple[str, str], str]) -> pd.DataFrame:
    rows = sorted(((*pair, kind) for pair, kind in kinds.items()), key=lambda row: (KINDS.index(row[2]), row))
    return pd.DataFrame(rows, columns=PAIR_COLUMNS, dtype="str")


def _pairs_by_keypoints(photos: Sequence[Keypoints]) -> dict[tuple[int, int], str]:
    """Returns the kind of each pair of photos, by position, of which one can be aligned with the other."""
    from tqdm import tqdm

    candidates = keypoints.find_candidates(photos)
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # OpenCV works outside Python's global lock
        work = threads.map(partial(_kind_of_copy, photos), candidates)
        kinds = list(tqdm(work, total=len(candidates), desc="aligning photos", unit="", delay=1, leave=False))
    found = zip(candidates, kinds, strict=True)
    # A symmetric garment also matches its mirror image: what is not mirrored comes first and wins.
    return {(pair.one, pair.other): kind for pair, kind in reversed(list(found)) if kind}


def _kind_of_copy(photos: Sequence[Keypoints], candidate: keypoints.Candidate) -> str | None:
    one, other = photos[candidate.one], photos[candidate.other]
    aligned = alignment.align(one, other.mirrored() if candidate.mirrored else other)
    if aligned is None:
        return None
    if candidate.mirrored:
        return "mirrored"
    if abs(aligned.degrees) > MIN_DEGREES:
        return "turned"
    return "cropped or padded" if min(aligned.covered) < MAX_CROPPED else "same picture"


def _near_pairs(signs: np.ndarray, rows: int = 256) -> list[tuple[int, int]]:
    """Returns pairs of rows of `signs`, `(N, bits)`, at most `MAX_DISTANCE` apart.

    Works in blocks of `rows`, since a matrix of all distances would need memory for N x N numbers.
    """
    pairs = []
    for start in range(0, len(signs), rows):
        # The dot product of two rows of -1 and 1 is the number of equal bits less the number of different ones.
        distances = (signs.shape[1] - signs[start : start + rows] @ signs[start:].T) / 2
        for one, other in np.argwhere(np.triu(distances <= MAX_DISTANCE, k=1)):
            pairs.append((start + int(one), start + int(other)))
    return pairs
